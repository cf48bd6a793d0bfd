#!/usr/bin/env bash
# Makes a slim Debian root file system as a tar. Run by base_image.sh as root, under a lock; takes its values from the
# environment: SUITE, MIRROR, TAR, SECONDS_ALLOWED, and SECURITY and UPDATES (mirrors, or empty).
set -euo pipefail

[ ! -e "$TAR" ] || exit 0
PATH=$PATH:/usr/sbin:/sbin

work=$(mktemp -d "${TAR%/*}/debootstrap.XXXXXX")
log=$work/debootstrap.log
root=$work/root
remove_work() { rm -rf --one-file-system "$work" "$TAR.part"; }
trap remove_work EXIT
trap 'exit 143' TERM INT HUP

# apt's own proxy, if it has one, is the way out for debootstrap too.
proxy=$(apt-config dump --format '%v' Acquire::http::Proxy 2>/dev/null || true)
if [ -n "$proxy" ] && [ "$proxy" != DIRECT ]; then export http_proxy=$proxy; fi

options=(--variant=minbase)
case $MIRROR in https:*) options+=(--include=ca-certificates) ;; esac

# In mounts of its own: what debootstrap mounts vanishes with it, however it ends.
if ! timeout --kill-after=10 "$SECONDS_ALLOWED" \
  unshare --mount debootstrap "${options[@]}" "$SUITE" "$root" "$MIRROR" >"$log" 2>&1; then
  echo "debootstrap failed; its last lines:" >&2
  tail -n 15 "$log" >&2
  [ ! -e "$root/debootstrap/debootstrap.log" ] || tail -n 15 "$root/debootstrap/debootstrap.log" >&2
  exit 1
fi

# Sources: the release, with its updates and security fixes where this machine has them.
keyring=
for file in debian-archive-keyring.gpg debian-archive-keyring.pgp; do
  if [ -e "$root/usr/share/keyrings/$file" ]; then keyring=/usr/share/keyrings/$file; break; fi
done
stanza() { printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\n%s\n' "$1" "$2" "${keyring:+Signed-By: $keyring
}"; }
{
  stanza "$MIRROR" "$SUITE"
  if [ -n "$UPDATES" ]; then stanza "$UPDATES" "$SUITE-updates"; fi
  if [ -n "$SECURITY" ]; then stanza "$SECURITY" "$SUITE-security"; fi
} >"$root/etc/apt/sources.list.d/debian.sources"
rm -f "$root/etc/apt/sources.list"

# An image starts no services, keeps no downloads, and takes no translations, manuals or documentation.
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 0755 "$root/usr/sbin/policy-rc.d"
cat >"$root/etc/apt/apt.conf.d/slim" <<'APT'
Acquire::Languages "none";
Acquire::GzipIndexes "true";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/*.deb || true"; };
APT
cat >"$root/etc/dpkg/dpkg.cfg.d/slim" <<'DPKG'
path-exclude=/usr/share/doc/*
path-include=/usr/share/doc/*/copyright
path-exclude=/usr/share/man/*
path-exclude=/usr/share/info/*
path-exclude=/usr/share/locale/*
path-include=/usr/share/locale/locale.alias
path-exclude=/usr/share/lintian/*
DPKG
find "$root/usr/share/doc" -type f ! -name copyright -delete
find "$root/usr/share/locale" -type f ! -name locale.alias -delete 2>/dev/null || true
rm -rf "$root"/usr/share/man/* "$root"/usr/share/info/* "$root"/usr/share/lintian/*
rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*.bin "$root"/var/cache/apt/archives/*.deb
rm -f "$root"/var/log/{bootstrap.log,dpkg.log,alternatives.log,apt/*.log} "$root"/var/cache/ldconfig/aux-cache
rm -f "$root/etc/resolv.conf" "$root/etc/hostname" "$root/etc/machine-id"
: >"$root/etc/machine-id"

tar --create --file "$TAR.part" --directory "$root" --numeric-owner --sort=name --exclude='./dev/*' --one-file-system .
sync "$TAR.part"
mv "$TAR.part" "$TAR"
