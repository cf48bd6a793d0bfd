"""What the system tests stand on. All is real; without root or an engine they fail, none is skipped."""

import itertools
from collections.abc import Callable, Iterator

import pytest

from tests.harness.engine import EngineBox
from tests.harness.homeport_box import HomeportBox
from tests.harness.private import private_engine
from tests.harness.standins import publish_standin

FreshHomeport = Callable[..., HomeportBox]


@pytest.fixture(scope="session")
def engine_box() -> Iterator[EngineBox]:
    """The private Docker Engine with its registry and the base images."""
    with private_engine() as engine:
        yield engine


@pytest.fixture(scope="session")
def pulled_images(engine_box: EngineBox) -> EngineBox:
    """The engine, its registry filled with stand-ins for the images that the shipped definitions pull."""
    publish_standin(engine_box, "gitlab/gitlab-ce:latest", port=80, says="gitlab")
    publish_standin(engine_box, "linuxserver/hydra:latest", port=5075, says="hydra")
    return engine_box


@pytest.fixture
def line(engine_box: EngineBox) -> Iterator[EngineBox]:
    """The engine, whose line to the registry is mended afterwards."""
    yield engine_box
    engine_box.line.mend()


@pytest.fixture(scope="session")
def homeport_box(engine_box: EngineBox) -> Iterator[HomeportBox]:
    """One Homeport for all tests that need no settings of their own."""
    with HomeportBox(engine_box, "home") as box:
        yield box


@pytest.fixture
def fresh_homeport(engine_box: EngineBox) -> Iterator[FreshHomeport]:
    """Starts another Homeport with own settings: `fresh_homeport(healthy_s=5)`; stopped after the test."""
    boxes: list[HomeportBox] = []

    def begin(**settings: object) -> HomeportBox:
        box = HomeportBox(engine_box, f"home{next(_NUMBERS)}", **settings)
        boxes.append(box)
        return box.__enter__()

    yield begin
    for box in boxes:
        box.stop()


_NUMBERS = itertools.count(1)
