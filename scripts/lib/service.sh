# shellcheck shell=bash disable=SC2034 # the names here are for those who source this file
# Homeport itself: starting, waiting until it is ready, stopping. By systemd where that runs, else by ourselves.

SERVICE_LOG=/var/log/homeport.log
SERVICE_PID_FILE=/run/homeport-up.pid
SERVICE_UNIT=/etc/systemd/system/homeport.service
START_SECONDS=60
# Jobs are handed back and containers stay; but a step that is under way may take its time.
STOP_SECONDS=90

# setting NAME: a setting as Homeport, started by root, will read it.
setting() {
  as_root "$CODE/.venv/bin/python" -c '
import sys
from homeport.settings import load_settings
print(getattr(load_settings(), sys.argv[1]))' "$1"
}

is_ready() {
  "$CODE/.venv/bin/python" - "http://$1/readyz" 2>/dev/null <<'PYTHON'
import sys, urllib.request
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
sys.exit(opener.open(sys.argv[1], timeout=5).status != 200)
PYTHON
}

service_pid() {
  local pid
  pid=$(cat "$SERVICE_PID_FILE" 2>/dev/null) || return 1
  tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -qE 'supervisord|homeport' && printf '%s' "$pid"
}

start_service() {
  local listen user
  listen=$(setting listen)
  if is_ready "$listen"; then
    say "Homeport runs already and is ready."
    return
  fi
  user=$(setting api_user)
  getent passwd "$user" >/dev/null || record_made user "$user"
  record_new_folder "$(setting state_dir)"
  record_new_folder "$(setting run_dir)"
  if has_systemd; then start_unit; else start_detached; fi
  wait_until_ready "$listen"
}

start_unit() {
  step "Starting Homeport (systemctl status homeport)"
  if ! sed "s|@HOMEPORT@|$CODE/.venv/bin/homeport|" "$CODE/deploy/homeport.service" | cmp -s - "$SERVICE_UNIT"; then
    sed "s|@HOMEPORT@|$CODE/.venv/bin/homeport|" "$CODE/deploy/homeport.service" | as_root tee "$SERVICE_UNIT" >/dev/null
    record_made file "$SERVICE_UNIT"
    as_root systemctl daemon-reload
  fi
  as_root systemctl enable --quiet --now homeport || fail "systemd could not start Homeport." "journalctl -u homeport says why."
}

start_detached() {
  if service_pid >/dev/null; then
    say "Homeport is starting already."
    return
  fi
  step "Starting Homeport (its log: $SERVICE_LOG)"
  record_made file "$SERVICE_LOG"
  # shellcheck disable=SC2016 # the inner shell's own words
  as_root setsid --fork bash -c 'echo $$ >"$1"; cd /; exec "$3" up >>"$2" 2>&1 </dev/null' \
    homeport "$SERVICE_PID_FILE" "$SERVICE_LOG" "$CODE/.venv/bin/homeport"
}

wait_until_ready() {
  local until=$((SECONDS + START_SECONDS)) began=$SECONDS
  while ! is_ready "$1"; do
    if has_systemd; then
      if [ "$SECONDS" -ge "$until" ]; then
        as_root journalctl --no-pager -u homeport -n 25 >&2 || true
        as_root systemctl stop homeport || true
        fail "Homeport is not ready after $START_SECONDS s; it was stopped again." "The end of its log stands above."
      fi
    elif [ "$SECONDS" -ge "$until" ] || { [ $((SECONDS - began)) -ge 2 ] && ! service_pid >/dev/null; }; then
      as_root tail -n 25 "$SERVICE_LOG" >&2 || true
      stop_service
      fail "Homeport did not become ready; it was stopped again." "The end of its log, $SERVICE_LOG, stands above."
    fi
    sleep 0.2
  done
}

stop_service() {
  local pid
  if has_systemd && [ -e "$SERVICE_UNIT" ]; then
    if systemctl is-active --quiet homeport; then step "Stopping Homeport"; fi
    as_root systemctl disable --quiet --now homeport || true
  fi
  if pid=$(service_pid); then
    step "Stopping Homeport"
    stop_process "$pid" "$STOP_SECONDS"
  fi
  as_root rm -f "$SERVICE_PID_FILE"
}

# lan_address: the address under which other machines on the LAN reach this one.
lan_address() {
  local address
  # The address that packets to the outside would carry; nothing is sent. (192.0.2.0/24 is for documentation, RFC 5737.)
  address=$(ip -4 route get 192.0.2.1 2>/dev/null | sed -n 's/.* src \([0-9.]*\).*/\1/p' | head -n 1)
  [ -n "$address" ] || address=$(hostname -I 2>/dev/null | awk '{ print $1 }')
  printf '%s' "${address:-127.0.0.1}"
}
