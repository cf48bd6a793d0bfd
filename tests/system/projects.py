"""Small projects for tests of the runner and of health, run on the private engine."""

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from compose.data import create_data_folders
from compose.project import ProjectRunner, write_project
from compose.render import HealthExpectation, ProjectFacts, RenderedProject, render_project
from homeport.catalog.reader import read_definition
from homeport.host.engine import Engine
from homeport.permissions import Permission, parse_permissions
from homeport.settings import Settings

IMAGE = "debian:bookworm-slim"

_NUMBERS = itertools.count(1)

SERVER = """\
use IO::Socket::INET;
my $s = IO::Socket::INET->new(LocalPort => 8080, Listen => 5, ReuseAddr => 1) or die;
while (my $c = $s->accept) { <$c>; print $c "HTTP/1.1 STATUS x\\r\\nContent-Length: 0\\r\\n\\r\\n"; close $c }
"""


def server(status: int) -> list[str]:
    """A command that answers every request on port 8080 with this status."""
    return ["perl", "-e", SERVER.replace("STATUS", str(status)).replace("$", "$$")]


class Go:
    """A control that lets everything go on."""

    def check(self) -> None:
        """Returns."""


@dataclass(frozen=True, kw_only=True)
class Scratch:
    """A rendered project on the engine."""

    rendered: RenderedProject
    facts: ProjectFacts
    expectation: HealthExpectation
    runner: ProjectRunner
    engine: Engine
    settings: Settings
    permissions: tuple[Permission, ...]

    @property
    def project(self) -> str:
        """The compose project's name."""
        return self.facts.project

    def create(self, granted: Sequence[str] | None = None) -> None:
        """Makes its containers as an install does; `granted` in place of what its definition declares."""
        self.runner.create(
            self.facts.project_dir,
            self.project,
            rendered=self.rendered,
            granted=self.permissions if granted is None else parse_permissions(granted),
            control=Go(),
            log=print,
        )

    def up(self, control: Go | None = None) -> list[float]:
        """Starts it as an install does; the fractions of its progress."""
        fractions: list[float] = []
        self.runner.up(
            self.facts.project_dir,
            self.project,
            control=control or Go(),
            on_progress=lambda fraction, _detail: fractions.append(fraction),
            on_wait=lambda _detail: None,
            log=print,
            objects=self.rendered.objects,
            expectation=self.expectation,
        )
        return fractions

    def down(self, *, stop_s: int = 1, anonymous_volumes: bool = False) -> None:
        """Removes its containers and networks."""
        self.runner.down(
            self.facts.project_dir,
            self.project,
            control=Go(),
            stop_s=stop_s,
            anonymous_volumes=anonymous_volumes,
        )

    def left(self) -> list[str]:
        """What Docker has of it: containers and networks."""
        label = {"com.docker.compose.project": self.project}
        found = [container.name for container in self.engine.containers(label)]
        return found + [network.name for network in self.engine.networks(label)]


@contextmanager
def scratch(
    docker_host: str, folder: Path, compose: str, app: str = "", **changed: object
) -> Iterator[Scratch]:
    """A project of this compose file, rendered and written; removed afterwards with its volumes."""
    number = next(_NUMBERS)
    given = {"state_dir": folder / "state", "run_dir": folder / "run", "catalog_dir": folder / "apps"}
    settings = Settings(**{**given, "docker_host": docker_host, "steady_s": 1, **changed})  # type: ignore[arg-type]
    source = folder / f"definition{number}"
    source.mkdir()
    (source / "app.yml").write_text('name: sample\ntitle: Sample\nversion: "1"\n' + app)
    (source / "docker-compose.yml").write_text(compose)
    loaded = read_definition(source)
    facts = ProjectFacts(
        app_id=20000 + number,
        identifier=f"scratch{number}",
        host_name=f"scratch{number}.localhost",
        host_port=55000 + number,
        project_dir=folder / f"scratch{number}",
        version="1",
    )
    rendered = render_project(
        loaded, facts, images=loaded.pulled_services, settings=settings, granted=loaded.permissions
    )
    create_data_folders(facts.project_dir, rendered)
    write_project(facts.project_dir, rendered)
    engine = Engine(docker_host)
    project = Scratch(
        rendered=rendered,
        facts=facts,
        expectation=HealthExpectation.of(rendered, facts, loaded.definition.web),
        runner=ProjectRunner(settings, engine),
        engine=engine,
        settings=settings,
        permissions=loaded.permissions,
    )
    try:
        yield project
    finally:
        project.down(anonymous_volumes=True)
        project.runner.remove_volumes(project.project)
