#!/bin/bash
cd WEBAPP_PATH
docker-compose down
iptables -D INPUT -p tcp --dport 2224 -j ACCEPT
rm -rf WEBAPP_PATH/srv/gitlab/logs
docker rmi gitlab/gitlab-ce:latest
