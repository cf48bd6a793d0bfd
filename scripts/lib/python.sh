# shellcheck shell=bash disable=SC2034 # the names here are for those who source this file
# Homeport's Python environment: made once, brought up to date when pyproject.toml changes.

# Where the code runs from: the checkout, or a copy that the API's user can read (see place_code).
CODE=${CODE:-$REPO}
COPY_TO=$SETUP_ROOT/opt/homeport
COMMAND_LINK=$SETUP_ROOT/usr/local/bin/homeport
# Debian's own: an interpreter in somebody's home folder cannot be run by the API's user.
PYTHON=/usr/bin/python3

# place_code: the API runs as a user of its own, which cannot enter most home folders. From a checkout in one of them
# the code is copied to /opt/homeport, and runs from there.
place_code() {
  if others_can_read "$REPO"; then return; fi
  CODE=$COPY_TO
  if [ -e "$CODE" ] && ! recorded folder | grep -qxF "$CODE"; then
    fail "$REPO cannot be read by the API's own user, and $CODE, where a copy would go, exists already." \
      "Move the checkout to a folder that every user may read, or $CODE out of the way."
  fi
  local digest
  digest=$(checkout_as_tar | sha256sum)
  if [ "$(cat "$CODE/.copied" 2>/dev/null)" = "$digest" ]; then return; fi
  step "Copying the code to $CODE ($REPO can be read by its owner only)"
  record_made folder "$CODE"
  as_root install -d -m 0755 "$CODE"
  # What runs from the older copy must not find its files half exchanged.
  if [ -e "$CODE/.copied" ]; then stop_service; fi
  as_root find "$CODE" -mindepth 1 -maxdepth 1 ! -name .venv -exec rm -rf {} +
  checkout_as_tar | as_root tar -C "$CODE" --no-same-owner --preserve-permissions -xf -
  printf '%s\n' "$digest" | as_root tee "$CODE/.copied" >/dev/null
}

others_can_read() {
  as_root setpriv --reuid 65534 --regid 65534 --clear-groups test -r "$1/pyproject.toml" 2>/dev/null
}

# run_where_readable SCRIPT ARGUMENTS…: does not return where the checkout can be read by its owner only. Then the script
# runs from a second place in which the same files are seen; the Homeport that it starts has a user that must read them.
run_where_readable() {
  local script=$1 place status=0
  shift
  if others_can_read "$REPO"; then return; fi
  place=/srv/homeport-$(printf '%s' "$REPO" | sha256sum | cut -c 1-12)
  step "The checkout can be read by its owner only; it is seen as $place while this runs"
  as_root mkdir -p "$place"
  mountpoint -q "$place" || as_root mount --bind "$REPO" "$place"
  if ! others_can_read "$place"; then
    as_root umount "$place"
    fail "the files of the checkout can be read by their owner only." "Make them readable: chmod -R go+rX '$REPO'"
  fi
  "$place/scripts/$script" "$@" || status=$?
  as_root umount "$place" && as_root rmdir "$place"
  exit "$status"
}

checkout_as_tar() {
  tar -C "$REPO" --exclude=./.git --exclude=./.venv --exclude='*.egg-info' --exclude='*_cache' --exclude=__pycache__ \
    --sort=name --mtime=@0 --mode='u=rwX,go=rX' -cf - .
}

# As root where the code is the copy, as whoever calls in the checkout.
in_code() { if [ "$CODE" = "$REPO" ]; then "$@"; else as_root "$@"; fi; }

# ensure_venv: afterwards $CODE/.venv has Homeport, installed in place, what it depends on, and what the tests need.
ensure_venv() {
  local venv=$CODE/.venv stamp wanted
  stamp=$venv/homeport.stamp
  "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "Python 3.11 or newer is needed; this one is $("$PYTHON" -c 'import platform; print(platform.python_version())')."
  wanted=$(sha256sum <"$CODE/pyproject.toml")
  if grep -qsxF -e "$wanted" "$stamp" && [ -x "$venv/bin/homeport" ]; then return; fi
  step "Installing Homeport's Python packages into $venv"
  if [ ! -e "$venv" ]; then
    record_made venv "$venv"
    in_code "$PYTHON" -m venv "$venv" || venv_failed "$venv" "it could not be made"
  fi
  in_code rm -f "$stamp"
  in_code "$venv/bin/python" -m pip install -qq --disable-pip-version-check -e "${CODE}[dev]" >&2 ||
    venv_failed "$venv" "what pip said stands above"
  printf '%s\n' "$wanted" | in_code tee "$stamp" >/dev/null
}

venv_failed() {
  if recorded venv | grep -qxF "$1"; then
    in_code rm -rf "$1"
    forget_made venv "$1"
  fi
  fail "the Python environment could not be made: $2." "An environment that was begun is removed."
}

# link_command: `homeport` is on the PATH afterwards. Somebody else's command of that name stays.
link_command() {
  local target=$CODE/.venv/bin/homeport before
  before=$(readlink "$COMMAND_LINK" || true)
  if [ "$before" = "$target" ]; then return; fi
  if [ -e "$COMMAND_LINK" ] && ! recorded link | grep -qxF "$COMMAND_LINK"; then
    say "$COMMAND_LINK is not ours and stays as it is; ours is $target"
    return
  fi
  as_root mkdir -p "${COMMAND_LINK%/*}"
  as_root ln -sfn "$target" "$COMMAND_LINK"
  if [ -n "$before" ]; then say "$COMMAND_LINK now points to $target (was $before)."; fi
  record_made link "$COMMAND_LINK"
}
