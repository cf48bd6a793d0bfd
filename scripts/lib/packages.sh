# shellcheck shell=bash disable=SC2034 # the names here are for those who source this file
# Debian packages: what is needed, what is missing, and getting it, after saying so and asking.

HOMEPORT_PACKAGES=(
  python3-venv    # Python's virtual environments (brings python3)
  debootstrap     # makes base images where none can be pulled
  ca-certificates # whom to trust on HTTPS
  iptables        # the Engine's networks
  iproute2        # this machine's address on the LAN
  nginx           # the package caches; never as a service of its own
  haproxy         # the reverse proxy in front of apps; likewise
  git             # fetches catalogs; not for Homeport itself
  util-linux      # setpriv, unshare: processes with less power, that die with their parent
)
ENGINE_PACKAGES=(docker.io docker-cli docker-buildx)
TEST_PACKAGES=(
  docker-registry # the registry that the tests pull from
  procps          # pgrep and sysctl, for the tests' network namespace
  gpg gpg-agent   # the tests' own Debian repository is signed
  jq              # the API's page makes a request with it
  apache2         # the reverse proxy of hosts that have it already
)

DEBIAN13_SOURCE=/etc/apt/sources.list.d/homeport-debian13.sources
DEBIAN13_PREFERENCES=/etc/apt/preferences.d/homeport-debian13
DEBIAN13_ENGINE=${DEBIAN13_ENGINE:-no}
APT_LOCK_SECONDS=120

MISSING=()        # packages of this release
MISSING_ENGINE=() # the Engine's
ENGINE_FROM=      # native or debian13
ADDED_DEBIAN13=no

package_installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }
installed_packages() { dpkg-query -W -f '${db:Status-Status} ${Package}\n' | sed -n 's/^installed //p' | sort -u; }

# find_missing up|test: fills MISSING, MISSING_ENGINE and ENGINE_FROM. Changes nothing.
find_missing() {
  local package wanted=("${HOMEPORT_PACKAGES[@]}")
  if [ "$1" = test ]; then wanted+=("${TEST_PACKAGES[@]}"); fi
  MISSING=()
  MISSING_ENGINE=()
  for package in "${wanted[@]}"; do
    package_installed "$package" || MISSING+=("$package")
  done
  if { [ "$1" = up ] && engine_fits; } || engine_programs_fit; then return; fi
  if package_installed docker-ce; then
    fail "Docker's own packages (docker-ce) are installed, but no usable Engine with buildx comes of them." \
      "Homeport needs Engine $OLDEST_ENGINE or newer with buildx 0.13: update them, or start the Engine, then try again."
  fi
  MISSING_ENGINE=("${ENGINE_PACKAGES[@]}")
  # The Engine refuses to start where the kernel has AppArmor and its parser is missing.
  if grep -qs Y /sys/module/apparmor/parameters/enabled && ! package_installed apparmor; then
    MISSING+=(apparmor)
  fi
  choose_engine_source
}

choose_engine_source() {
  local candidate
  candidate=$(LC_ALL=C apt-cache policy docker.io 2>/dev/null | sed -n 's/^ *Candidate: \([0-9]*\)\..*/\1/p')
  ENGINE_FROM=native
  if [ "${candidate:-0}" -lt "$OLDEST_ENGINE" ] && [ "$(release_value ID)" = debian ] &&
    [ "$(release_value VERSION_ID)" = 12 ]; then
    ENGINE_FROM=debian13
  fi
}

# install_missing COMMAND: says what is missing, asks, installs. COMMAND is what to type where nobody can be asked.
install_missing() {
  local total=$((${#MISSING[@]} + ${#MISSING_ENGINE[@]}))
  [ "$total" -gt 0 ] || return 0
  command -v apt-get >/dev/null || fail "packages are missing: ${MISSING[*]} ${MISSING_ENGINE[*]}" \
    "This is not a Debian system, so these scripts cannot install them. Install them, then try again."
  require_root_rights
  get_consent "$1"
  local before
  before=$(installed_packages)
  trap drop_debian13_source EXIT
  if [ "$ENGINE_FROM" = debian13 ]; then add_debian13_source; fi
  step "Reading the lists of packages"
  # A source of somebody else's may fail; whether ours can be had is seen in the next step.
  apt_get update || true
  grep -E '^(E|W):' "$APT_OUTPUT" | sort -u | head -n 8 >&2 || true
  local targets=("${MISSING[@]}") package
  for package in "${MISSING_ENGINE[@]}"; do
    if [ "$ENGINE_FROM" = debian13 ]; then targets+=("$package/trixie"); else targets+=("$package"); fi
  done
  apt_get install --simulate "${targets[@]}" || apt_failed "cannot be had from this machine's sources"
  step "Downloading ${targets[*]}"
  apt_get install --download-only "${targets[@]}" || apt_failed "could not be downloaded"
  if [ ${#MISSING_ENGINE[@]} -gt 0 ]; then record_engine_folders; fi
  step "Installing them"
  keep_servers_off
  apt_get install "${targets[@]}" || {
    record_new_packages
    leave_servers_disabled
    apt_failed "could not be installed; 'dpkg --configure -a' shows what is stuck"
  }
  record_new_packages
  leave_servers_disabled
  trap - EXIT
  rm -f "$APT_OUTPUT"
}

# Debian's web servers start when they are installed, on port 80, which nobody asked for: where one comes because of us,
# its service is kept from starting and left disabled. An owner's is not touched.
SERVERS=(nginx haproxy apache2)
NEW_SERVERS=()
keep_servers_off() {
  local server
  NEW_SERVERS=()
  for server in "${SERVERS[@]}"; do
    if [[ " ${MISSING[*]} " == *" $server "* ]]; then NEW_SERVERS+=("$server"); fi
  done
  if has_systemd; then
    for server in "${NEW_SERVERS[@]}"; do as_root systemctl --quiet mask "$server.service"; done
  fi
}

leave_servers_disabled() {
  local server
  for server in "${NEW_SERVERS[@]}"; do
    if has_systemd; then
      as_root systemctl --quiet unmask "$server.service"
      as_root systemctl --quiet disable "$server.service" || true
    else
      as_root service "$server" stop >/dev/null 2>&1 || true
      as_root update-rc.d "$server" disable >/dev/null 2>&1 || true
    fi
  done
  NEW_SERVERS=()
}

# get_consent COMMAND: ends the script, with nothing changed, unless everything was agreed to.
get_consent() {
  local hint=$1
  if [ ${#MISSING[@]} -gt 0 ]; then say "Missing Debian packages: ${MISSING[*]}"; fi
  case $ENGINE_FROM in
    native) say "No Docker Engine with buildx is here. Missing Debian packages for it: ${MISSING_ENGINE[*]}" ;;
    debian13)
      say "No Docker Engine with buildx is here, and Debian 12's own (20.10) is too old."
      say "Debian 13's can be installed: ${MISSING_ENGINE[*]}, with the libraries they need. For that a source of Debian 13,"
      say "on this machine's own mirror, is added; its priority (50) keeps every other package at Debian 12."
      hint+=" --debian13-engine"
      ;;
  esac
  if ! on_terminal; then
    if [ "$ANSWER_YES" = no ] || { [ "$ENGINE_FROM" = debian13 ] && [ "$DEBIAN13_ENGINE" = no ]; }; then
      fail "nobody is here to ask; nothing was changed." "To agree to the above: $hint"
    fi
    return
  fi
  if [ "$ENGINE_FROM" = debian13 ] && [ "$DEBIAN13_ENGINE" = no ]; then
    ask "Take the Engine from Debian 13?" ||
      fail "without an Engine Homeport cannot work; nothing was changed." \
        "Install Docker Engine $OLDEST_ENGINE or newer with buildx in another way, then try again."
  fi
  if [ "$ANSWER_YES" = no ]; then
    ask "Install these packages (and what they depend on)?" || fail "nothing was changed."
  fi
}

# What an engine that is installed now will make, and no package removes.
record_engine_folders() {
  local folder
  for folder in /var/lib/docker /var/lib/containerd /etc/docker /opt/containerd; do
    if [ ! -e "$folder" ]; then record_made engine-data "$folder"; fi
  done
}

APT_OUTPUT=
apt_get() {
  APT_OUTPUT=${APT_OUTPUT:-$(mktemp)}
  as_root env DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 apt-get -q -y --no-install-recommends \
    -o DPkg::Lock::Timeout="$APT_LOCK_SECONDS" "$@" >"$APT_OUTPUT" 2>&1 </dev/null
}

apt_failed() {
  tail -n 15 "$APT_OUTPUT" >&2
  rm -f "$APT_OUTPUT"
  local undone=
  if [ "$ADDED_DEBIAN13" = yes ]; then undone="The source of Debian 13 is taken out again."; fi
  fail "packages $1." "What apt said stands above." "$undone"
}

add_debian13_source() {
  local entry
  [ ! -e "$DEBIAN13_SOURCE" ] || return 0
  entry=$(debian_entry) || fail "this machine's apt sources name no mirror of Debian $(release_value VERSION_CODENAME)." \
    "Debian 13's packages would come from it. Add one (man sources.list), then try again."
  ADDED_DEBIAN13=yes
  deb822_stanza trixie "$entry" | as_root tee "$DEBIAN13_SOURCE" >/dev/null
  record_made file "$DEBIAN13_SOURCE"
  if [ ! -e "$DEBIAN13_PREFERENCES" ]; then
    printf 'Package: *\nPin: release n=trixie\nPin-Priority: 50\n' | as_root tee "$DEBIAN13_PREFERENCES" >/dev/null
    record_made file "$DEBIAN13_PREFERENCES"
  fi
}

# Runs when the script ends before the packages are there: takes out what was added just now.
drop_debian13_source() {
  [ "$ADDED_DEBIAN13" = yes ] || return 0
  local file
  for file in "$DEBIAN13_SOURCE" "$DEBIAN13_PREFERENCES"; do
    if recorded file | grep -qxF "$file"; then
      as_root rm -f "$file"
      forget_made file "$file"
    fi
  done
}

record_new_packages() {
  local package
  while read -r package; do
    record_made package "$package"
  done < <(comm -13 <(printf '%s\n' "$before") <(installed_packages))
}
