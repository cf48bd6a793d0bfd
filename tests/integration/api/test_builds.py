"""Builds are accepted: of the catalog's definitions, and of archives, which are stored and judged before."""

import errno
import gzip
import io
import socket
import tarfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest
import requests

from api.app import create_app
from homeport.cli.client import ApiClient, ApiProblemError
from homeport.cli.packing import PackedFolder
from homeport.state import uploads

TAR = {"Content-Type": "application/x-tar"}
MIB = 1024 * 1024


def tar_of(files: dict[str, str | bytes]) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for name, text in files.items():
            content = text if isinstance(text, bytes) else text.encode()
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return raw.getvalue()


CONTEXT = tar_of({"Dockerfile": "FROM scratch\n"})
APP = "name: {name}\ntitle: A\nversion: '1'\ndescription: D.\nweb: {{service: web, port: 80}}\n"
COMPOSE = 'services:\n  web:\n    ports: ["HOST_PORT:80"]\n'


def definition_of(name: str = "mine", **files: str) -> bytes:
    built = APP.format(name=name) + "images:\n  web: {context: ./web}\n"
    usual = {"app.yml": built, "docker-compose.yml": COMPOSE, "web/Dockerfile": "FROM scratch\n"}
    return tar_of({**usual, **files})


@pytest.fixture
def send(box: Any, settings: Any) -> Callable[..., requests.Response]:
    settings.uploads_dir.mkdir()

    def post(body: Any, query: str = "", **headers: str) -> requests.Response:
        answer: requests.Response = box.call(
            "POST", f"/v1/builds{query}", data=body, headers={**TAR, **headers}
        )
        return answer

    return post


@pytest.fixture
def stored(settings: Any) -> Callable[[], list[str]]:
    return lambda: sorted(path.name for path in settings.uploads_dir.iterdir())


def test_a_build_of_the_catalogs_definition_is_a_job_of_its_own(box: Any, define: Any) -> None:
    define("built", images=True)

    answer = box.call("POST", "/v1/builds", json={"definition": "built"})

    job = answer.json()
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"/v1/jobs/{job['id']}"
    assert (job["kind"], job["subject"], job["queue"]) == ("build", "build:built", "builds")
    assert job["parameters"] == {"definition": "built", "catalog": "homeport", "settings": {}}
    assert box.call("GET", answer.headers["Location"]).json()["id"] == job["id"]


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_an_uploaded_context_is_stored_byte_for_byte_before_the_answer(
    send: Any, settings: Any, stored: Any, pack: Callable[[bytes], bytes]
) -> None:
    body = pack(CONTEXT)

    answer = send(body, "?name=mine")

    job = answer.json()
    assert answer.status_code == 202, answer.text
    assert (job["subject"], job["queue"]) == ("build:mine", "builds")
    assert job["parameters"] == {
        "upload": job["id"], "name": "mine", "dockerfile": "Dockerfile", "settings": {}
    }  # fmt: skip
    assert stored() == [f"{job['id']}.tar"]
    path = uploads.upload_path(settings.uploads_dir, job["id"])
    assert path.read_bytes() == body
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_dockerfile_may_be_another_one(send: Any) -> None:
    body = tar_of({"docker/Dockerfile.dev": "FROM scratch\n"}) + b""

    assert (
        send(body, "?name=mine&dockerfile=Dockerfile.dev").json()["parameters"]["dockerfile"]
        == "Dockerfile.dev"
    )


def test_an_uploaded_definition_is_judged_and_goes_by_its_own_name(send: Any, stored: Any) -> None:
    job = send(definition_of(), **{"Content-Type": "application/gzip"}).json()

    assert (job["subject"], job["queue"]) == ("build:mine", "builds")
    assert stored() == [f"{job['id']}.tar"]


def test_an_upload_without_a_length_is_taken_as_well(send: Any) -> None:
    def pieces() -> Iterator[bytes]:
        yield CONTEXT[:700]
        yield CONTEXT[700:]

    assert send(pieces(), "?name=mine").status_code == 202


@pytest.mark.parametrize(
    ("body", "query", "code", "told"),
    [
        (b"noise", "?name=mine", "archive_refused", "no whole tar"),
        (b"", "?name=mine", "archive_refused", "no whole tar"),
        (CONTEXT[:600], "?name=mine", "archive_refused", "no whole tar"),
        (tar_of({"/etc/x": "", "Dockerfile": ""}), "?name=mine", "archive_refused", "'/etc/x'"),
        (tar_of({"README": "x"}), "?name=mine", "archive_refused", "neither app.yml nor 'Dockerfile'"),
        (CONTEXT, "?name=mine&dockerfile=../Dockerfile", "archive_refused", "'../Dockerfile'"),
        (CONTEXT, "", "invalid_input", "no name"),
        (CONTEXT, "?name=No%20Label", "invalid_input", "'No Label'"),
        (CONTEXT, "?name=mine&colour=red", "invalid_input", "query"),
        (definition_of(), "?name=other", "invalid_input", "named 'mine'"),
        (definition_of(**{"app.yml": "name: [\n"}), "", "definition_invalid", "app.yml"),
        (
            definition_of(**{"docker-compose.yml": COMPOSE + "    privileged: true\n"}),
            "",
            "policy_refused",
            "not allowed",
        ),
    ],
)
def test_what_cannot_be_built_is_refused_at_once_and_leaves_nothing(
    box: Any, send: Any, stored: Any, *, body: bytes, query: str, code: str, told: str
) -> None:
    answer = send(body, query)

    assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text
    assert told in answer.json()["title"]
    assert stored() == []
    assert box.call("GET", "/v1/jobs").json()["items"] == []


def test_settings_of_a_build_are_stored_with_it(box: Any, define: Any, send: Any) -> None:
    settings = "settings:\n  SOURCE: {required: true, build: true}\n"
    define("built", images=True)
    with (box.settings.catalog_dir / "built" / "app.yml").open("a") as file:
        file.write(settings)
    with_settings = definition_of(
        **{"app.yml": APP.format(name="mine") + settings + "images:\n  web: {context: ./web}\n"}
    )

    named = box.call("POST", "/v1/builds", json={"definition": "built", "settings": {"SOURCE": "x"}})
    sent = send(with_settings, "?settings=" + quote('{"SOURCE": "y"}'))
    missing = box.call("POST", "/v1/builds", json={"definition": "built"})
    unknown = send(with_settings, "?settings=" + quote('{"SOURCE": "y", "COLOUR": "red"}'))
    of_no_definition = send(CONTEXT, "?name=mine&settings=" + quote('{"SOURCE": "y"}'))

    assert named.json()["parameters"]["settings"] == {"SOURCE": "x"}
    assert sent.json()["parameters"]["settings"] == {"SOURCE": "y"}
    for refused, pointer in ((missing, "SOURCE"), (unknown, "COLOUR"), (of_no_definition, "SOURCE")):
        assert refused.status_code == 422
        assert refused.json()["facts"]["errors"][0]["pointer"] == f"/settings/{pointer}"


def test_name_and_dockerfile_do_not_go_with_a_catalogs_definition(box: Any) -> None:
    answer = box.call("POST", "/v1/builds?name=mine", json={"definition": "wiki"})

    assert answer.json()["facts"]["errors"] == [{"pointer": "?name", "detail": "not here"}]


@pytest.mark.parametrize("has_length", [True, False])
def test_an_upload_above_the_limit_is_refused(
    settings: Any, token: str, serve: Any, has_length: bool, stored: Any
) -> None:
    settings.uploads_dir.mkdir()
    small = settings.model_copy(update={"upload_max_bytes": MIB})
    serve(create_app(small), port=int(settings.listen.rpartition(":")[2]))
    body: Any = b"x" * (MIB + 1)

    answer = requests.post(
        f"http://{settings.listen}/v1/builds?name=mine",
        data=body if has_length else iter([body]),
        headers={**TAR, "Authorization": f"Bearer {token}"},
        timeout=20,
    )

    assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")
    assert "upload_max_bytes" in answer.json()["detail"]
    assert stored() == []


def test_an_upload_without_a_token_is_refused_unread(box: Any, send: Any, stored: Any) -> None:
    assert send(CONTEXT, "?name=mine", Authorization="Bearer wrong").status_code == 401
    assert stored() == []


def test_an_upload_that_breaks_off_leaves_nothing(
    box: Any, send: Any, settings: Any, stored: Any, eventually: Any
) -> None:
    host, _, port = settings.listen.rpartition(":")
    with socket.create_connection((host, int(port))) as connection:
        head = "POST /v1/builds?name=mine HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-tar\r\n"
        head += f"Authorization: Bearer {box.token}\r\nContent-Length: 100000\r\n\r\n"
        connection.sendall(head.encode() + CONTEXT)
        eventually(lambda: [name for name in stored() if name.endswith(".part")])

    eventually(lambda: stored() == [])
    assert box.call("GET", "/v1/jobs").json()["items"] == []


def test_a_disk_without_room_refuses_an_upload_before_it_is_full(
    send: Any, stored: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=10))

    answer = send(CONTEXT, "?name=mine")

    assert (answer.status_code, answer.json()["code"]) == (507, "disk_full")
    assert stored() == []


def test_a_disk_that_fills_up_meanwhile_is_told_and_leaves_nothing(
    send: Any, stored: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)

    answer = send(CONTEXT, "?name=mine")

    assert (answer.status_code, answer.json()["code"]) == (507, "disk_full")
    assert stored() == []


def test_without_its_folder_an_upload_is_refused_with_what_makes_it(box: Any) -> None:
    answer = box.call("POST", "/v1/builds?name=mine", data=CONTEXT, headers=TAR)

    assert (answer.status_code, answer.json()["code"]) == (503, "component_unavailable")
    assert "homeport up" in answer.json()["remedy"]


def test_a_job_that_is_cancelled_before_it_began_takes_its_upload_along(
    box: Any, send: Any, stored: Any
) -> None:
    job = send(CONTEXT, "?name=mine").json()

    cancelled = box.call("DELETE", f"/v1/jobs/{job['id']}").json()

    assert cancelled["state"] == "cancelled"
    assert stored() == []


def test_a_new_process_keeps_what_waits_and_removes_what_nobody_needs(
    settings: Any, box: Any, send: Any, serve: Any, stored: Any
) -> None:
    waiting = send(CONTEXT, "?name=mine").json()["id"]
    for name in ("dead.part", "unknown.tar"):
        (settings.uploads_dir / name).write_bytes(b"x")
    judged = settings.uploads_dir / ".judged-x" / "definition"
    judged.mkdir(parents=True)

    serve(create_app(settings), port=0)

    assert stored() == [f"{waiting}.tar"]


def test_a_mistake_of_ours_keeps_no_upload(send: Any, stored: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def mistaken(*_: object, **__: object) -> None:
        raise RuntimeError("a mistake")

    monkeypatch.setattr("api.builds.judge_upload", mistaken)

    answer = send(CONTEXT, "?name=mine")

    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert stored() == []


def test_uploads_side_by_side_all_arrive(send: Any, settings: Any) -> None:
    body = tar_of({"Dockerfile": "FROM scratch\n", "big": b"x" * (3 * MIB)})

    with ThreadPoolExecutor(4) as pool:
        jobs = list(pool.map(lambda number: send(body, f"?name=mine-{number}").json()["id"], range(4)))

    assert all((settings.uploads_dir / f"{job}.tar").read_bytes() == body for job in jobs)


def test_the_command_lines_client_is_told_why_an_upload_is_refused_in_its_middle(
    settings: Any, token: str, serve: Any, tmp_path: Any
) -> None:
    settings.uploads_dir.mkdir()
    small = settings.model_copy(update={"upload_max_bytes": MIB})
    serve(create_app(small), port=int(settings.listen.rpartition(":")[2]))
    folder = tmp_path / "large"
    folder.mkdir()
    (folder / "Dockerfile").write_bytes(b"x" * (64 * MIB))
    client = ApiClient(f"http://{settings.listen}", token)

    with pytest.raises(ApiProblemError) as announced:
        client.upload("/v1/builds", PackedFolder(folder), name="mine")
    with pytest.raises(ApiProblemError) as in_pieces:
        client.upload("/v1/builds", iter(PackedFolder(folder)), name="mine")

    assert announced.value.problem.code == in_pieces.value.problem.code == "payload_too_large"
