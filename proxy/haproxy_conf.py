"""HAProxy's configuration as the proxy of a box, for HAProxy 2.6 and newer. Pure.

It names no app: a request's host is looked up in one map, which the runtime API changes, so that no app ever
makes a reload necessary. What stands here is the box's: addresses, files, time limits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from homeport.names import LOOPBACK
from proxy.pages import PAGES, UNREACHABLE, Page
from proxy.routes import RouteState

MAP: Final = "routes.map"
CERTIFICATES: Final = "certificates.list"

_CONNECT_S: Final = 5
_HEADER_S: Final = 30  # ends what sends its request a byte at a time, to hold a connection
_ALIVE_S: Final = 60  # what a browser may wait between two requests
_HALF_CLOSED_S: Final = 30
_RETRIES: Final = 3

# Whoever asks may say nothing about whom the request was forwarded for: apps believe it. A name with
# underscores or dots is the same to an app that is asked as CGI, or nearly so (RFC 3875, section 4.1.18).
_FORWARDED: Final = r"^(x[-_.]forwarded([-_.].*)?|x[-_.]real[-_.]ip|x[-_.]client[-_.]ip|forwarded)$"

# A whole field, since a comma begins another value to HAProxy and none to an app (RFC 9110, section 7.2).
_HOST: Final = "req.fhdr(host)"
_HOST_FORM: Final = r"^[A-Za-z0-9.-]+(:[0-9]*)?$"


@dataclass(frozen=True, kw_only=True)
class HAProxyPlan:
    """What the configuration is made of.

    `folder` holds map, certificates and pages, `socket` is the runtime API's; `api` is where the API listens
    and `api_names` the hosts that lead to it; `https_port` None: no HTTPS; `idle_s` ends a request that moves
    no byte for so long.
    """

    folder: Path
    socket: Path
    addresses: Sequence[str]
    http_port: int
    https_port: int | None
    redirects: bool
    api: tuple[str, int]
    api_names: Sequence[str]
    connections: int
    idle_s: int


def render_haproxy(plan: HAProxyPlan) -> str:
    """The whole configuration file; HAProxy runs in the foreground as the user that starts it."""
    return "\n".join((_global(plan), _defaults(plan), _frontend(plan), _backends(plan), ""))


def _global(plan: HAProxyPlan) -> str:
    return f"""global
  log stdout format raw daemon notice
  maxconn {plan.connections}
  stats socket {plan.socket} mode 600 level admin
  stats timeout 30s
  ssl-default-bind-options ssl-min-ver TLSv1.2
"""


def _defaults(plan: HAProxyPlan) -> str:
    return f"""defaults
  log global
  mode http
  option dontlog-normal
  retries {_RETRIES}
  timeout connect {_CONNECT_S}s
  timeout http-request {_HEADER_S}s
  timeout http-keep-alive {_ALIVE_S}s
  timeout client-fin {_HALF_CLOSED_S}s
  timeout client {plan.idle_s}s
  timeout server {plan.idle_s}s
  timeout tunnel {plan.idle_s}s
"""


def _frontend(plan: HAProxyPlan) -> str:
    lines = [
        "frontend hosts",
        *(f"  bind {address}:{plan.http_port}{_only(address)}" for address in plan.addresses),
        *(_https(plan, address) for address in plan.addresses if plan.https_port is not None),
        *_connection(),
        f"  http-request del-header {_FORWARDED} -m reg",
        "  http-request set-header X-Forwarded-For %[src]",
        "  http-request set-header X-Forwarded-Proto http",
        "  http-request set-header X-Forwarded-Proto https if { ssl_fc }",
        f"  http-request set-header X-Forwarded-Host %[{_HOST}]",
        "  http-request set-header X-Forwarded-Port %[dst_port]",
        f"  acl is_host {_HOST} -m reg {_HOST_FORM}",
        f"  http-request set-var(txn.host) {_HOST},host_only,lower,rtrim(.) if is_host",
        f"  acl is_api var(txn.host) -m str {' '.join(plan.api_names)}",
        f"  http-request set-var(txn.route) var(txn.host),map_str({plan.folder}/{MAP})",
        f"  {_answer(plan, PAGES[None])} if !is_api !{{ var(txn.route) -m found }}",
        "  http-request set-var(txn.state) var(txn.route),field(1,:)",
        *(
            f"  {_answer(plan, PAGES[state])} if {{ var(txn.state) -m str {state} }}"
            for state in RouteState
            if state is not RouteState.SERVING
        ),
        *_redirect(plan),
        "  use_backend api if is_api",
        "  default_backend apps",
        "",
    ]
    return "\n".join(lines)


def _connection() -> list[str]:
    """A client may ask for a websocket, and have no other field kept from the app (RFC 9110, section 7.6.1).

    Nor for another protocol, within which nothing would be looked at.
    """
    return [
        "  acl is_websocket req.hdr(upgrade) -i -m str websocket",
        "  http-request del-header Upgrade if !is_websocket",
        "  http-request del-header Connection if !is_websocket",
        "  http-request set-header Connection Upgrade if is_websocket",
    ]


def _https(plan: HAProxyPlan, address: str) -> str:
    """No certificate has to be there: whoever asks for a name that none covers gets no connection."""
    files = f"{plan.folder}/{CERTIFICATES}"
    return (
        f"  bind {address}:{plan.https_port} ssl crt-list {files} strict-sni alpn h2,http/1.1{_only(address)}"
    )


def _redirect(plan: HAProxyPlan) -> list[str]:
    """A name that no certificate covers stays reachable: its HTTPS would not answer."""
    if not plan.redirects or plan.https_port is None:
        return []
    port = "" if plan.https_port == 443 else f":{plan.https_port}"
    to = f"https://%[var(txn.host)]{port}%[pathq]"
    return [
        "  http-request set-var(txn.tls) var(txn.route),field(3,:)",
        f"  http-request redirect location {to} code 308 if !{{ ssl_fc }} {{ var(txn.tls) -m str tls }}",
    ]


def _backends(plan: HAProxyPlan) -> str:
    address, port = plan.api
    return f"""backend apps
  http-request set-dst str({LOOPBACK})
  http-request set-dst-port var(txn.route),field(2,:)
  errorfile 503 {plan.folder}/{UNREACHABLE.file}
  server app 0.0.0.0:0

backend api
  server api {address}:{port}
"""


def _answer(plan: HAProxyPlan, page: Page) -> str:
    return (
        f'http-request return status {page.status} content-type "text/html; charset=utf-8"'
        f" {page.format} {plan.folder}/{page.file} hdr Cache-Control no-store"
        + (f" hdr Retry-After {page.retry_s}" if page.retry_s else "")
    )


def _only(address: str) -> str:
    """Each family has a line of its own: on one for both, an IPv4 client would have an IPv6 address."""
    return " v6only" if address == "[::]" else ""
