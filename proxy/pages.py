"""What the proxy itself says: of hosts that it does not know, and of apps that cannot answer. Pure.

Nothing of a request stands in a page but a host name that is a key of the map, and so was validated.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from proxy.routes import RouteState


@dataclass(frozen=True, kw_only=True)
class Page:
    """A page as a file of the proxy's folder.

    `format` is HAProxy's word for it: `lf-file` has log-format expressions in it, `file` none. `retry_s` is
    after how many seconds the browser asks again.
    """

    file: str
    status: int
    title: str
    text: str
    format: Literal["file", "lf-file"] = "lf-file"
    retry_s: int | None = None

    def html(self) -> str:
        """The document. Per cent signs begin an expression, so there is none but those that are meant."""
        again = f'<meta http-equiv="refresh" content="{self.retry_s}">' if self.retry_s else ""
        return (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width,initial-scale=1">'
            f"{again}<title>{self.title}</title><style>{_STYLE}</style></head>"
            f"<body><main><h1>{self.title}</h1><p>{self.text}</p></main></body></html>\n"
        )

    def raw(self) -> str:
        """The page as a whole answer, which is how HAProxy reads an `errorfile`."""
        again = f"Retry-After: {self.retry_s}\r\n" if self.retry_s else ""
        body = self.html()
        return (
            f"HTTP/1.1 {self.status} Service Unavailable\r\nContent-Type: text/html; charset=utf-8\r\n"
            f"Cache-Control: no-store\r\n{again}Content-Length: {len(body.encode())}\r\n\r\n{body}"
        )


_HOST: Final = "%[var(txn.host)]"
_STYLE: Final = (
    "body{font:1.1rem/1.5 system-ui,sans-serif;margin:0;display:grid;place-items:center;min-height:100vh;"
    "background:#f5f5f2;color:#222}main{max-width:32rem;padding:2rem}h1{font-size:1.4rem}"
    "@media(prefers-color-scheme:dark){body{background:#1c1c1e;color:#eee}}"
)
_AGAIN_S: Final = 5

PAGES: Final[Mapping[RouteState | None, Page]] = MappingProxyType(
    {
        None: Page(
            file="unknown.html",
            status=404,
            title="There is no app of this name",
            text="No app on this home server has the name that you asked for. "
            "<code>homeport apps</code> lists those that it has.",
            format="file",
        ),
        RouteState.STARTING: Page(
            file="starting.html",
            status=503,
            title=f"{_HOST} is starting",
            text="It answers as soon as it is ready. This page looks again by itself.",
            retry_s=_AGAIN_S,
        ),
        RouteState.STOPPED: Page(
            file="stopped.html",
            status=503,
            title=f"{_HOST} is stopped",
            text="Its owner stopped it. It answers when it is started again.",
        ),
        RouteState.UPDATING: Page(
            file="updating.html",
            status=503,
            title=f"{_HOST} is being updated",
            text="It answers as soon as the update has ended. This page looks again by itself.",
            retry_s=_AGAIN_S,
        ),
    }
)
"""By what is behind the host; None: nothing."""

UNREACHABLE: Final = Page(
    file="unreachable.http",
    status=503,
    title="The app does not answer",
    text="It is installed, but nothing listens on its port just now. This page looks again by itself; "
    "why it does not answer may stand in its log.",
    format="file",
    retry_s=_AGAIN_S,
)
