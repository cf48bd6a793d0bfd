"""The pages of the documentation among each other: links lead somewhere, and commands are there."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from homeport.cli import commands
from tests.harness.documentation import BlockEnd, Typed, Written, difference, steps_of

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
INLINE = re.compile(r"(?<!`)`(homeport [^`]+)`")
OPTION = re.compile(r"(?<=[\s\[])--[a-z][a-z-]*")
COMMANDS = {command.name: command for command in commands.COMMANDS}


def anchors_of(page: Path) -> set[str]:
    """The anchors that a Git host gives to a page's headings."""
    headings = HEADING.findall(FENCED.sub("", page.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_within_the_documentation_leads_somewhere(page: Path) -> None:
    text = FENCED.sub("", page.read_text(encoding="utf-8"))
    for link in LINK.findall(text):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{link}: there is no such file"
        if anchor:
            assert anchor in anchors_of(target), f"{link}: there is no such heading"


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.name)
def test_every_page_can_be_reached_from_the_readme(page: Path) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    assert f"](docs/{page.name})" in readme


def commands_in(page: Path) -> Iterator[str]:
    text = page.read_text(encoding="utf-8")
    yield from INLINE.findall(FENCED.sub("", text))
    for step in steps_of(text):
        if isinstance(step, Typed) and step.command.startswith("homeport "):
            yield step.command


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_is_named_is_there_with_its_options(page: Path) -> None:
    for line in commands_in(page):
        words = line.partition(" | ")[0].split()[1:]
        if not words or words[0].startswith("-"):
            continue
        command = COMMANDS.get(words[0].partition("|")[0])
        assert command is not None, f"{line}: there is no such command"
        while isinstance(command, click.Group) and len(words) > 1 and words[1] in command.commands:
            command = command.commands[words.pop(1)]
        known = {option for parameter in command.params for option in (*parameter.opts, "--help")}
        given = set(OPTION.findall(line.partition(" | ")[0]))
        assert given <= known, f"{line}: {sorted(given - known)} is no option"


def test_a_page_is_read_as_files_commands_and_what_they_print() -> None:
    page = (
        "`a/b.yml`, a file:\n\n```yaml\nx: 1\n```\n\n"
        "```console\n$ first 'a \\\n>   b'\nsaid\n$ second\n```\n\n```console refused\n$ third\nno\n```\n"
    )

    assert list(steps_of(page)) == [
        Written(path="a/b.yml", text="x: 1\n"),
        Typed(command="first 'a \\\n  b'", shown="said"),
        Typed(command="second", shown=""),
        BlockEnd(),
        Typed(command="third", shown="no", is_refused=True),
        BlockEnd(),
    ]


def test_what_differs_from_run_to_run_does_not_count_and_all_else_does() -> None:
    shown = "built in 3 s (12.5 MiB), 2 services"

    assert difference("x", shown, "built  in 71 ms (9 B), 2 services\n") == []
    assert difference("x", shown, "built in 3 s (12.5 MiB), 3 services\n") != []
    assert difference("x", "", "a warning\n") != []
