#!/bin/bash
mkdir -p config downloads
chown -R 1000:1000 config downloads

docker create --name=APP_IDENTIFIER \
    -v WEBAPP_PATH/config:/config \
    -v WEBAPP_PATH/downloads:/downloads \
    -v /etc/localtime:/etc/localtime:ro \
    -e PUID=1000 -e PGID=1000 \
    -p HOST_PORT:5075 \
    --restart unless-stopped \
    linuxserver/hydra

docker start APP_IDENTIFIER
sleep 5
