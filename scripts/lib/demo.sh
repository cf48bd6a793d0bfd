# shellcheck shell=bash
# The demo: one app, built on this machine, open to the LAN.

DEMO_APP=dokuwiki
DEMO_SECONDS=20

homeport_do() { as_root "$CODE/.venv/bin/homeport" "$@"; }

install_demo() {
  local page address
  if ! homeport_do show "$DEMO_APP" --json >/dev/null 2>&1; then
    step "Installing $DEMO_APP"
    homeport_do install "$DEMO_APP" >&2 || fail "the demo app could not be installed." "Why stands above."
  fi
  page=$(homeport_do show "$DEMO_APP" --json | "$CODE/.venv/bin/python" -c 'import json, sys
app = json.load(sys.stdin)
print(str(app["host_port"]) + app["path"])')
  if [ "$(setting publish_address)" = 127.0.0.1 ]; then address=http://127.0.0.1:$page; else address=http://$(lan_address):$page; fi
  require_page "$address"
  if [[ $address = http://127.* ]]; then
    say "$DEMO_APP runs. Open it on this machine; from others by its name: $(demo_url)"
  else
    say "$DEMO_APP runs. Open it from any machine on your network:"
  fi
  printf '%s\n' "$address"
}

# demo_url: the demo's address by name.
demo_url() {
  homeport_do show "$DEMO_APP" --json |
    "$CODE/.venv/bin/python" -c 'import json, sys; print(json.load(sys.stdin)["url"] or "none, as no proxy leads to it")'
}

# require_page ADDRESS: ends here where the demo's page does not come.
require_page() {
  local until=$((SECONDS + DEMO_SECONDS)) said
  while ! said=$(page_status "$1"); do
    if [ "$SECONDS" -ge "$until" ]; then
      fail "$DEMO_APP is installed, but $1 does not answer as it should: $said." \
        "Its log may say why: homeport logs $DEMO_APP" \
        "To make it anew, with its data: homeport uninstall $DEMO_APP, then scripts/up demo"
    fi
    sleep 0.5
  done
}

# page_status ADDRESS: the HTTP status of what comes from there, or why nothing comes; true for 200.
page_status() {
  "$CODE/.venv/bin/python" -P - "$1" 2>/dev/null <<'PYTHON'
import http.client, sys, urllib.error, urllib.request
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
try:
    status = opener.open(sys.argv[1], timeout=5).status
except urllib.error.HTTPError as error:
    status = error.code
except (OSError, http.client.HTTPException) as error:
    status = getattr(error, "reason", error)
print(status)
sys.exit(status != 200)
PYTHON
}
