"""Every route, as data: the router and /openapi.json both come from this table."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, get_type_hints

from aiohttp import web
from pydantic import BaseModel

from api import apps, builds, caches, catalog, certificates, events, jobs, system, tokens
from api.context import CONTEXT
from api.parsing import read_body, read_query
from api.streams import EVENT_STREAM, PLAIN_TEXT
from api.uploads import ARCHIVES
from homeport.asked import BuildRequest, InstallRequest, NoQuery
from homeport.shapes import (
    AppShape,
    CacheShape,
    CatalogEntryShape,
    CatalogShape,
    CertificateShape,
    ConversionShape,
    DefinitionShape,
    JobShape,
    NewTokenShape,
    Page,
    ReadinessShape,
    ScheduleShape,
    SystemShape,
    TokenShape,
)

Answer = type[BaseModel] | str | None
"""A JSON shape, another media type (several joined by a comma), or no body."""


@dataclass(frozen=True, kw_only=True)
class Route:
    """One route. `query` and `body` are what the handler's own annotations say."""

    method: str
    path: str
    handle: Callable[..., Awaitable[web.StreamResponse]]
    answers: Mapping[int, Answer]
    problems: tuple[int, ...] = ()
    takes: Mapping[str, type[BaseModel] | None] = field(default_factory=dict)
    """The bodies that the handler reads by itself, by media type; None: no JSON."""
    is_open: bool = False
    """Whether it needs no token."""
    hints: Mapping[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "hints", get_type_hints(self.handle))

    @property
    def takes_key(self) -> bool:
        """Whether it becomes a job, once for each Idempotency-Key."""
        return set(self.answers) == {202}

    @property
    def summary(self) -> str:
        """What it does: the handler's docstring."""
        return (self.handle.__doc__ or "").strip()

    @property
    def query(self) -> type[BaseModel] | None:
        """The model of its query string."""
        return self.hints.get("query")

    @property
    def bodies(self) -> Mapping[str, type[BaseModel] | None]:
        """The bodies that it takes, by media type."""
        return self.takes or ({"application/json": self.body} if self.body else {})

    @property
    def body(self) -> type[BaseModel] | None:
        """The model of the body that is read for the handler."""
        return self.hints.get("body")


def _route(
    method: str, path: str, handle: Any, answers: Mapping[int, Answer], *problems: int, **more: Any
) -> Route:
    return Route(method=method, path=path, handle=handle, answers=answers, problems=problems, **more)


async def openapi(*, request: web.Request) -> web.Response:
    """This interface, in OpenAPI 3.1."""
    return web.json_response(request.app[DOCUMENT])


DOCUMENT: Final = web.AppKey("document", dict[str, Any])
_LOG: Final = f"{PLAIN_TEXT},{EVENT_STREAM}"

_BUILD: Final = {"application/json": BuildRequest, **dict.fromkeys(ARCHIVES)}
_INSTALL: Final = {"application/json": InstallRequest, **dict.fromkeys(ARCHIVES)}
_ARCHIVE_PROBLEMS: Final = (404, 413, 422, 429, 503, 504, 507)
_FETCH_PROBLEMS: Final = (413, 422, 429, 503, 507)
_SOURCES: Final = "/v1/catalog/sources"
_CERTIFICATES: Final = "/v1/certificates"

ROUTES: Final[tuple[Route, ...]] = (
    _route("POST", "/v1/apps", apps.install, {202: JobShape}, 403, 409, *_ARCHIVE_PROBLEMS, takes=_INSTALL),
    _route("GET", "/v1/apps", apps.list_all, {200: Page[AppShape]}, 422),
    _route("GET", "/v1/apps/{identifier}", apps.show, {200: AppShape}, 404),
    _route("DELETE", "/v1/apps/{identifier}", apps.uninstall, {202: JobShape}, 404, 409, 422, 429, 503),
    _route("GET", "/v1/apps/{identifier}/logs", apps.logs, {200: _LOG}, 404, 422, 503),
    _route("POST", "/v1/builds", builds.create, {202: JobShape}, *_ARCHIVE_PROBLEMS, takes=_BUILD),
    _route("GET", "/v1/caches", caches.list_all, {200: Page[CacheShape]}, 503),
    _route("POST", "/v1/caches/trim", caches.trim, {202: JobShape}, 413, 422, 429, 503),
    _route("GET", "/v1/jobs", jobs.list_all, {200: Page[JobShape]}, 422),
    _route("GET", "/v1/jobs/{id}", jobs.show, {200: JobShape}, 404),
    _route("DELETE", "/v1/jobs/{id}", jobs.cancel, {200: JobShape, 202: JobShape}, 404, 409, 503),
    _route("GET", "/v1/jobs/{id}/log", jobs.log, {200: PLAIN_TEXT}, 404, 422),
    _route("GET", "/v1/events", events.stream, {200: EVENT_STREAM}, 422),
    _route("GET", "/v1/catalog", catalog.list_all, {200: Page[CatalogEntryShape]}, 422),
    _route("GET", _SOURCES, catalog.list_sources, {200: Page[CatalogShape]}, 422),
    _route("POST", _SOURCES, catalog.add_source, {202: JobShape}, 409, *_FETCH_PROBLEMS),
    _route("DELETE", f"{_SOURCES}/{{name}}", catalog.remove_source, {204: None}, 404, 409, 503),
    _route("POST", "/v1/catalog/refresh", catalog.refresh, {202: JobShape}, 404, *_FETCH_PROBLEMS),
    _route("GET", "/v1/catalog/{name}", catalog.show, {200: DefinitionShape}, 404, 422),
    _route("GET", "/v1/catalog/{catalog}/{name}", catalog.show_qualified, {200: DefinitionShape}, 404, 422),
    _route("POST", "/v1/convert", catalog.convert, {200: ConversionShape}, 413, 422),
    _route("GET", _CERTIFICATES, certificates.list_all, {200: Page[CertificateShape]}, 422),
    _route("POST", _CERTIFICATES, certificates.put, {201: CertificateShape}, 409, 413, 422, 503),
    _route("DELETE", f"{_CERTIFICATES}/{{name}}", certificates.remove, {204: None}, 404, 503),
    _route("GET", "/v1/schedule", system.schedule, {200: Page[ScheduleShape]}),
    _route("GET", "/v1/tokens", tokens.list_all, {200: Page[TokenShape]}, 422),
    _route("POST", "/v1/tokens", tokens.create, {201: NewTokenShape}, 409, 413, 422, 503),
    _route("DELETE", "/v1/tokens/{name}", tokens.revoke, {204: None}, 404, 503),
    _route("GET", "/v1/system", system.show, {200: SystemShape}, 503),
    _route("GET", "/metrics", system.metrics, {200: PLAIN_TEXT}, 503),
    _route("GET", "/openapi.json", openapi, {200: "application/json"}),
    _route("GET", "/livez", system.livez, {200: "application/json"}, is_open=True),
    _route("GET", "/readyz", system.readyz, {200: ReadinessShape, 503: ReadinessShape}, is_open=True),
)


def add_routes(app: web.Application) -> None:
    """Routes every path of the table."""
    for route in ROUTES:
        app.router.add_route(route.method, route.path, bind(route))


def bind(route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """The route as aiohttp calls it: reads what the handler's parameters name."""

    async def handle(request: web.Request) -> web.StreamResponse:
        given: dict[str, Any] = dict(request.match_info)
        if "context" in route.hints:
            given["context"] = request.app[CONTEXT]
        if "request" in route.hints:
            given["request"] = request
        if route.query is not None:
            given["query"] = read_query(request, route.query)
        elif route.path.startswith("/v1/"):
            read_query(request, NoQuery)
        if route.body is not None:
            given["body"] = await read_body(request, route.body)
        return await route.handle(**given)

    return handle
