# shellcheck shell=bash
# Reads the machine's own apt sources, in both of their forms (sources.list(5)): no mirror is named in these scripts.

APT_FOLDER=${APT_FOLDER:-/etc/apt}
OS_RELEASE=${OS_RELEASE:-/etc/os-release}

# shellcheck source=/dev/null
release_value() { (. "$OS_RELEASE" && printf '%s' "${!1-}"); }

# apt_entries: every enabled binary source as a line "SUITE<tab>URI<tab>COMPONENTS<tab>SIGNED-BY".
# (A key that stands in the stanza itself is left out: apt then takes its trusted keys.)
apt_entries() {
  local deb822=() one_line=() file
  for file in "$APT_FOLDER"/sources.list.d/*.sources; do [ -f "$file" ] && deb822+=("$file"); done
  for file in "$APT_FOLDER"/sources.list "$APT_FOLDER"/sources.list.d/*.list; do [ -f "$file" ] && one_line+=("$file"); done
  if [ ${#deb822[@]} -gt 0 ]; then
    # The empty line between files keeps the last stanza of one apart from the first of the next.
    for file in "${deb822[@]}"; do grep -v '^#' "$file" || true; echo; done | awk '
      function flush(  i, j, suites, uris, n, m) {
        if (field["types"] ~ /(^| )deb( |$)/ && tolower(field["enabled"]) !~ /^(no|false|off|0|without|disable)$/) {
          n = split(field["suites"], suites, " "); m = split(field["uris"], uris, " ")
          for (i = 1; i <= n; i++) for (j = 1; j <= m; j++)
            print suites[i] "\t" uris[j] "\t" field["components"] "\t" field["signed-by"]
        }
        split("", field); key = ""
      }
      /^[ \t]*$/ { flush(); next }
      /^[ \t]/ { if (key == "signed-by") field[key] = ""; else { sub(/^[ \t]+/, ""); field[key] = field[key] " " $0 }; next }
      { at = index($0, ":"); key = tolower(substr($0, 1, at - 1)); value = substr($0, at + 1)
        gsub(/^[ \t]+|[ \t]+$/, "", value); field[key] = value }
      END { flush() }'
  fi
  if [ ${#one_line[@]} -gt 0 ]; then
    awk '{ sub(/#.*/, "") }
      $1 == "deb" {
        options = ""; line = $0; sub(/^[ \t]*deb[ \t]+/, "", line)
        if (match(line, /^\[[^]]*\][ \t]*/)) { options = substr(line, 1, RLENGTH); line = substr(line, RLENGTH + 1) }
        signed = ""
        if (match(options, /signed-by=[^] \t]+/)) signed = substr(options, RSTART + 10, RLENGTH - 10)
        n = split(line, word, " "); components = ""
        for (i = 3; i <= n; i++) components = components (i > 3 ? " " : "") word[i]
        print word[2] "\t" word[1] "\t" components "\t" signed
      }' "${one_line[@]}"
  fi
}

# debian_entry [SUFFIX]: the first source of this machine's own release ("-security", "-updates": of that part of it).
# shellcheck disable=SC2120 # base_image.sh gives it one
debian_entry() {
  local suffix=${1-} codename name
  codename=$(release_value VERSION_CODENAME)
  for name in "$codename" stable oldstable testing; do
    apt_entries | awk -F '\t' -v suite="$name$suffix" \
      '$1 == suite && (" " $3 " ") ~ / main / && !done { print; done = 1 }' | grep . && return 0
  done
  return 1
}

# shellcheck disable=SC2119
debian_mirror() { debian_entry | cut -f 2; }

# deb822_stanza SUITES ENTRY [KEYRING]: a source for these suites on the entry's mirror.
deb822_stanza() {
  local uri signed
  uri=$(cut -f 2 <<<"$2")
  signed=${3-$(cut -f 4 <<<"$2")}
  printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\n' "$uri" "$1"
  [ -z "$signed" ] || printf 'Signed-By: %s\n' "$signed"
  printf '\n'
}
