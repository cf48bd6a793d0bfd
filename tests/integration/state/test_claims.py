"""What only one app can have, also when many want it at once."""

import json
import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from homeport.errors import InvalidInputError, NotPossibleNowError, TakenError
from homeport.models import AppState, Job
from homeport.names import MAX_APP_ID
from homeport.state.apps import remove_app
from homeport.state.claims import claim_app, release_claims
from homeport.state.schema import CLAIMS
from tests.integration.state.box import Box

RACE = """
import json, sys
from homeport.errors import TakenError
from tests.integration.state.box import Box
box, won = Box(sys.argv[1]), {}
for number in range(40):
    try:
        won[f"app-{number}"] = box.install(f"app-{number}").parameters["app_id"]
    except TakenError:
        pass
print(json.dumps(won))
"""


def _release(box: Box, identifier: str) -> None:
    with box.database.write() as conn:
        release_claims(conn, identifier)
        remove_app(conn, identifier)


def _app_id(job: Job) -> int:
    return int(job.parameters["app_id"])


def test_app_ids_are_given_in_order_and_never_twice(box: Box) -> None:
    given = [_app_id(box.install(name)) for name in ("one", "two")]
    _release(box, "two")

    assert [*given, _app_id(box.install("three"))] == [1, 2, 3]


def test_an_app_id_of_the_platform_is_skipped_and_does_not_move_ours(box: Box) -> None:
    box.install("platform", app_id=2)
    box.install("far", app_id=3000)
    _release(box, "platform")

    assert [_app_id(box.install(name)) for name in ("one", "two")] == [1, 3]


def test_the_platform_may_give_a_released_app_id_again(box: Box) -> None:
    box.install("one")
    _release(box, "one")

    assert _app_id(box.install("again", app_id=1)) == 1


def test_an_app_id_whose_port_another_app_publishes_is_not_assigned(box: Box) -> None:
    box.install("one", ports=[35002, 2224])

    assert _app_id(box.install("two")) == 3


def test_an_install_holds_all_that_it_needs(box: Box) -> None:
    job = box.install("wiki", ports=[2224, 2224])

    assert job.parameters == {
        "definition": "dokuwiki",
        "catalog": "homeport",
        "upload": None,
        "identifier": "wiki",
        "app_id": 1,
        "host_name": "wiki.localhost",
        "aliases": [],
        "host_port": 35001,
        "permissions": [],
        "settings": {},
    }
    with box.database.read() as conn:
        claims = {(row.kind, row.value) for row in conn.execute(select(CLAIMS))}
    assert claims == {
        ("identifier", "wiki"),
        ("app_id", "1"),
        ("host_name", "wiki.localhost"),
        ("port", "35001"),
        ("port", "2224"),
    }


def test_the_holder_of_a_taken_identifier_is_named(box: Box) -> None:
    box.add_app("wiki")

    with pytest.raises(TakenError, match=r"identifier 'wiki' is taken.*app 'wiki' \(DokuWiki\)") as caught:
        box.install("wiki")

    assert caught.value.facts["kind"] == "identifier"
    assert caught.value.facts["holder"] == "wiki"
    assert [conflict["kind"] for conflict in caught.value.facts["conflicts"]] == ["identifier", "host_name"]


def test_a_waiting_install_holds_what_it_claimed(box: Box) -> None:
    waiting = box.install("wiki", app_id=7)

    with pytest.raises(TakenError, match=f"app_id '7' is taken.*install of 'wiki'.*{waiting.id}"):
        box.install("blog", app_id=7)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (AppState.INSTALLING, r"An install of 'wiki' that has not ended yet has it \(job old\).*cancel"),
        (AppState.UNINSTALLING, "is being uninstalled.*wait until that has ended"),
    ],
)
def test_what_an_app_under_way_holds_is_told_as_such(box: Box, state: AppState, words: str) -> None:
    box.add_app("wiki", state=state)

    with pytest.raises(TakenError, match=words):
        box.install("wiki")


def test_a_port_that_another_app_publishes_is_taken(box: Box) -> None:
    box.install("git", ports=[2224])

    with pytest.raises(TakenError, match="port '2224' is taken"):
        box.install("other", ports=[2224])


def test_a_refused_request_leaves_the_others_of_its_transaction_alone(box: Box) -> None:
    box.install("wiki")

    with box.database.write() as conn:
        for name in ("blog", "wiki", "shop"):
            try:
                with conn.begin_nested():
                    claim_app(conn, job_id="x", identifier=name, host_names=[name], app_id=None)
            except TakenError:
                assert name == "wiki"

    with box.database.read() as conn:
        holders = conn.execute(select(CLAIMS.c.identifier, CLAIMS.c.value).where(CLAIMS.c.kind == "app_id"))
        assert {(row.identifier, row.value) for row in holders} == {
            ("wiki", "1"),
            ("blog", "2"),
            ("shop", "3"),
        }


def test_when_all_app_ids_were_given_it_says_so(box: Box) -> None:
    with box.database.write() as conn:
        conn.exec_driver_sql(f"INSERT INTO app_ids (app_id, assigned) VALUES ({MAX_APP_ID}, 1)")

    with pytest.raises(NotPossibleNowError, match="No app_id is left"):
        box.install()
    with pytest.raises(InvalidInputError, match="cannot be an app_id"):
        box.install(app_id=MAX_APP_ID + 1)


def test_of_two_processes_that_want_the_same_each_thing_goes_to_one(box: Box) -> None:
    running = [
        subprocess.Popen([sys.executable, "-c", RACE, box.url], stdout=subprocess.PIPE) for _ in range(2)
    ]

    won = [json.loads(process.communicate(timeout=60)[0]) for process in running]

    assert sorted([*won[0], *won[1]]) == sorted(f"app-{number}" for number in range(40))
    assert sorted([*won[0].values(), *won[1].values()]) == list(range(1, 41))


def test_of_many_threads_one_gets_the_host_name(box: Box) -> None:
    def attempt(number: int) -> bool:
        try:
            with box.database.write() as conn:
                claim_app(
                    conn, job_id=uuid.uuid4().hex, identifier=f"app{number}", host_names=["www"], app_id=None
                )
        except TakenError:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(attempt, range(24))) == 1
