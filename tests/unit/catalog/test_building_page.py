"""docs/building-images.md against the apps that it quotes."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "building-images.md").read_text(encoding="utf-8")
QUOTE = re.compile(r"^`(apps/\S+)`:\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
QUOTES = QUOTE.findall(PAGE)


@pytest.mark.parametrize(
    ("file", "quote"), QUOTES, ids=[f"{file}-{number}" for number, (file, _) in enumerate(QUOTES)]
)
def test_what_the_page_quotes_stands_so_in_the_file(file: str, quote: str) -> None:
    assert quote in (ROOT / file).read_text(encoding="utf-8")


def test_every_block_of_the_page_but_commands_is_a_quote() -> None:
    assert len(QUOTES) == len(re.findall(r"^```(?:yaml|dockerfile)$", PAGE, re.MULTILINE)) + 2
    assert PAGE.count("```sh\n") == 3
    assert {file.split("/")[1] for file, _ in QUOTES} == {"osticket", "coppermine"}


def test_the_line_that_both_apps_share_is_alike_to_the_letter() -> None:
    lines = [
        re.search(
            r"^RUN (?:[^\n]+\\\n)*[^\n]+/run/apache2\n",
            (ROOT / "apps" / app / "web" / "Dockerfile").read_text(),
            re.M,
        )
        for app in ("osticket", "coppermine")
    ]

    assert lines[0] is not None
    assert lines[1] is not None
    assert lines[0][0] == lines[1][0]
