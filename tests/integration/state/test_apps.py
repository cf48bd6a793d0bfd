"""Apps, the images ledger and tokens."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from homeport.errors import NotFoundError, TakenError
from homeport.models import AppState, ImageOrigin, LedgerImage, Limits
from homeport.state.apps import find_app, list_apps, remove_app, update_app
from homeport.state.images import find_image, forget_image, ledger, needed_image_ids, record_image
from homeport.state.tokens import create_token, list_tokens, revoke_token, verify_token
from tests.integration.state.box import Box


def _images(*ids: str) -> dict[str, dict[str, object]]:
    return {f"s{number}": {"image": "x", "id": id_, "built": True} for number, id_ in enumerate(ids)}


def test_an_app_comes_back_as_it_was_recorded(box: Box) -> None:
    port = {"host_port": 2224, "container_port": 22, "protocol": "tcp", "service": "web"}
    app = box.add_app(data=("config", "media"), images=_images("sha256:1"), ports=(port,))
    headless = box.add_app("sync", web=None)

    with box.database.read() as conn:
        assert find_app(conn, "wiki") == app
        assert find_app(conn, "sync") == headless
        assert find_app(conn, "none") is None


def test_apps_are_listed_by_identifier_and_page(box: Box) -> None:
    for name in ("blog", "wiki", "chat"):
        box.add_app(name)

    with box.database.read() as conn:
        first = list_apps(conn, after=None, limit=2)
        rest = list_apps(conn, after=first[-1].identifier, limit=2)
    assert [[app.identifier for app in page] for page in (first, rest)] == [["blog", "chat"], ["wiki"]]


def test_an_app_is_changed_field_by_field_and_forgotten(box: Box) -> None:
    app = box.add_app()

    with box.database.write() as conn:
        update_app(conn, "wiki", state=AppState.UNINSTALLING, limits=Limits(pids=5), data=("a",))
        changed = find_app(conn, "wiki")
        remove_app(conn, "wiki")
        remove_app(conn, "wiki")
        gone = find_app(conn, "wiki")

    assert changed == replace(app, state=AppState.UNINSTALLING, limits=Limits(pids=5), data=("a",))
    assert gone is None


def test_changing_what_is_not_there_is_refused(box: Box) -> None:
    box.add_app()

    with box.database.write() as conn:
        with pytest.raises(NotFoundError):
            update_app(conn, "none", title="x")
        with pytest.raises(TypeError, match="an app has no colour"):
            update_app(conn, "wiki", colour="red")


def test_the_ledger_says_which_images_are_ours_and_why(box: Box) -> None:
    image = LedgerImage(
        image_id="sha256:1",
        reference="homeport/wiki-web:1-abc",
        origin=ImageOrigin.BUILT,
        job_id="first",
        size_bytes=5_000_000_000,
        created_at=box.now,
        last_used_at=box.now,
    )
    later = box.now + timedelta(days=1)

    with box.database.write() as conn:
        record_image(conn, image)
        record_image(conn, replace(image, origin=ImageOrigin.PULLED, job_id="second", last_used_at=later))
        assert ledger(conn) == [replace(image, last_used_at=later)]
        assert find_image(conn, "sha256:2") is None
        forget_image(conn, "sha256:1")
        assert find_image(conn, "sha256:1") is None


def test_images_that_other_apps_run_are_needed(box: Box) -> None:
    box.add_app("wiki", images=_images("sha256:1", "sha256:2"))
    box.add_app("blog", images=_images("sha256:2", "sha256:3"))

    with box.database.read() as conn:
        assert needed_image_ids(conn, except_app="wiki") == {"sha256:2", "sha256:3"}
        assert needed_image_ids(conn, except_app=None) == {"sha256:1", "sha256:2", "sha256:3"}


def test_a_token_is_known_by_its_text_until_it_is_revoked(box: Box) -> None:
    with box.database.write() as conn:
        plain = create_token(conn, "owner", box.now)
        assert plain.startswith("hp_")
        assert verify_token(conn, plain, box.now) == "owner"
        assert verify_token(conn, plain + "x", box.now) is None
        assert [token.name for token in list_tokens(conn)] == ["owner"]

        revoke_token(conn, "owner")

        assert verify_token(conn, plain, box.now) is None
        with pytest.raises(NotFoundError):
            revoke_token(conn, "owner")


def test_no_file_of_the_database_holds_a_token_in_plain_text(box: Box) -> None:
    with box.database.write() as conn:
        plain = create_token(conn, "owner", box.now)

    folder = Path(box.url.removeprefix("sqlite:///")).parent
    contents = b"".join(path.read_bytes() for path in folder.iterdir())
    assert b"owner" in contents
    assert plain.encode() not in contents
    assert plain.removeprefix("hp_").encode() not in contents


def test_a_token_s_name_is_given_once(box: Box) -> None:
    with box.database.write() as conn:
        create_token(conn, "owner", box.now)
        with pytest.raises(TakenError):
            create_token(conn, "owner", box.now)


def test_a_token_may_expire(box: Box) -> None:
    until = box.now + timedelta(hours=1)

    with box.database.write() as conn:
        plain = create_token(conn, "guest", box.now, expires_at=until)

        assert verify_token(conn, plain, until - timedelta(seconds=1)) == "guest"
        assert verify_token(conn, plain, until) is None
