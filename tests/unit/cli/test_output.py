import io
import json

import pytest
from rich.console import Console

from homeport.cli.output import Printer, harmless, size
from homeport.errors import Problem


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("plain\ttext é", "plain\ttext é"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;a new title\x07after", "after"),
        ("\x1b]52;c;c2VjcmV0\x1b\\after", "after"),
        ("\x1bcreset", "reset"),
        ("over\rwritten\x08\x00", "overwritten"),
        ("\x9b2Jcleared", "2Jcleared"),
        ("cut off \x1b", "cut off "),
    ],
)
def test_what_steers_a_terminal_is_taken_out(written: str, shown: str) -> None:
    assert harmless(written) == shown


def test_a_problem_is_told_with_the_last_lines_that_its_reason_does_not_have(
    capsys: pytest.CaptureFixture[str],
) -> None:
    problem = Problem(
        code="build_failed",
        what="web could not be built.",
        why="Line 3 failed:\nno space",
        restored="Put back: reserve.",
        remedy="Mend line 3.",
        facts={"last_lines": ["no space", "space", "[bold]\x1b[2Jgave up"]},
    )

    Printer(is_json=False).problem(problem)

    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "error: web could not be built.",
        "  Line 3 failed:",
        "  no space",
        "  Put back: reserve.",
        "  Mend line 3.",
        "  | space",
        "  | [bold]gave up",
    ]


def test_a_problem_as_json_is_one_document_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    problem = Problem(code="taken", what="Taken.", facts={"holder": "wiki"})

    Printer(is_json=True).problem(problem)

    out, err = capsys.readouterr()
    assert out == ""
    assert json.loads(err) == {"problem": problem.as_json()}


def test_a_piped_table_is_lines_with_one_tab_between_cells(capsys: pytest.CaptureFixture[str]) -> None:
    Printer(is_json=False).table(["A", "B"], [["one", None], ["with\ttab\nand line", 2]])

    assert capsys.readouterr().out == "one\t-\nwith tab and line\t2\n"


def test_with_json_remarks_leave_standard_output_alone(capsys: pytest.CaptureFixture[str]) -> None:
    printer = Printer(is_json=True)

    printer.say("done")
    printer.foreign_line("\x1b[31mred")

    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [{"line": "\x1b[31mred"}]


@pytest.mark.parametrize(
    ("count", "text"),
    [(None, "-"), (0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (3 * 1024**4, "3.0 TiB")],
)
def test_sizes_are_in_binary_units(count: int | None, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize("width", [40, 80, 200])
def test_what_one_copies_out_of_a_table_is_whole_on_every_terminal(width: int) -> None:
    written = io.StringIO()
    printer = Printer(is_json=False)
    printer.out = Console(file=written, width=width, force_terminal=True, color_system=None, soft_wrap=True)
    job, address = "254f3f818eb84376b5aa254f3f818eb8", "http://localhost:35001/start"

    printer.table(["JOB", "WORDS", "ADDRESS"], [[job, "many words " * 9, address]], whole=["JOB", "ADDRESS"])

    line = written.getvalue().splitlines()[1]
    assert line.startswith(f"{job} ")
    assert address in line
    assert len(line.rstrip()) <= max(width, len(job) + len(address) + 6)
