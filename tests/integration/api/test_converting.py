"""Converting over HTTP: a text becomes a definition that can be sent back, and nothing is stored."""

import io
import tarfile
from typing import Any

import pytest

RUN = "docker run -d --name hydra -p 5075:5075 -v /opt/hydra:/config linuxserver/hydra:1"
COMPOSE = "web:\n  image: registry.example/web:1\n  ports: ['8080:80']\n"


@pytest.mark.parametrize(("text", "name"), [(RUN, "hydra"), (COMPOSE, "tiny")])
def test_what_a_text_becomes_can_be_installed(box: Any, settings: Any, text: str, name: str) -> None:
    answer = box.call("POST", "/v1/convert", json={"text": text, "name": name})

    made = answer.json()
    assert answer.status_code == 200, answer.text
    assert (made["name"], made["rating"]["risk"], made["permissions"]) == (name, "none", [])
    settings.uploads_dir.mkdir()
    sent = box.call(
        "POST", "/v1/apps", data=_packed(made["files"]), headers={"Content-Type": "application/gzip"}
    )
    assert sent.status_code == 202, sent.text
    assert sent.json()["parameters"]["definition"] == name


def test_what_it_asks_for_is_told(box: Any) -> None:
    made = box.call("POST", "/v1/convert", json={"text": RUN.replace("-d", "--network host")}).json()

    assert [one["permission"] for one in made["permissions"]] == ["host_network"]
    assert (made["rating"]["risk"], made["notes"] != []) == ("high", True)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"text": "hello"}, "not_convertible"),
        ({"text": ""}, "invalid_input"),
        ({"text": "x" * (256 * 1024 + 1)}, "invalid_input"),
        ({"text": RUN, "shell": "sh"}, "invalid_input"),
        ({}, "invalid_input"),
    ],
)
def test_what_no_definition_can_be_made_of_is_refused(box: Any, body: dict[str, Any], code: str) -> None:
    answer = box.call("POST", "/v1/convert", json=body)

    assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text


def _packed(files: dict[str, str]) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    return raw.getvalue()
