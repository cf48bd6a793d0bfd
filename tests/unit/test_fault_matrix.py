"""The published matrix is of the plans that there are, and each kind of job is in it."""

import json

from homeport.models import JobKind
from homeport.state.fail_points import points_of
from tests.matrix.rows import PAGE, RESULTS, Fault, all_rows, page_of, plan_of, quick_rows
from tests.matrix.scenarios import SCENARIOS


def test_every_kind_of_job_has_a_scenario() -> None:
    assert {scenario.kind for scenario in SCENARIOS} == set(JobKind)


def test_a_worker_is_killed_at_every_boundary_at_which_something_was_done() -> None:
    killed = {row.point for row in all_rows() if row.fault in (Fault.WORKER, Fault.UNDO)}

    for scenario in SCENARIOS:
        points = set(points_of(scenario.kind, plan_of(scenario)))
        done = {point for point in points if point.rpartition(":")[2] not in ("begun", "undoing")}
        assert done <= killed


def test_the_published_rows_are_those_of_the_plans() -> None:
    published = [(row["job"], row["step"], row["fault"]) for row in json.loads(RESULTS.read_text())]

    assert published == [(row.scenario.name, row.step, row.fault.value) for row in all_rows()]


def test_the_page_is_made_of_the_results() -> None:
    assert PAGE.read_text() == page_of(json.loads(RESULTS.read_text()))


def test_every_published_row_passed() -> None:
    assert [row for row in json.loads(RESULTS.read_text()) if not row["passed"]] == []


def test_what_runs_every_time_is_a_part_of_it() -> None:
    assert set(quick_rows()) < set(all_rows())
