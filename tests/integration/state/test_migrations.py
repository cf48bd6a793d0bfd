"""The migrations, from nothing to what the code expects."""

import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

from homeport.errors import StateUnavailableError
from homeport.state.database import Database, migrate
from homeport.state.schema import METADATA
from tests.integration.state.box import Box


def test_the_migrated_tables_are_those_of_the_code(box: Box) -> None:
    with box.database.read() as conn:
        context = MigrationContext.configure(
            conn, opts={"compare_type": True, "compare_server_default": True}
        )

        assert compare_metadata(context, METADATA) == []


def test_migrating_again_changes_nothing(box: Box) -> None:
    job = box.install()

    migrate(box.url)

    assert box.job(job) == job


def test_two_processes_may_migrate_at_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/db/homeport.sqlite"
    program = f"from homeport.state.database import migrate; migrate({url!r})"

    running = [subprocess.Popen([sys.executable, "-c", program]) for _ in range(4)]

    assert [process.wait(60) for process in running] == [0] * 4
    with Database(url).read() as conn:
        assert set(METADATA.tables) <= set(inspect(conn).get_table_names())


def test_a_database_of_a_newer_version_is_refused(box: Box) -> None:
    with box.database.write() as conn:
        conn.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")

    with pytest.raises(StateUnavailableError, match="newer version"):
        migrate(box.url)
