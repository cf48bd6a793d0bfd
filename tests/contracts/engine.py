"""The contract of an engine and of a runner of projects, as functions that are given a yard to play in."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from compose.values import APP_LABEL, BOX_LABEL, COMPOSE_FILE
from homeport.errors import EngineUnavailableError, PullFailedError

TWO_SERVICES = """\
services:
  web: {image: IMAGE, command: [sleep, "1000"], init: true, depends_on: [db]}
  db: {image: IMAGE, command: [sleep, "1000"], init: true, volumes: ["store:/store"]}
volumes: {store: {}}
"""


class Go:
    """A control that lets everything go on."""

    def check(self) -> None:
        """Lets it."""


@dataclass(frozen=True, kw_only=True)
class Yard:
    """An engine, a runner of projects on it, and one project that was rendered and written for it.

    `away` is an engine that is not there.
    """

    engine: Any
    away: Any
    projects: Any
    project_dir: Path
    project: str
    identifier: str
    rendered: Any
    permissions: Any

    def create(self) -> None:
        """Makes all of the project, and starts none of it."""
        self.projects.create(
            self.project_dir,
            self.project,
            rendered=self.rendered,
            granted=self.permissions,
            control=Go(),
            log=lambda _line: None,
        )

    def up(self) -> None:
        """Starts the project."""
        self.projects.up(
            self.project_dir,
            self.project,
            control=Go(),
            on_progress=lambda _fraction, _detail: None,
            on_wait=lambda _detail: None,
            log=lambda _line: None,
        )

    def down(self) -> None:
        """Takes away its containers and networks."""
        self.projects.down(self.project_dir, self.project, control=Go(), stop_s=1)

    def containers(self) -> list[tuple[str, str, str]]:
        """Name, service and project of each container, by service."""
        found = self.engine.project_containers(self.project)
        return sorted(((one.name, one.service, one.project) for one in found), key=lambda one: one[1])

    def networks(self) -> list[str]:
        """The networks of the app."""
        return sorted(one.name for one in self.engine.networks([f"{APP_LABEL}={self.identifier}"]))

    def volumes(self) -> list[str]:
        """The volumes of the app."""
        return sorted(one.name for one in self.engine.volumes([f"{APP_LABEL}={self.identifier}"]))


def everything_is_there_after_create_and_the_same_after_up(yard: Yard) -> None:
    """Creating makes containers, networks and volumes; starting adds nothing."""
    yard.create()
    created = [(one.id, one.name) for one in yard.engine.project_containers(yard.project)]
    assert {service: name for name, service, _ in yard.containers()} == {
        "db": f"{yard.project}-db-1",
        "web": yard.identifier,
    }
    assert yard.networks() == [f"{yard.project}_default"]
    assert yard.volumes() == [f"{yard.project}_store"]
    assert yard.projects.volumes(yard.project) == (f"{yard.project}_store",)

    yard.up()
    yard.up()

    after = yard.engine.project_containers(yard.project)
    assert [(one.id, one.name) for one in after] == created
    assert {one.state for one in after} == {"running"}


def what_is_made_carries_our_labels(yard: Yard) -> None:
    """By its labels alone it can be found: the app's everywhere, the box's where Compose bears it."""
    yard.create()
    for one in (*yard.engine.project_containers(yard.project), *yard.engine.networks([BOX_LABEL])):
        assert one.labels[APP_LABEL] == yard.identifier
        assert one.labels[BOX_LABEL]
    (volume,) = yard.engine.volumes([f"{APP_LABEL}={yard.identifier}"])
    assert BOX_LABEL not in volume.labels
    assert yard.engine.containers([f"{APP_LABEL}=another"]) == []


def volumes_stay_until_they_are_removed(yard: Yard) -> None:
    """Taking a project down keeps its data; taking it down twice is harmless."""
    yard.create()
    yard.up()

    yard.down()
    yard.down()

    assert (yard.containers(), yard.networks()) == ([], [])
    assert yard.volumes() == [f"{yard.project}_store"]
    assert yard.projects.remove_volumes(yard.project) == (f"{yard.project}_store",)
    assert yard.volumes() == []
    assert yard.projects.remove_volumes(yard.project) == ()


def a_project_without_its_file_goes_by_its_labels(yard: Yard) -> None:
    """What somebody removed the compose file of is taken down all the same."""
    yard.create()
    (yard.project_dir / COMPOSE_FILE).unlink()

    yard.down()

    assert (yard.containers(), yard.networks()) == ([], [])


def a_container_that_is_missing_is_made_again_and_the_others_stay(yard: Yard) -> None:
    """What a repair relies on."""
    yard.create()
    yard.up()
    (database,) = [one for one in yard.engine.project_containers(yard.project) if one.service == "db"]
    yard.engine.remove_container(yard.identifier)
    assert [service for _, service, _ in yard.containers()] == ["db"]

    yard.up()

    after = yard.engine.project_containers(yard.project)
    assert sorted(one.service for one in after) == ["db", "web"]
    assert database.id in {one.id for one in after}


def removing_what_is_not_there_is_no_error(yard: Yard) -> None:
    """Steps may run twice."""
    yard.engine.remove_container("nobody-of-this-name")
    yard.engine.remove_network("nobody-of-this-name")


def an_image_that_no_registry_has_is_not_there_and_cannot_be_pulled(yard: Yard) -> None:
    """A missing image is none, and pulling it says so."""
    reference = "acme/nobody-has-this:1"
    assert yard.engine.image(reference) is None
    with pytest.raises(PullFailedError):
        yard.engine.pull(
            reference, on_progress=lambda _progress: None, control=Go(), stall_s=30, ceiling_s=60
        )


def an_engine_that_is_away_says_so_whatever_it_is_asked(yard: Yard) -> None:
    """Nothing is taken for absent because nobody answers."""
    away = yard.away
    for ask in (
        away.containers,
        away.networks,
        away.volumes,
        lambda: away.project_containers("any"),
        lambda: away.container_named("any"),
        lambda: away.publisher_of(80, "tcp"),
        lambda: away.image("any:1"),
        lambda: away.remove_image("any:1"),
        lambda: away.remove_container("any"),
        lambda: away.remove_network("any"),
        lambda: away.pull("any:1", on_progress=lambda _progress: None, control=Go(), stall_s=5, ceiling_s=5),
    ):
        with pytest.raises(EngineUnavailableError):
            ask()


CONTRACT: tuple[Callable[[Yard], None], ...] = (
    everything_is_there_after_create_and_the_same_after_up,
    what_is_made_carries_our_labels,
    volumes_stay_until_they_are_removed,
    a_project_without_its_file_goes_by_its_labels,
    a_container_that_is_missing_is_made_again_and_the_others_stay,
    removing_what_is_not_there_is_no_error,
    an_image_that_no_registry_has_is_not_there_and_cannot_be_pulled,
    an_engine_that_is_away_says_so_whatever_it_is_asked,
)
