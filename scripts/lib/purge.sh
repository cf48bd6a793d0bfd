# shellcheck shell=bash disable=SC2034 # the names here are for those who source this file
# What `scripts/down --purge` takes away: what the record says that these scripts made, and what Homeport labelled.

LABELS=(homeport.app homeport.definition)

# what_is_purged: what `scripts/down --purge` removes, for the one who is asked.
what_is_purged() {
  local apps packages
  apps=$(app_names | paste -sd ' ')
  packages=$(recorded package | paste -sd ' ')
  printf '  apps: %s\n' "${apps:-none}"
  if [ -e "$SETUP_RECORD" ]; then grep -vE '^(package|venv) ' "$SETUP_RECORD" | sed 's/^/  /' || true; fi
  own_venvs | sed 's/^/  venv /'
  if [ -n "$packages" ]; then printf '  packages: %s\n' "$packages"; fi
}

# app_names: the apps that are there, and those that are removed and whose data is kept.
app_names() {
  {
    if [ -x "$CODE/.venv/bin/homeport" ]; then as_root ls "$(setting projects_dir)" 2>/dev/null || true; fi
    if find_docker; then docker_do ps --all --filter label=homeport.app --format '{{.Label "homeport.app"}}' 2>/dev/null || true; fi
  } | sort -u
}

# Python environments that were recorded: this checkout's, and those of others, which are theirs to remove.
own_venvs() { recorded venv | grep -xF -e "$CODE/.venv" -e "$REPO/.venv" || true; }
others_venvs() { recorded venv | grep -vxF -e "$CODE/.venv" -e "$REPO/.venv" || true; }

purge_venvs() {
  local path paths
  mapfile -t paths < <(own_venvs)
  for path in "${paths[@]}"; do remove_recorded venv "$path"; done
  mapfile -t paths < <(others_venvs)
  for path in "${paths[@]}"; do
    if [ -e "$path" ]; then
      say "$path is another checkout's and stays; ${path%/.venv}/scripts/down --purge removes it."
    else
      forget_made venv "$path"
    fi
  done
}

# purge_apps: uninstalls every app through Homeport, which knows what it pulled, then removes what bears our labels.
purge_apps() {
  local listen app
  if [ -x "$CODE/.venv/bin/homeport" ]; then
    listen=$(setting listen)
    if is_ready "$listen"; then
      while read -r app; do
        step "Uninstalling $app with its data"
        as_root "$CODE/.venv/bin/homeport" uninstall "$app" --purge --remove-images --yes >&2 </dev/null ||
          say "$app could not be uninstalled; what is labelled as its own is removed below."
      done < <(installed_apps)
    fi
  fi
}

# purge_apache: takes what Homeport put there out of the host's Apache, where it led to the apps.
purge_apache() {
  if [ ! -x "$CODE/.venv/bin/python" ]; then return; fi
  as_root "$CODE/.venv/bin/python" -P - >&2 <<'PYTHON' || say "Apache could not be reloaded: it leads to Homeport until it is."
from homeport.settings import load_settings
from proxy.apache import create_apache

create_apache(load_settings()).withdraw()
PYTHON
}

installed_apps() {
  as_root "$CODE/.venv/bin/homeport" apps --json |
    "$CODE/.venv/bin/python" -c 'import json, sys
found = json.load(sys.stdin)
for app in found["items"] if isinstance(found, dict) else found: print(app["identifier"])'
}

# purge_labelled: removes what Homeport made in Docker. Images that somebody else's container uses stay.
purge_labelled() {
  local label
  for label in "${LABELS[@]}"; do
    remove_each "rm --force --volumes" ps --all --quiet --filter "label=$label"
    remove_each "network rm" network ls --quiet --filter "label=$label"
    remove_each "volume rm" volume ls --quiet --filter "label=$label"
    remove_each "rmi" images --format '{{.Repository}}:{{.Tag}}' --filter "label=$label"
  done
}

# remove_each "VERB" LIST-COMMAND…: applies the verb to each thing listed.
remove_each() {
  local verb thing
  read -ra verb <<<"$1"
  shift
  while read -r thing; do
    docker_do "${verb[@]}" "$thing" >/dev/null </dev/null || say "Docker kept $thing; it says why above."
  done < <(docker_do "$@")
}

purge_base_images() {
  local image images
  mapfile -t images < <(recorded image)
  for image in "${images[@]}"; do
    if docker_do image inspect "$image" >/dev/null 2>&1; then
      docker_do rmi "$image" >/dev/null || { say "$image is still used and stays."; continue; }
    fi
    forget_made image "$image"
  done
}

# others_use_engine: the engine still has containers or volumes, which then are not Homeport's.
others_use_engine() { [ -n "$(docker_do ps --all --quiet)$(docker_do volume ls --quiet)" ]; }

# purge_packages [KEEP…]: removes the packages that these scripts installed and that nothing else needs, and the sources.
purge_packages() {
  local ours=() targets=() manual keep=("$@") package
  while read -r package; do
    if package_installed "$package"; then ours+=("$package"); fi
  done < <(recorded package)
  if [ ${#ours[@]} -gt 0 ]; then
    manual=$(apt-mark showmanual "${ours[@]}")
    # apt itself says what nothing else needs any more, once ours count as installed automatically.
    as_root apt-mark -qq auto "${ours[@]}" >/dev/null
    if [ ${#keep[@]} -gt 0 ]; then as_root apt-mark -qq manual "${keep[@]}" >/dev/null; fi
    mapfile -t targets < <(comm -12 <(printf '%s\n' "${ours[@]}" | sort) <(unneeded_packages | sort))
    while read -r package; do
      if [ -n "$package" ] && ! printf '%s\n' "${targets[@]}" | grep -qxF "$package"; then
        as_root apt-mark -qq manual "$package" >/dev/null
      fi
    done <<<"$manual"
    if [ ${#targets[@]} -gt 0 ]; then
      step "Removing ${#targets[@]} packages that these scripts installed"
      apt_get purge "${targets[@]}" || apt_failed "could not be removed"
    fi
    for package in "${targets[@]}"; do forget_made package "$package"; done
  fi
}

unneeded_packages() {
  LC_ALL=C as_root apt-get --simulate -o APT::AutoRemove::SuggestsImportant=false \
    -o APT::AutoRemove::RecommendsImportant=false autoremove |
    awk '$1 == "Remv" { print $2 }'
}

# purge_recorded KIND: removes the files, links and folders of this kind.
purge_recorded() {
  local path paths
  mapfile -t paths < <(recorded "$1")
  for path in "${paths[@]}"; do remove_recorded "$1" "$path"; done
}

remove_recorded() { # KIND PATH
  # The engine leaves its folder mounted on itself.
  if mountpoint --quiet "$2" 2>/dev/null; then as_root umount --recursive "$2" || true; fi
  if as_root rm -rf --one-file-system -- "$2"; then
    forget_made "$1" "$2"
  else
    say "$2 could not be removed; it says why above."
  fi
}

purge_user() {
  local user users
  mapfile -t users < <(recorded user)
  for user in "${users[@]}"; do
    if getent passwd "$user" >/dev/null; then as_root userdel "$user" || continue; fi
    forget_made user "$user"
  done
}
