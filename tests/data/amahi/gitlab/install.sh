#!/bin/bash
# Runs in the app's folder, after the platform has put its values in place of the placeholders.
set -e

SSH_PORT=2224
DATA=WEBAPP_PATH/srv/gitlab

mkdir -p "$DATA/config" "$DATA/logs" "$DATA/data"
chown -R root:root "$DATA"

cat > docker-compose.yml <<COMPOSE
web:
  image: 'gitlab/gitlab-ce:latest'
  container_name: 'APP_IDENTIFIER'
  restart: always
  hostname: 'APP_HOSTNAME'
  environment:
    GITLAB_OMNIBUS_CONFIG: |
      # GitLab would listen on the port of its address; inside its container it stays on 80.
      external_url 'http://APP_HOSTNAME:HOST_PORT'
      nginx['listen_port'] = 80
      gitlab_rails['gitlab_shell_ssh_port'] = $SSH_PORT
  ports:
    - 'HOST_PORT:80'
    - '$SSH_PORT:22'
  volumes:
    - '$DATA/config:/etc/gitlab'
    - '$DATA/logs:/var/log/gitlab'
    - '$DATA/data:/var/opt/gitlab'
COMPOSE

if ! iptables -C INPUT -p tcp --dport "$SSH_PORT" -j ACCEPT 2>/dev/null; then
    iptables -A INPUT -p tcp --dport "$SSH_PORT" -j ACCEPT
fi

docker-compose pull
docker-compose up -d

# The first start takes its time.
sleep 60
docker ps --filter name=APP_IDENTIFIER
