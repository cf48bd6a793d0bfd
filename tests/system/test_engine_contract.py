"""The real engine and the real Compose keep the contract that the fakes are held to."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from homeport.host.engine import Engine
from tests.contracts.engine import CONTRACT, TWO_SERVICES, Yard
from tests.harness.engine import EngineBox
from tests.system.projects import IMAGE, scratch


@pytest.fixture
def yard(engine_box: EngineBox, tmp_path: Path) -> Iterator[Yard]:
    """A project on the private engine."""
    with scratch(
        engine_box.docker_host, tmp_path, TWO_SERVICES.replace("IMAGE", IMAGE), "main: web\n"
    ) as project:
        yield Yard(
            engine=project.engine,
            away=Engine(f"unix://{tmp_path}/nothing-listens-here.sock"),
            projects=project.runner,
            project_dir=project.facts.project_dir,
            project=project.project,
            identifier=project.facts.identifier,
            rendered=project.rendered,
            permissions=project.permissions,
        )


@pytest.mark.parametrize("clause", CONTRACT, ids=lambda clause: clause.__name__)
def test_the_engine_keeps_the_contract(clause: object, yard: Yard) -> None:
    assert callable(clause)
    clause(yard)
