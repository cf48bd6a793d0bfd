# shellcheck shell=bash
# Base images debian:SUITE-slim: what is there, else pulled, else made from Debian's packages by debootstrap.

PULL_SECONDS=60
DEBOOTSTRAP_SECONDS=1200

base_image_name() { printf 'debian:%s-slim' "$1"; }
base_image_tar() { printf '%s/base-%s.tar' "$CACHE_DIR" "$1"; }

# ensure_base_image SUITE: afterwards the engine (DOCKER_HOST's, if given) has debian:SUITE-slim.
ensure_base_image() {
  local suite=$1 image id
  image=$(base_image_name "$suite")
  if docker_do image inspect "$image" >/dev/null 2>&1; then return; fi
  if [ ! -e "$(base_image_tar "$suite")" ]; then
    step "Pulling $image (at most $PULL_SECONDS s)"
    if pull_base_image "$image"; then
      record_base_image "$image"
      return
    fi
    say "$image cannot be pulled here; it is made from Debian's packages instead."
    ensure_base_tar "$suite"
  fi
  step "Importing $image from $(base_image_tar "$suite")"
  id=$(docker_do import --change 'CMD ["bash"]' "$(base_image_tar "$suite")" "$image") ||
    fail "$image could not be imported." "What docker said stands above; the engine's disk may be full."
  say "$image is ${id#sha256:}"
  record_base_image "$image"
}

pull_base_image() {
  as_root timeout --kill-after=5 "$PULL_SECONDS" \
    env ${DOCKER_HOST:+DOCKER_HOST="$DOCKER_HOST"} "$DOCKER" pull --quiet "$1" >&2
}

# Only what the machine's own engine got is ours to remove later.
record_base_image() {
  if [ -z "${DOCKER_HOST-}" ]; then record_made image "$1"; fi
}

# ensure_base_tar SUITE: afterwards the root file system lies in the cache folder; one caller makes it, others wait.
ensure_base_tar() {
  local suite=$1 tar
  tar=$(base_image_tar "$suite")
  if [ -e "$tar" ]; then return; fi
  command -v debootstrap >/dev/null || [ -x /usr/sbin/debootstrap ] ||
    fail "debootstrap is missing." "Install it: apt-get install debootstrap"
  # The record is written before the folder, so that it is removed again whatever happens in between.
  record_new_folder "$CACHE_DIR"
  as_root mkdir -p "$CACHE_DIR"
  local mirror
  mirror=$(debian_mirror) || fail "no mirror of Debian stands in this machine's apt sources." \
    "Add one (man sources.list), then try again."
  step "Making $(base_image_name "$suite") with debootstrap (about half a minute)"
  as_root env \
    SUITE="$suite" MIRROR="$mirror" TAR="$tar" SECONDS_ALLOWED="$DEBOOTSTRAP_SECONDS" \
    SECURITY="$(debian_entry -security | cut -f 2 || true)" UPDATES="$(debian_entry -updates | cut -f 2 || true)" \
    flock "$CACHE_DIR/.base-$suite.lock" bash "$REPO/scripts/lib/make_base_tar.sh" >&2 ||
    fail "the base image could not be made." "Why stands above; what was begun is removed."
}

# base_suites: the releases that the apps we ship build from, a line each.
base_suites() {
  grep -rhoE '^FROM debian:[a-z]+-slim' "$REPO/apps" --include='*Dockerfile*' | sed 's/.*://; s/-slim$//' | sort -u
}
