"""A box that remembers what it was asked, for commands that change several things one after the other."""

from collections.abc import Container, Iterable, Iterator
from typing import Any

from homeport.cli.client import ApiClient, ApiProblemError, ApiUnreachableError, ServerEvent
from homeport.errors import Problem

Json = dict[str, Any]

FAILED = Problem(code="unhealthy", what="It is not healthy.", remedy="Mend it.", facts={"last_lines": ["oh"]})


class FakeBox(ApiClient):
    """An API with apps and jobs, in which every job ends as soon as somebody follows it.

    `asked` lists what changes something, in order; `failing` has the problem with which a kind of job ends;
    `away` is how many of the next requests get no answer; `interrupts` names the kind of job during which
    somebody presses Ctrl-C, once.
    """

    def __init__(self) -> None:
        super().__init__("http://box", "")
        self.apps: dict[str, Json] = {}
        self.jobs: dict[str, Json] = {}
        self.asked: list[str] = []
        self.queries: list[Json] = []
        self.app_ids: list[int | None] = []
        self.taken_app_ids: Container[int | None] = ()
        self.failing: dict[str, Problem] = {}
        self.refusing: dict[str, Problem] = {}
        self.away = 0
        self.interrupts = ""
        self.log: list[str] = ["web | begun", "web | ready"]

    def upload(self, path: str, archive: Iterable[bytes], **query: Any) -> Json:
        """See `ApiClient.upload`."""
        self._answer(f"POST {path}")
        assert b"app.yml" in b"".join(archive)
        if path == "/v1/apps":
            self.app_ids.append(query.pop("app_id", None))
            if self.app_ids[-1] in self.taken_app_ids:
                raise ApiProblemError(Problem(code="taken", what="Taken.", facts={"kind": "app_id"}))
        self.queries.append({key: value for key, value in query.items() if value is not None})
        kind = "install" if path == "/v1/apps" else "build"
        if kind in self.refusing:
            raise ApiProblemError(self.refusing[kind])
        if kind == "build":
            return self._job(kind, "build:wiki")
        identifier = str(query["identifier"])
        self.apps[identifier] = self.app(identifier, state="installing")
        return self._job(kind, identifier)

    def call(self, method: str, path: str, **options: Any) -> Any:
        """See `ApiClient.call`."""
        self._answer(*([] if method == "GET" else [f"{method} {path}"]))
        _, _, kind, name = path.split("/")
        if kind == "jobs":
            job = self.jobs[name]
            if method == "DELETE":
                job["cancel_requested"] = True
            return job
        if name not in self.apps:
            raise ApiProblemError(Problem(code="not_found", what=f"There is no app {name!r}."))
        if method == "DELETE":
            self.queries.append(options["params"])
            return self._job("uninstall", name)
        return self.apps[name]

    def pages(self, path: str, **query: Any) -> Iterator[Json]:
        """See `ApiClient.pages`."""
        self._answer()
        yield from [job for job in self.jobs.values() if job["subject"] == query["app"]]

    def events(self, *, after: str, **query: Any) -> Iterator[ServerEvent]:
        """See `ApiClient.events`."""
        self._answer()
        job = self.jobs[query["job"]]
        if job["kind"] == self.interrupts:
            self.interrupts = ""
            raise KeyboardInterrupt
        self._end(job)
        yield ServerEvent(id="1", body={"kind": "job.finished", "facts": {}})

    def lines(self, path: str, *, may_be_quiet: bool = False, **query: Any) -> Iterator[str]:
        """See `ApiClient.lines`."""
        self._answer()
        yield from self.log

    def app(self, identifier: str, **given: Any) -> Json:
        """An app's JSON object, as far as commands look at it."""
        shape = {"identifier": identifier, "definition": "wiki", "catalog": None, "state": "running"}
        route: Json = {"host_name": "wiki.localhost", "aliases": [], "no_route": None, "url": None}
        return {**shape, **route, "host_port": 35007, "path": "/", **given}

    def _job(self, kind: str, subject: str) -> Json:
        job = {"id": f"{kind}-{len(self.jobs)}", "kind": kind, "subject": subject, "state": "running"}
        self.jobs[job["id"]] = {**job, "finished_at": None, "problem": None, "result": None}
        return self.jobs[job["id"]]

    def _end(self, job: Json) -> None:
        problem = self.failing.get(job["kind"])
        state = "cancelled" if job.get("cancel_requested") else "failed" if problem else "succeeded"
        job.update(state=state, finished_at="now", problem=problem.as_json() if problem else None)
        if job["kind"] == "build":
            image = {"image": "homeport/wiki-web:1", "id": "sha256:1", "built": True}
            job["result"] = {"images": {"web": image}, "builds": {"web": {}}, "sizes": {"web": 1024}}
        elif (job["kind"] == "uninstall") == (state == "succeeded"):
            self.apps.pop(job["subject"], None)

    def _answer(self, *changes: str) -> None:
        if self.away:
            self.away -= 1
            raise ApiUnreachableError("Nothing answers at http://box.")
        self.asked += changes
