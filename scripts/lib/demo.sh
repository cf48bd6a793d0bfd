# shellcheck shell=bash
# The demo: one app, built on this machine, open to the LAN.

DEMO_APP=dokuwiki

homeport_do() { as_root "$CODE/.venv/bin/homeport" "$@"; }

install_demo() {
  local port address
  if ! homeport_do show "$DEMO_APP" --json >/dev/null 2>&1; then
    step "Installing $DEMO_APP"
    homeport_do install "$DEMO_APP" >&2 || fail "the demo app could not be installed." "Why stands above."
  fi
  port=$(homeport_do show "$DEMO_APP" --json | "$CODE/.venv/bin/python" -c 'import json, sys; print(json.load(sys.stdin)["host_port"])')
  address=$(lan_address)
  say "$DEMO_APP runs. Open it from any machine on your network:"
  printf 'http://%s:%s/\n' "$address" "$port"
}
