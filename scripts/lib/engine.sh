# shellcheck shell=bash disable=SC2034 # these names are for those who source this file
# The Docker Engine: which client is a real one, whether an engine answers, starting it.

DOCKER=${DOCKER-}
ENGINE_LOG=/var/log/homeport-dockerd.log
ENGINE_PID_FILE=/run/homeport-dockerd.pid
ENGINE_START_SECONDS=60
# Older engines have no `start_interval` in health checks (API 1.44), which Homeport renders.
OLDEST_ENGINE=25

# find_docker: sets DOCKER to the first client on the PATH that has buildx. Another one, without an engine of its own,
# may stand before the real one, so that `command -v` says nothing.
find_docker() {
  [ -z "$DOCKER" ] || return 0
  local candidate
  while read -r candidate; do
    if "$candidate" buildx version >/dev/null 2>&1; then
      DOCKER=$candidate
      return 0
    fi
  done < <(type -aP docker; [ ! -x /usr/bin/docker ] || echo /usr/bin/docker)
  return 1
}

docker_do() { as_root env ${DOCKER_HOST:+DOCKER_HOST="$DOCKER_HOST"} "$DOCKER" "$@"; }

engine_version() { docker_do version --format '{{.Server.Version}}' 2>/dev/null; }

engine_answers() { find_docker && docker_do info >/dev/null 2>&1; }
