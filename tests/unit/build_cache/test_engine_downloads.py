import pytest

from build_cache.engine_downloads import with_engine_downloads
from homeport.caches import DirectHost


def hosts(*instructions: str) -> list[str]:
    found = with_engine_downloads((), instructions)
    assert found is not None
    return [seen.host for seen in found]


@pytest.mark.parametrize(
    ("instruction", "host"),
    [
        ("ADD https://files.example/a.tar /a", "files.example"),
        ("add http://Files.Example:8080/a.tar /a", "files.example"),
        ("ADD --checksum=sha256:12 --chown=1:1 https://files.example/a /a", "files.example"),
        ('ADD ["https://files.example/a", "/a b"]', "files.example"),
        ("ADD https://me:secret@files.example/a /a", "files.example"),
        ("ADD http://[2001:db8::1]:80/a /a", "2001:db8::1"),
        ("ADD https://git.example/me/it.git#v1 /it", "git.example"),
        ("ADD git@git.example:me/it.git /it", "git.example"),
    ],
)
def test_what_the_engine_downloads_is_known_by_its_host(instruction: str, host: str) -> None:
    assert hosts(instruction) == [host]


@pytest.mark.parametrize(
    "instruction",
    ["ADD app.tar /app", "RUN curl https://files.example/a", "COPY https://files.example/a /a", "ADD", ""],
)
def test_other_instructions_download_nothing_by_the_engine(instruction: str) -> None:
    assert hosts(instruction) == []


def test_every_source_of_an_instruction_counts() -> None:
    assert hosts("ADD https://a.example/1 https://b.example/2 /all/") == ["a.example", "b.example"]


def test_what_was_seen_on_the_bridge_is_added() -> None:
    seen = [DirectHost(host="a.example", connections=1), DirectHost(host="b.example", connections=1)]

    found = with_engine_downloads(seen, ["ADD https://b.example/1 /1"])

    assert found == (
        DirectHost(host="b.example", connections=2),
        DirectHost(host="a.example", connections=1),
    )


def test_what_is_not_known_stays_so() -> None:
    assert with_engine_downloads(None, ["ADD https://b.example/1 /1"]) is None
