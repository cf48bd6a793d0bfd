"""What processes and jobs write down."""

import io
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from homeport.logs import bound, set_up_logging
from workers.job_log import JobLog
from workers.operations.fetch import FetchProgress


@pytest.fixture(autouse=True)
def _root_logger_as_before() -> Iterator[None]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)


def test_json_lines_carry_what_is_bound() -> None:
    stream = io.StringIO()
    set_up_logging("json", process="worker", stream=stream)

    with bound(job="j1", app="wiki"):
        logging.getLogger("x").info("it %s", "runs")
    logging.getLogger("x").info("idle")

    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (first["message"], first["job"], first["app"], first["process"]) == (
        "it runs",
        "j1",
        "wiki",
        "worker",
    )
    assert "job" not in second


def test_plain_lines_carry_what_is_bound_and_the_traceback() -> None:
    stream = io.StringIO()
    set_up_logging("plain", process="worker", stream=stream)

    with bound(job="j1"):
        try:
            int("odd")
        except ValueError:
            logging.getLogger("x").exception("failed")

    lines = stream.getvalue().splitlines()
    assert lines[0].endswith("worker ERROR x: failed job=j1")
    assert lines[-1] == "ValueError: invalid literal for int() with base 10: 'odd'"


def _job_log(path: Path, limit_bytes: int) -> JobLog:
    return JobLog(
        path,
        limit_bytes=limit_bytes,
        user="nobody-of-this-name",
        now=lambda: datetime(2026, 1, 1, tzinfo=UTC),
    )


def test_a_jobs_log_has_a_time_on_every_line_and_goes_on_where_it_was(tmp_path: Path) -> None:
    for text in ("one\ntwo", "three"):
        log = _job_log(tmp_path / "jobs" / "j.log", 1000)
        log.write(text)
        log.close()

    moment = "2026-01-01T00:00:00.000Z"
    text = (tmp_path / "jobs" / "j.log").read_text()
    assert text == f"{moment} one\n{moment} two\n{moment} three\n"
    assert (tmp_path / "jobs" / "j.log").stat().st_mode & 0o777 == 0o640


def test_a_jobs_log_ends_at_its_limit_and_says_so_once(tmp_path: Path) -> None:
    log = _job_log(tmp_path / "j.log", 200)

    for _ in range(100):
        log.write("x" * 50)
    log.close()

    lines = (tmp_path / "j.log").read_text().splitlines()
    assert len(lines) == 3
    assert "The log ends here" in lines[-1]


def test_a_jobs_log_that_cannot_be_opened_is_told_once_and_drops_its_lines(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "jobs").write_text("in the way")

    log = _job_log(tmp_path / "jobs" / "j.log", 1000)
    log.write("one")
    log.write("two")
    log.close()

    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        "the job goes on without its log"
    ]
    assert (tmp_path / "jobs").read_text() == "in the way"


def test_progress_over_several_images_weighs_bytes() -> None:
    progress = FetchProgress(["large", "small"])

    progress.moved("large", 0.0, 900)
    progress.moved("small", 0.0, 100)

    assert progress.moved("large", 1.0) == pytest.approx(0.9)
    assert progress.moved("small", 0.5) == pytest.approx(0.95)
