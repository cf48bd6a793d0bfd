"""nginx's configuration as the box's package cache. Pure.

What builds speak to (the front) only checks, caches and answers; what it lacks it asks over Unix sockets of a
second row of servers (the fetchers), which resolve names, verify certificates and follow redirects. The
front's upstreams are thus fixed, so that it has a stale answer also when a name cannot be resolved: nginx has
none where the front itself must resolve it.
"""

from typing import Final

from build_cache.caches.addresses import PIP_INDEX_PATH
from build_cache.caches.nginx_maps import BY_HASHES, TURNED_AWAY, render_maps, render_zones
from build_cache.caches.nginx_plan import NginxPlan
from build_cache.caches.upstreams import Upstream
from homeport.caches import DEVPI_OFFSET, HEALTH_PATH, Ecosystem

_IGNORED: Final = (
    "Cache-Control Expires Set-Cookie Vary"
    " X-Accel-Expires X-Accel-Limit-Rate X-Accel-Buffering X-Accel-Charset"
)
_REDIRECTS: Final = "301 302 303 307 308"
# What one container may ask for: a build asks for a few thousand files at once, and then builds.
_RATE: Final = "500r/s"
_BURST: Final = 20_000
# What one container may have under way: each takes up to four connections, a client's and the fetcher's.
_REQUESTS: Final = 200
_CONNECTIONS: Final = 8192
_FILES: Final = 2 * _CONNECTIONS  # each request may write one
_FETCHED: Final = {
    ecosystem: f"http://fetch_{ecosystem}" for ecosystem in (Ecosystem.APT, Ecosystem.NPM, Ecosystem.GEM)
}


def render_nginx(plan: NginxPlan) -> str:
    """The whole configuration file; nginx runs in the foreground as the user that starts it."""
    fronts = (_apt_front(plan), _pip_front(plan), _npm_front(plan), _gem_front(plan), _health_front(plan))
    fetchers = (
        _apt_fetcher(plan),
        _registry_fetcher(plan, Ecosystem.NPM, plan.upstreams.npm),
        _registry_fetcher(plan, Ecosystem.GEM, plan.upstreams.gem),
    )
    return "\n".join(
        (_main(plan), _http(plan), render_maps(plan), render_zones(plan), *fronts, *fetchers, "}", "")
    )


def _main(plan: NginxPlan) -> str:
    return f"""daemon off;
worker_processes 1;
pid {plan.run_dir}/nginx.pid;
error_log stderr warn;
worker_rlimit_nofile {_FILES};
events {{ worker_connections {_CONNECTIONS}; }}
http {{"""


def _http(plan: NginxPlan) -> str:
    temporary = "\n".join(
        f"{kind}_temp_path {plan.caches_dir}/nginx/temp;"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return f"""server_tokens off;
default_type text/plain;
root {plan.run_dir}/empty;
sendfile on;
tcp_nopush on;
client_max_body_size 1m;
absolute_redirect off;
{temporary}
log_format requests escape=json '{{"ecosystem":"$ecosystem","status":"$status",'
 '"cache":"$upstream_cache_status","sent":"$body_bytes_sent","fetched":"$upstream_bytes_received","seconds":"$request_time",'
 '"host":"$http_host","uri":"$shown_uri"}}';
access_log {plan.caches_dir}/log/requests-$hour.log requests if=$is_counted;
limit_req_zone $binary_remote_addr zone=asked:1m rate={_RATE};
limit_req_log_level info;
limit_req_status 429;
limit_conn_zone $binary_remote_addr zone=held:1m;
limit_conn_log_level info;
limit_conn_status 429;
client_header_timeout 10s;
large_client_header_buffers 4 4k;
open_log_file_cache max=4 inactive=1m valid=10s;
resolver {" ".join(plan.resolvers)}{"" if plan.ipv6 else " ipv6=off"};
resolver_timeout 3s;
proxy_http_version 1.1;
proxy_set_header Host $http_host;
proxy_set_header Connection "";
proxy_hide_header Set-Cookie;
proxy_connect_timeout 5s;
proxy_read_timeout 300s;
proxy_socket_keepalive on;
proxy_redirect off;
proxy_cache_methods GET HEAD;
proxy_cache_lock on;
proxy_cache_lock_timeout 4h;
proxy_cache_lock_age 4h;
proxy_cache_revalidate on;
proxy_cache_background_update off;
proxy_cache_use_stale error timeout invalid_header updating http_429 http_500 http_502 http_503 http_504;
proxy_ignore_headers {_IGNORED} X-Accel-Redirect;
proxy_no_cache $unbounded;
proxy_max_temp_file_size 0;
proxy_ssl_server_name on;
proxy_ssl_verify on;
proxy_ssl_verify_depth 9;
proxy_ssl_protocols TLSv1.2 TLSv1.3;
proxy_ssl_trusted_certificate {plan.ca_file};"""


def _apt_front(plan: NginxPlan) -> str:
    hint = "Homeport's apt cache answers apt, for public package servers on port 80"
    named = "Homeport's setting apt_hosts may name it"
    checks = f""" if ($request !~ "^[A-Z]+ http://") {{ return 403 "{hint}; this is no proxy request.\\n"; }}
 if ($apt_host = 0) {{ return 403 "{hint}; this host is none ({named}).\\n"; }}
 if ($apt_path = 0) {{ return 403 "{hint}; this is no address of a package or an index.\\n"; }}
 proxy_pass {_FETCHED[Ecosystem.APT]};"""
    return _front(
        plan,
        Ecosystem.APT,
        f"""proxy_cache_key $http_host$request_uri;
proxy_no_cache $unbounded $is_page;
proxy_ignore_headers {_IGNORED};
location = {TURNED_AWAY} {{ internal; return 403 "{hint}; this name leads to the box itself.\\n"; }}
location / {{
{checks}
 proxy_cache_valid 200 {_REDIRECTS} {plan.fresh(Ecosystem.APT)};
}}
location ~ "/(?:pool/.|by-hash/{BY_HASHES})" {{
{checks}
 proxy_cache_valid 200 365d;
 proxy_cache_valid {_REDIRECTS} {plan.fresh(Ecosystem.APT)};
}}""",
    )


def _pip_front(plan: NginxPlan) -> str:
    devpi = f"http://127.0.0.1:{plan.first_port + DEVPI_OFFSET}"
    index = PIP_INDEX_PATH.removesuffix("+simple/")
    return _front(
        plan,
        Ecosystem.PIP,
        f"""proxy_set_header X-outside-url http://{plan.gateway}:{plan.port(Ecosystem.PIP)};
location {PIP_INDEX_PATH} {{
 proxy_pass {devpi};
 proxy_cache_key "$pip_form $request_uri";
 proxy_cache_valid 200 {plan.fresh(Ecosystem.PIP)};
}}
location ~ ^{index}\\+[ef]/ {{
 proxy_pass {devpi};
 proxy_cache_key $uri$is_args$args;
 proxy_cache_valid 200 365d;
}}
location / {{ return 404 "Homeport's Python cache has its index at {PIP_INDEX_PATH}\\n"; }}""",
        health=_devpi_health(devpi),
    )


def _npm_front(plan: NginxPlan) -> str:
    # npm writes the tarballs' addresses into its lock files, and fetches those of the public registry from
    # the one that it is configured with: so they are the public one's, and no lock file names a cache
    own, public = plan.upstreams.npm.url, plan.upstreams.public_npm.url
    renaming = f"""sub_filter_once off;
sub_filter_types application/json application/vnd.npm.install-v1+json;
sub_filter "{own}/" "{public}/";"""
    return _front(
        plan,
        Ecosystem.NPM,
        f"""proxy_cache_key "$npm_form $request_uri";
proxy_no_cache $unbounded $is_page;
{"" if own == public else renaming}
location / {{
 proxy_pass {_FETCHED[Ecosystem.NPM]};
 proxy_cache_valid 200 {plan.fresh(Ecosystem.NPM)};
}}
location ~ \\.tgz$ {{
 proxy_pass {_FETCHED[Ecosystem.NPM]};
 proxy_cache_key $uri$is_args$args;
 proxy_cache_valid 200 365d;
}}""",
    )


def _gem_front(plan: NginxPlan) -> str:
    return _front(
        plan,
        Ecosystem.GEM,
        # gem looks for a page here, and falls back on the old index where there is none
        f"""proxy_cache_key $request_uri;
proxy_no_cache $unbounded $is_page;
location = / {{ return 200 "Homeport's gem cache\\n"; }}
location / {{
 proxy_pass {_FETCHED[Ecosystem.GEM]};
 proxy_cache_valid 200 {plan.fresh(Ecosystem.GEM)};
}}
location ~ (?:\\.gem|\\.gemspec\\.rz)$ {{
 proxy_pass {_FETCHED[Ecosystem.GEM]};
 proxy_cache_valid 200 365d;
}}""",
    )


def _health_front(plan: NginxPlan) -> str:
    """For those on the host that know no bridge: 200 where all caches can serve, 503 where pip's cannot."""
    devpi = f"http://127.0.0.1:{plan.first_port + DEVPI_OFFSET}"
    return f"""server {{
listen unix:{plan.run_dir}/nginx.sock;
access_log off;
{_devpi_health(devpi)}
location / {{ return 404; }}
}}"""


def _front(plan: NginxPlan, ecosystem: Ecosystem, rules: str, *, health: str = "") -> str:
    refusal = '{\\"error\\": \\"Homeport\'s package caches take GET and HEAD only.\\"}\\n'
    alive = f'location = {HEALTH_PATH} {{ access_log off; return 200 "ok\\n"; }}'
    return f"""server {{
listen {plan.gateway}:{plan.port(ecosystem)};
proxy_cache {ecosystem};
{health or alive}
if ($request_method !~ "^(?:GET|HEAD)$") {{ return 405 "{refusal}"; }}
if ($is_crooked) {{ return 403 "Homeport's package caches take plain paths only.\\n"; }}
limit_req zone=asked burst={_BURST} nodelay;
limit_conn held {_REQUESTS};
proxy_pass_request_headers off;
proxy_set_header Host $http_host;
proxy_set_header Connection "";
proxy_set_header User-Agent $agent;
proxy_set_header Accept $accepted;
{rules}
}}"""


def _devpi_health(devpi: str) -> str:
    return f"""location = {HEALTH_PATH} {{
 access_log off;
 proxy_pass {devpi}/+api;
 proxy_cache off;
 proxy_connect_timeout 1s;
 proxy_read_timeout 2s;
 proxy_intercept_errors on;
 error_page 301 302 400 401 403 404 500 502 503 504 = @devpi_is_down;
}}
location @devpi_is_down {{ access_log off; return 503 "devpi does not answer\\n"; }}"""


def _apt_fetcher(plan: NginxPlan) -> str:
    return f"""{_fetcher_head(plan, Ecosystem.APT)}
add_header X-Accel-Redirect $turned_away always;
location / {{ proxy_pass http://$http_host$request_uri; }}
}}"""


def _registry_fetcher(plan: NginxPlan, ecosystem: Ecosystem, upstream: Upstream) -> str:
    """A registry may hand out its files by redirects to another host: they are followed here, at most ten."""
    followed = "https?" if upstream.origin.startswith("http:") else "https"
    return f"""{_fetcher_head(plan, ecosystem)}
proxy_set_header Host $proxy_host;
proxy_set_header Connection "";
proxy_intercept_errors on;
recursive_error_pages on;
error_page {_REDIRECTS} = @elsewhere;
set $origin {upstream.origin};
location / {{ proxy_pass $origin{upstream.prefix}$request_uri; }}
location @elsewhere {{
 set $elsewhere $upstream_http_location;
 if ($elsewhere ~ "^/[^/]") {{ set $elsewhere $origin$elsewhere; }}
 if ($elsewhere !~ "^{followed}://") {{ return 502; }}
 proxy_pass $elsewhere;
}}
}}"""


def _fetcher_head(plan: NginxPlan, ecosystem: Ecosystem) -> str:
    return f"""upstream fetch_{ecosystem} {{ server {plan.fetcher(ecosystem)}; keepalive 16; }}
server {{
listen {plan.fetcher(ecosystem)};
access_log off;
proxy_read_timeout 60s;"""
