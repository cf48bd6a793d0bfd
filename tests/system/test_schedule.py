"""What is done by the clock, on a real box: once per slot, and once after downtime."""

from pathlib import Path

from tests.harness.homeport_box import HomeportBox, Json
from tests.harness.programs import REPOSITORY, start, wait_until
from tests.system.conftest import FreshHomeport

YEARLY = "0 0 1 1 *"
A_YEAR_AGO = "UPDATE schedules SET slot = slot - 366 * 86400 * 1000000 WHERE name = 'history'"


def clean_ups(box: HomeportBox) -> list[Json]:
    return [job for job in box.get("/v1/jobs")["items"] if job["kind"] == "cleanup"]


def history(box: HomeportBox) -> Json:
    (found,) = [one for one in box.get("/v1/schedule")["items"] if one["name"] == "history"]
    return dict(found)


def test_a_slot_is_done_once_and_what_was_missed_is_caught_up_once(fresh_homeport: FreshHomeport) -> None:
    box = fresh_homeport(history_schedule=YEARLY, time_zone="Europe/Berlin", history_jobs=1)
    wait_until(lambda: box.sql("SELECT * FROM schedules") != [], what="the schedules begin", timeout_s=20)
    assert (clean_ups(box), history(box)["last_job"]) == ([], None)
    old_log = box.state_dir / "jobs" / "old.log"

    box.sql(A_YEAR_AGO)  # as if it had been on, and the slot had come
    wait_until(lambda: len(clean_ups(box)) == 1, what="a clean-up", timeout_s=20)
    first = box.succeed(clean_ups(box)[0])

    assert history(box)["last_job"] == first["id"]
    assert history(box)["time_zone"] == "Europe/Berlin"
    assert history(box)["next_at"].endswith("-12-31T23:00:00.000+00:00")

    box.stop()
    box.sql(A_YEAR_AGO)
    old_log.write_text("of a job that is forgotten\n")
    box.sql("UPDATE jobs SET finished_at = 0, id = 'old' WHERE id = ?", first["id"])
    box.start()
    wait_until(lambda: [job["id"] for job in clean_ups(box)] != ["old"], what="it catches up", timeout_s=20)
    second = box.succeed(clean_ups(box)[0])

    assert second["result"]["forgotten"]["jobs"] == 1
    assert [job["id"] for job in clean_ups(box)] == [second["id"]], "the old one is forgotten"
    assert not old_log.exists()
    assert box.sql("SELECT * FROM schedules WHERE name = 'history' AND job_id = ?", second["id"]) != []


def test_a_wrong_schedule_is_refused_before_anything_starts(tmp_path: Path) -> None:
    program = REPOSITORY / ".venv" / "bin" / "homeport"
    environment = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "HOMEPORT_STATE_DIR": str(tmp_path / "state"),
        "HOMEPORT_RUN_DIR": str(tmp_path / "run"),
        "HOMEPORT_REFRESH_SCHEDULE": "every night",
    }

    log = tmp_path / "log"

    assert start([str(program), "up"], log=log, environment=environment).wait(30) != 0

    assert "refresh_schedule" in log.read_text()
    assert "'23 3 * * *'" in log.read_text()
    assert not (tmp_path / "state").exists()
