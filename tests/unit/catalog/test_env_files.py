import pytest

from homeport.catalog.env_files import parse_env_file
from homeport.errors import DefinitionInvalidError


def test_values_are_read_as_compose_reads_them() -> None:
    text = b"""# words
A=1
export B = two words  # not these
C='$HOME stays'
D="line\\n\\"quoted\\" \\$X" # not these
E=
F=a#b
A=2
"""

    assert parse_env_file(text, file="x.env") == {
        "A": "2",
        "B": "two words",
        "C": "$HOME stays",
        "D": 'line\n"quoted" $X',
        "E": "",
        "F": "a#b",
    }


def test_a_comment_begins_behind_a_blank_alone() -> None:
    text = b"A=x#y #z #\nB=#x\nC=x\t# y\nD=#x #y\nE=x \n"

    assert parse_env_file(text, file="x.env") == {"A": "x#y", "B": "#x", "C": "x", "D": "#x", "E": "x"}


def test_literal_values_are_taken_as_they_stand() -> None:
    assert parse_env_file(b"A='$X' # y\n", file="x.env", literal=True) == {"A": "'$X' # y"}


@pytest.mark.parametrize(
    ("text", "rule", "line"),
    [
        (b"A=1\nHOME\n", "env-file", 2),
        (b"A=${HOME}\n", "interpolation", 1),
        (b'\n\nA="$HOME"\n', "interpolation", 3),
        (b"A='x\n", "env-file", 1),
        (b'A="x\n', "env-file", 1),
        (b"1A=x\n", "env-file", 1),
        (b"root:x:0:0:root:/root:/bin/bash\n", "env-file", 1),
        (b"A=\xff\n", "env-file", 1),
    ],
)
def test_what_would_come_from_the_host_or_is_no_line_is_refused(text: bytes, rule: str, line: int) -> None:
    with pytest.raises(DefinitionInvalidError) as caught:
        parse_env_file(text, file="x.env")

    (finding,) = caught.value.findings
    assert (finding.file, finding.rule, finding.line) == ("x.env", rule, line)
