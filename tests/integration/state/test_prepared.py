"""Statements that are compiled once, on a real database."""

import pytest
from sqlalchemy import Column, Integer, MetaData, Select, Table, Text, bindparam, delete, insert, select
from sqlalchemy.exc import IntegrityError, OperationalError

from homeport.models import JobKind
from homeport.state.columns import Member, Moment
from homeport.state.prepared import Prepared, execute_text
from tests.integration.state.box import Box

LAMPS = Table(
    "lamps",
    MetaData(),
    Column("number", Integer, primary_key=True),
    Column("name", Text, unique=True),
    Column("kind", Member(JobKind), nullable=False),
    Column("lit_at", Moment),
)
ADD = Prepared(insert(LAMPS).returning(LAMPS.c.number), ("name", "kind", "lit_at"))


def above(number: int) -> Select[tuple[int | None]]:
    return select(LAMPS.c.number).where(LAMPS.c.number > number, LAMPS.c.name == bindparam("name"))


def test_values_are_stored_as_sqlalchemy_stores_them(box: Box) -> None:
    with box.database.write() as conn:
        LAMPS.create(conn)
        rows = ADD.rows(conn, {"name": "red", "kind": JobKind.BUILD, "lit_at": box.now})
        found = conn.execute(select(LAMPS)).one()

    assert rows == [(1,)]
    assert found == (1, "red", JobKind.BUILD, box.now)


def test_what_stands_in_the_statement_itself_is_kept(box: Box) -> None:
    with box.database.write() as conn:
        LAMPS.create(conn)
        for name in ("red", "blue"):
            ADD.rows(conn, {"name": name, "kind": JobKind.BUILD, "lit_at": None})
        found = Prepared(above(1))

        assert found.rows(conn, {"name": "blue"}) == [(2,)]
        assert found.rows(conn, {"name": "red"}) == []


def test_rows_are_deleted_by_the_values_that_are_given(box: Box) -> None:
    remove = Prepared(delete(LAMPS).where(LAMPS.c.name == bindparam("name")))
    with box.database.write() as conn:
        LAMPS.create(conn)
        for name in ("red", "blue"):
            ADD.rows(conn, {"name": name, "kind": JobKind.BUILD, "lit_at": None})

        assert remove.rows(conn, {"name": "red"}) == []

        assert conn.execute(select(LAMPS.c.name)).scalars().all() == ["blue"]


def test_a_driver_s_errors_are_told_as_sqlalchemy_tells_them(box: Box) -> None:
    with box.database.write() as conn:
        LAMPS.create(conn)
        ADD.rows(conn, {"name": "red", "kind": JobKind.BUILD, "lit_at": None})

        with pytest.raises(IntegrityError):
            ADD.rows(conn, {"name": "red", "kind": JobKind.BUILD, "lit_at": None})
        with pytest.raises(OperationalError):
            execute_text(conn, "SELECT nothing FROM nowhere")
