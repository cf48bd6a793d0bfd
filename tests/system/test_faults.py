"""Faults in the steps of every kind of job: a part of them in every run, all with `--matrix`."""

from collections.abc import Iterator

import pytest

from tests.harness.engine import EngineBox
from tests.harness.homeport_box import HomeportBox
from tests.matrix.faults import SETTINGS, FaultyBox
from tests.matrix.rows import Fault, Row, all_rows, quick_rows, write_documents
from tests.matrix.scenarios import furnish


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "row" in metafunc.fixturenames:
        rows = all_rows() if metafunc.config.getoption("--matrix") else quick_rows()
        metafunc.parametrize("row", rows, ids=str)


@pytest.fixture(scope="module")
def passed() -> dict[Row, bool]:
    """How the rows went."""
    return {}


@pytest.fixture(scope="module")
def faulty(
    engine_box: EngineBox, passed: dict[Row, bool], request: pytest.FixtureRequest
) -> Iterator[FaultyBox]:
    """A Homeport with a neighbour whose data is watched."""
    points = engine_box.root / "points"
    points.mkdir(exist_ok=True)
    points.chmod(0o777)  # the API, which is not root's, stands still there as well
    with HomeportBox(engine_box, "faults", fail_points=points, **SETTINGS) as box:
        furnish(box, engine_box)
        faulty = FaultyBox(box, engine_box, points)
        faulty.write_data()
        yield faulty
        if request.config.getoption("--matrix") and passed.keys() == set(all_rows()):
            write_documents(passed.items())
        box.clear()


def ends_of(row: Row) -> set[str]:
    """How the row's job may end."""
    match row.fault:
        case Fault.RAISE | Fault.UNDO:
            return {"failed"}
        case Fault.ENGINE | Fault.ENGINE_KILLED:
            return {"succeeded", "failed"}
        case Fault.CANCEL if row.step == row.last_step:  # which may have nothing left to be cancelled
            return {"succeeded", "cancelled"}
        case Fault.CANCEL:
            return {"cancelled"}
        case _:
            return {"succeeded"}


def test_a_job_and_the_box_survive(faulty: FaultyBox, passed: dict[Row, bool], row: Row) -> None:
    passed[row] = False
    scenario = row.scenario(faulty.box, faulty.engine)
    scenario.prepare()

    ended = faulty.carry_out(row)

    assert ended["state"] in ends_of(row), (
        f"{ended}\n{faulty.box.job_log(ended)}\n{faulty.box.log.read_text()[-4000:]}"
    )
    found = scenario.faults_of_success() if ended["state"] == "succeeded" else scenario.faults_of_failure()
    if ended["state"] == "cancelled":
        assert (ended["problem"]["code"], bool(ended["problem"]["restored"])) == ("cancelled", True)
    found += faulty.faults()
    scenario.clear()
    assert found + faulty.faults() == []
    passed[row] = True
