# shellcheck shell=bash disable=SC2034 # the names here are for those who source this file
# What all scripts share: words to the screen, root's rights, questions, and the record of what they made.

# For a second Homeport beside the machine's own, as the tests make one: a folder below which everything lies that these
# scripts make outside the checkout. No service manager starts that one. (Its settings: HOMEPORT_*, its engine: DOCKER_HOST.)
SETUP_ROOT=${SETUP_ROOT-}

# Changes to the machine are recorded here, a line each: a kind, a space, a value. `scripts/down --purge` reads it.
# (Its own folder, so that it outlives Homeport's state.)
SETUP_RECORD=${SETUP_RECORD:-$SETUP_ROOT/var/lib/homeport-setup/made}
CACHE_DIR=$SETUP_ROOT/var/cache/homeport

ANSWER_YES=${ANSWER_YES:-no}

# What is made here can be read by the API's own user.
umask 022
# Where root's programs are, for whoever calls.
PATH=$PATH:/usr/sbin:/sbin

say() { printf '%s\n' "$*" >&2; }
step() { printf '==> %s\n' "$*" >&2; }
fail() {
  printf 'error: %s\n' "$1" >&2
  shift
  local line
  for line in "$@"; do [ -z "$line" ] || printf '       %s\n' "$line" >&2; done
  exit 1
}

# usage_of SCRIPT: prints the comment at its head.
usage_of() { sed -n '2,/^set /{/^set /d; s/^# \{0,1\}//; p}' "$1"; }

# Runs a command as root: as it is when we are root, else with sudo.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

# Ends here, before anything was changed, where root's rights cannot be had.
require_root_rights() {
  [ "$(id -u)" -eq 0 ] && return
  command -v sudo >/dev/null || fail "this needs root's rights, and there is no sudo." "Run it as root."
  if [ -t 0 ]; then sudo -v || fail "sudo refused."; else
    sudo -n true 2>/dev/null || fail "this needs root's rights, and sudo asks for a password." "Run it as root."
  fi
}

on_terminal() { [ -t 0 ] && [ -t 2 ]; }

# ask QUESTION: true for a yes on the terminal.
ask() {
  local answer
  printf '%s [y/N] ' "$1" >&2
  read -r answer || return 1
  [[ $answer =~ ^[Yy]([Ee][Ss])?$ ]]
}

# Where a service manager runs, systemctl starts things; elsewhere we do.
has_systemd() { [ -z "$SETUP_ROOT" ] && [ -d /run/systemd/system ]; }

record_made() { # KIND VALUE
  as_root mkdir -p "${SETUP_RECORD%/*}"
  recorded "$1" | grep -qxF -- "$2" || printf '%s %s\n' "$1" "$2" | as_root tee -a "$SETUP_RECORD" >/dev/null
}

# record_new_folder PATH: for a folder that is about to be made; one that is there already is not ours to remove.
record_new_folder() { if [ ! -e "$1" ]; then record_made folder "$1"; fi; }

# recorded KIND: the values recorded under it, a line each.
recorded() {
  [ -e "$SETUP_RECORD" ] || return 0
  sed -n "s/^$1 //p" "$SETUP_RECORD"
}

forget_made() { # KIND [VALUE]
  [ -e "$SETUP_RECORD" ] || return 0
  local kept
  kept=$(awk -v kind="$1" -v value="${2-}" '!($1 == kind && (value == "" || substr($0, length(kind) + 2) == value))' \
    "$SETUP_RECORD")
  if [ -n "$kept" ]; then
    printf '%s\n' "$kept" | as_root tee "$SETUP_RECORD" >/dev/null
  else
    as_root rm -rf "${SETUP_RECORD%/*}"
  fi
}

# stop_process PID SECONDS: asks it to end, waits, and kills it where it does not.
stop_process() {
  local until=$((SECONDS + $2))
  as_root kill -TERM "$1" 2>/dev/null || return 0
  while [ -e "/proc/$1" ] && [ "$(sed 's/.*) //; s/ .*//' "/proc/$1/stat" 2>/dev/null)" != Z ]; do
    if [ "$SECONDS" -ge "$until" ]; then
      say "Process $1 did not end within $2 s and is killed."
      as_root kill -KILL "$1" 2>/dev/null || true
      return 0
    fi
    sleep 0.2
  done
}
