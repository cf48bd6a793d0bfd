# shellcheck shell=bash disable=SC2034 # the names here are for those who source this file
# Homeport itself: starting, waiting until it is ready, stopping. By systemd where that runs, else by ourselves.

SERVICE_LOG=$SETUP_ROOT/var/log/homeport.log
SERVICE_PID_FILE=$SETUP_ROOT/run/homeport-up.pid
SERVICE_UNIT=$SETUP_ROOT/etc/systemd/system/homeport.service
START_SECONDS=60
# Jobs are handed back and containers stay; but a step that is under way may take its time.
STOP_SECONDS=90

# setting NAME: a setting as Homeport, started by root, will read it.
setting() {
  as_root "$CODE/.venv/bin/python" -P -c '
import sys
from homeport.settings import load_settings
print(getattr(load_settings(), sys.argv[1]))' "$1"
}

# readiness ADDRESS: what /readyz answers; true when it says ready.
readiness() {
  "$CODE/.venv/bin/python" -P - "http://$1/readyz" 2>/dev/null <<'PYTHON'
import sys, urllib.error, urllib.request
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
try:
    answer = opener.open(sys.argv[1], timeout=5)
except urllib.error.HTTPError as error:
    answer = error
print(answer.read(4000).decode(errors="replace").strip())
sys.exit(answer.status != 200)
PYTHON
}

is_ready() { readiness "$1" >/dev/null; }

service_pid() {
  local pid
  pid=$(cat "$SERVICE_PID_FILE" 2>/dev/null) || return 1
  tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -qE 'supervisord|homeport' && printf '%s' "$pid"
}

# running_code: the folder of the code of the Homeport that runs on this machine's folders; false where none is known.
running_code() {
  local pid command
  pid=$(as_root cat "$(setting run_dir)/supervisord.pid" 2>/dev/null) || return 1
  command=$(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline") || return 1
  [[ $command = */.venv/bin/python*supervisor.supervisord* ]] || return 1
  printf '%s' "${command%%/.venv/bin/python*}"
}

# refuse_other_homeport: ends here where the Homeport of another checkout runs on the same folders.
refuse_other_homeport() {
  local other
  other=$(running_code) || return 0
  if [ "$(readlink -m "$other")" = "$(readlink -m "$CODE")" ]; then return; fi
  fail "a Homeport of $other runs already; the one of $CODE was not started." \
    "To run this one in its place, with the same apps: $other/scripts/down, then scripts/up"
}

start_service() {
  local listen user
  listen=$(setting listen)
  if is_ready "$listen"; then
    say "Homeport runs already and is ready."
    return
  fi
  for user in "$(setting api_user)" "$(setting cache_user)" "$(setting proxy_user)"; do
    getent passwd "$user" >/dev/null || record_made user "$user"
  done
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
  as_root mkdir -p "${SERVICE_LOG%/*}" "${SERVICE_PID_FILE%/*}"
  # shellcheck disable=SC2016 # the inner shell's own words
  as_root setsid --fork bash -c 'echo $$ >"$1"; cd /; exec "$3" up --log-file "$2" >>"$2" 2>&1 </dev/null' \
    homeport "$SERVICE_PID_FILE" "$SERVICE_LOG" "$CODE/.venv/bin/homeport"
}

wait_until_ready() {
  local until=$((SECONDS + START_SECONDS)) began=$SECONDS
  while ! is_ready "$1"; do
    if [ "$SECONDS" -ge "$until" ] || { [ $((SECONDS - began)) -ge 2 ] && ! service_lives; }; then
      not_ready "$1"
    fi
    sleep 0.3
  done
}

service_lives() { if has_systemd; then ! systemctl is-failed --quiet homeport; else service_pid >/dev/null; fi; }

# not_ready ADDRESS: shows why, stops what was started, and ends the script.
not_ready() {
  local answer log=$SERVICE_LOG
  answer=$(readiness "$1" || true)
  if has_systemd; then log="journalctl -u homeport"; fi
  say "The last lines of its log:"
  { if has_systemd; then as_root journalctl --no-pager -u homeport -n 200; else as_root tail -n 200 "$SERVICE_LOG"; fi; } |
    grep -v 'GET /readyz' | tail -n 25 >&2 || true
  stop_service
  fail "Homeport did not become ready, and was stopped again." "${answer:+It said: $answer}" "Its log: $log"
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
