# shellcheck shell=bash disable=SC2034 # the names here are for those who source this file
# The Docker Engine: which client is a real one, whether an engine answers, starting it.

DOCKER=${DOCKER-}
ENGINE_LOG=$SETUP_ROOT/var/log/homeport-dockerd.log
ENGINE_PID_FILE=$SETUP_ROOT/run/homeport-dockerd.pid
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

# engine_fits: an engine answers, is new enough, and its client has buildx.
engine_fits() {
  local version
  engine_answers && version=$(engine_version) && [ "${version%%.*}" -ge "$OLDEST_ENGINE" ]
}

# engine_programs_fit: an engine could be started: the programs are there and new enough.
engine_programs_fit() {
  local version
  find_docker && command -v dockerd >/dev/null || return 1
  version=$(dockerd --version | sed -n 's/^Docker version \([0-9]*\)\..*/\1/p')
  [ "${version:-0}" -ge "$OLDEST_ENGINE" ]
}

# start_engine: afterwards the machine's engine answers; at once where it does already.
start_engine() {
  find_docker || fail "no Docker client with buildx is here."
  if docker_do info >/dev/null 2>&1; then return; fi
  [ -z "${DOCKER_HOST-}" ] || fail "the engine at DOCKER_HOST ($DOCKER_HOST) does not answer." \
    "Start it, or unset DOCKER_HOST for this machine's own."
  if has_systemd; then
    step "Starting the Docker Engine"
    as_root systemctl start docker || fail "systemd could not start docker." "journalctl -u docker says why."
  else
    step "Starting the Docker Engine (no service manager runs here; its log: $ENGINE_LOG)"
    # shellcheck disable=SC2016 # the inner shell's own words
    as_root setsid --fork bash -c 'echo $$ >"$1"; exec dockerd --pidfile /var/run/docker.pid >>"$2" 2>&1 </dev/null' \
      dockerd "$ENGINE_PID_FILE" "$ENGINE_LOG"
    record_made engine "$ENGINE_PID_FILE"
    record_made file "$ENGINE_LOG"
  fi
  wait_for_engine
}

wait_for_engine() {
  local until=$((SECONDS + ENGINE_START_SECONDS))
  while ! docker_do info >/dev/null 2>&1; do
    if [ "$SECONDS" -ge "$until" ]; then
      if ! has_systemd; then as_root tail -n 15 "$ENGINE_LOG" >&2; stop_engine; fi
      fail "the Docker Engine did not answer within $ENGINE_START_SECONDS s." "Its log: $ENGINE_LOG, or journalctl -u docker."
    fi
    sleep 0.3
  done
}

# stop_engine: stops the engine that start_engine started, and no other one.
stop_engine() {
  local pid
  if ! recorded engine | grep -q .; then return; fi
  pid=$(cat "$ENGINE_PID_FILE" 2>/dev/null || true)
  if [ -n "$pid" ] && [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = dockerd ]; then
    step "Stopping the Docker Engine that these scripts started"
    stop_process "$pid" 60
  fi
  as_root rm -f "$ENGINE_PID_FILE"
  forget_made engine
}
