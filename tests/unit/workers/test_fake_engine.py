"""The engine in memory keeps the contract of the real one."""

from pathlib import Path

import pytest
import yaml

from compose.values import APP_LABEL, BOX_LABEL, COMPOSE_FILE
from homeport.errors import EngineUnavailableError
from tests.contracts.engine import CONTRACT, TWO_SERVICES, Yard
from tests.unit.workers.fakes import FakeEngine, FakeProjects


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    """A project as it is rendered, on an engine in memory."""
    document = yaml.safe_load(TWO_SERVICES.replace("IMAGE", "database:1"))
    labels = {APP_LABEL: "fake", "homeport.app_id": "1"}
    boxed = {**labels, BOX_LABEL: "/srv/box"}
    for name, service in document["services"].items():
        service["labels"] = boxed
        if name == "web":
            service["container_name"] = "fake"
    document |= {"networks": {"default": {"labels": boxed}}, "volumes": {"store": {"labels": labels}}}
    (tmp_path / COMPOSE_FILE).write_text(yaml.safe_dump(document))
    engine, away = FakeEngine(), FakeEngine()
    away.is_up = False
    return Yard(
        engine=engine,
        away=away,
        projects=FakeProjects(engine),
        project_dir=tmp_path,
        project="homeport-fake",
        identifier="fake",
        rendered=None,
        permissions=(),
    )


@pytest.mark.parametrize("clause", CONTRACT, ids=lambda clause: clause.__name__)
def test_the_fake_keeps_the_contract(clause: object, yard: Yard) -> None:
    assert callable(clause)
    clause(yard)


def test_a_project_whose_engine_is_away_says_so(yard: Yard) -> None:
    yard.engine.is_up = False
    for ask in (yard.create, yard.up, yard.down, yard.containers, yard.networks, yard.volumes):
        with pytest.raises(EngineUnavailableError):
            ask()
