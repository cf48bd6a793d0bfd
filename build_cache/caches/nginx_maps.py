"""The maps of nginx's configuration, which say what is asked for and what is kept, and its stores. Pure."""

import re
from typing import Final

from build_cache.caches.addresses import PIP_INDEX_PATH
from build_cache.caches.nginx_plan import NginxPlan
from homeport.caches import ABSENT_PATHS, Ecosystem

BY_HASHES: Final = "(?:MD5Sum|SHA1|SHA256|SHA512)/[0-9a-f]+$"
"""An expression for the end of the paths that name a file of apt's index by its hash."""

TURNED_AWAY: Final = "/.homeport/loopback"
"""Where a request goes whose host leads to the box itself."""

# Names that no public registry has (RFC 6762, 6761, 8375 and what routers make up).
_INNER_NAMES: Final = "local|localhost|localdomain|lan|home|internal|intranet|corp|private|arpa|test|invalid"
_LABEL: Final = "[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
# apt's own files (repository format) and Debian's packages and sources (deb822, dpkg-source).
_APT_NAMES: Final = "|".join(
    (
        r"InRelease|Release(?:\.gpg)?",
        r"(?:Packages|Sources|Contents-[\w.-]+|Translation-\w+|Commands-\w+|Index)(?:\.(?:gz|xz|bz2|lzma|lz4|zst))?",
        r"(?:Components|icons)-[\w.@-]+\.(?:yml|tar)(?:\.(?:gz|xz))?",
        r"[^/]+\.(?:deb|udeb|ddeb|dsc|diff\.gz|(?:debian|orig)(?:-[\w-]+)?\.tar\.(?:gz|xz|bz2)(?:\.asc)?)",
    )
)


def render_maps(plan: NginxPlan) -> str:
    """What nginx looks up for each request, by the request or by upstream's answer."""
    ports = "\n".join(f" {plan.port(ecosystem)} {ecosystem};" for ecosystem in Ecosystem)
    listed = "\n".join(f' "{spelt}" 1;' for host in plan.upstreams.apt_hosts for spelt in _spellings(host))
    uncounted = "\n".join(f' "~^[A-Z]+ {re.escape(path)}$" 0;' for path in ABSENT_PATHS.values())
    return f"""map $server_port $ecosystem {{
{ports}
 default "";
}}
map $time_iso8601 $hour {{
 "~^(?<hour_of_day>\\d+-\\d+-\\d+T\\d+)" $hour_of_day;
 default unknown;
}}
# What reached a cache, but for what doctor asks.
map "$upstream_cache_status $request_uri" $is_counted {{
 "~^ " 0;
{uncounted}
 default 1;
}}
# What is not kept. An answer without length or chunks ends wherever the connection breaks: half of it cannot
# be told from all. What is larger than the store would push all else out. And apt's servers are any that a
# build names: where one does not say how much will come, it may be without end.
map "$ecosystem $upstream_http_content_length $upstream_http_transfer_encoding" $unbounded {{
 "~^\\w*  $" 1;
 "~^apt  " 1;
 "~^\\w* (?:{_above(plan.max_bytes)}) " 1;
 default 0;
}}
# No package is a web page: what says so comes from a portal or an error.
map $upstream_http_content_type $is_page {{
 "~*^text/html" 1;
 default 0;
}}
map $http_accept $npm_form {{
 "~application/vnd\\.npm\\.install-v1\\+json" short;
 default full;
}}
map $http_accept $pip_form {{
 "~application/vnd\\.pypi\\.simple\\.v1\\+json" json;
 "~application/vnd\\.pypi\\.simple\\.v1\\+html" html;
 default plain;
}}
# No longer address was seen; without a bound a container could fill the disk with the log of its requests.
map $request_uri $shown_uri {{
 "~^(?<first_of_uri>.{{0,500}})" $first_of_uri;
}}
# What is kept for all hangs on its key alone: of a client's headers none goes on that could ask for another
# form of it, as devpi has by agent, too.
map $npm_form $npm_page {{
 short "application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*";
 default application/json;
}}
map $pip_form $pip_page {{
 json application/vnd.pypi.simple.v1+json;
 html "application/vnd.pypi.simple.v1+html, text/html; q=0.1";
 default text/html;
}}
map $ecosystem $agent {{
 pip pip/0;
 default $http_user_agent;
}}
map "$ecosystem $uri" $accepted {{
 "~^npm .*\\.tgz$" */*;
 "~^npm " $npm_page;
 "~^pip {re.escape(PIP_INDEX_PATH)}" $pip_page;
 default */*;
}}
# Where a path is not written plainly, nginx and an upstream may take it for two different ones.
map $request_uri $is_crooked {{
 "~*(?:(?:/|%2f)\\.\\.?(?:/|%2f|[?]|$)|%2e|%5c|%00|%3f|%23|[#\\x5c])" 1;
 default 0;
}}
map $http_host $apt_host {{
{listed}
 "~*(?:^|\\.)(?:{_INNER_NAMES})(?::\\d+)?$" 0;
 "~*^(?:{_LABEL}\\.)+[a-z](?:[a-z0-9-]*[a-z0-9])?(?::80)?$" 2;
 default 0;
}}
# A public name may lead to this host: what answers there on loopback only is nobody's else to read. The front
# goes where it is told to, instead of passing the answer on or keeping it.
map "$apt_host $upstream_addr" $turned_away {{
 "~^2 (?:.*[ ,])?(?:127\\.|0\\.|\\[::1?\\]|\\[::ffff:)" {TURNED_AWAY};
 default "";
}}
map $request_uri $apt_path {{
 "~*(?:/\\.\\.(?:/|$)|%2e|%2f|%5c|%00|[?\\x5c])" 0;
 "~/(?:dists|pool)/." 1;
 "~/by-hash/{BY_HASHES}" 1;
 "~/(?:{_APT_NAMES})$" 1;
 default 0;
}}"""


def _spellings(host: str) -> tuple[str, ...]:
    return (host,) if ":" in host else (host, f"{host}:80")


def _above(bound: int) -> str:
    """An expression for the numbers above the bound, by their first digit that is larger."""
    digits = str(bound)
    larger = [
        f"{digits[:place]}[{int(digit) + 1}-9]\\d{{{len(digits) - place - 1}}}"
        for place, digit in enumerate(digits)
        if digit != "9"
    ]
    return "|".join((*larger, f"\\d{{{len(digits) + 1},}}"))


def render_zones(plan: NginxPlan) -> str:
    """One bounded store for each ecosystem: the least recently used file goes first, nothing goes by age.

    All of them give way where the disk is nearly full, whoever has filled it.
    """
    return "\n".join(
        f"proxy_cache_path {plan.caches_dir}/nginx/{ecosystem} levels=1:2 keys_zone={ecosystem}:16m"
        f" max_size={plan.max_bytes} min_free={plan.min_free_bytes} inactive=3650d"
        " use_temp_path=off loader_files=1000;"
        for ecosystem in Ecosystem
    )
