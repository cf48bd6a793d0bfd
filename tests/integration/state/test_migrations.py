"""The migrations, from nothing to what the code expects."""

import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.command import downgrade
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect

import homeport.state
from homeport.errors import StateUnavailableError
from homeport.state.apps import find_app
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


def test_an_app_from_before_the_added_catalogs_came_from_the_shipped_one(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/db/homeport.sqlite"
    migrate(url)
    database = Database(url)
    before = """INSERT INTO apps (identifier, app_id, definition, title, version, host_name, host_port,
        state, desired, limits, data, images, ports, created_at, updated_at) VALUES ('wiki', 1, 'wiki', 'W',
        '1', 'wiki.localhost', 35001, 'running', 'running', '{}', '[]', '{}', '[]', 0, 0)"""
    with database.write() as conn:
        down_to(conn, "0002")
        conn.exec_driver_sql(before)

    migrate(url)

    with database.read() as conn:
        app = find_app(conn, "wiki")
    assert app is not None
    assert (app.catalog, app.permissions, app.settings) == ("homeport", (), {})


def down_to(conn: Connection, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(homeport.state.__file__).parent / "migrations"))
    config.attributes["connection"] = conn
    downgrade(config, revision)
