"""Words of published lines are those that bash would hand over; what it would look up is left open."""

import pytest

from homeport.catalog.convert.ansi_quotes import read_ansi
from homeport.catalog.convert.shell_line import ShellCommand, read_commands


def command_of(text: str) -> ShellCommand:
    (command,) = read_commands(text)
    return command


@pytest.mark.parametrize(
    ("written", "word"),
    [
        (r'"users=admin:\$apr1\$H6uskkkW\$IgX/"', "users=admin:$apr1$H6uskkkW$IgX/"),
        (r'"a\`b\`"', "a`b`"),
        (r'"a\"b\\c\d"', 'a"b\\c\\d'),
        ('"a\\\nb"', "ab"),
        (r"\$a\`b", "$a`b"),
        (r"'a\$b`c`\\'", r"a\$b`c`\\"),
        (r'"C:\\dir"', r"C:\dir"),
        (r'"C:\dir"', r"C:\dir"),
        (r"A=C:\dir", r"A=C:\dir"),
        (r"A=C:\\dir", r"A=C:\dir"),
        (r"$'x\ny'", "x\ny"),
        (r"A=$'it\'s'b", "A=it'sb"),
        ('$"hello"', "hello"),
        ("'a \t  b'", "a \t  b"),
    ],
)
def test_quotes_and_escapes_are_read_as_bash_reads_them(written: str, word: str) -> None:
    assert command_of(f"docker {written}").words == ("docker", word)


@pytest.mark.parametrize(
    ("inner", "text"),
    [
        (r"a\tb\nc\\d\'e\"f\?", "a\tb\nc\\d'e\"f?"),
        (r"\x41\x2f\101\60", "A/A0"),
        (r"\xc3\xa9\u00e9\U0001F433", "éé🐳"),
        (r"\cA\e\E\a\b\f\v\r", "\x01\x1b\x1b\a\b\f\v\r"),
        (r"\q\xz", r"\q\xz"),
        (r"a\0b", "a"),
        (r"\ud800\UFFFFFFFF\ue000", "???"),
        (r"\xff", "\ufffd"),
    ],
)
def test_escapes_in_ansi_c_quotes_are_what_bashs_manual_says(inner: str, text: str) -> None:
    assert read_ansi(inner) == text


@pytest.mark.parametrize("source", [r"C:\x\y", r"C:\x", r"d:\my.files"])
@pytest.mark.parametrize(
    "flag",
    [
        "-v {}:/d",
        "-v={}:/d",
        "-dv {}:/d",
        "--volume {}:/d",
        "--volume={}:/d",
        "--mount type=bind,source={},target=/d",
    ],
)
def test_a_drive_that_is_mounted_from_has_slashes(flag: str, source: str) -> None:
    words = command_of(f"docker run {flag.format(source)}").words

    assert source.replace("\\", "/") in " ".join(words)


@pytest.mark.parametrize(
    "written", ["$HOME/x", "${HOME}/x", '"$HOME"/x', "%USERPROFILE%/x", "${HOME:-/root}/x"]
)
def test_the_users_folder_is_known_in_paths_alone(written: str) -> None:
    command = command_of(f"docker {written}")

    assert command.is_open(command.words[1])
    assert command.placed(command.words[1]) == "~/x"
    assert command.shown(command.words[1]) == written.replace('"', "")


@pytest.mark.parametrize("written", ["$PWD/x", "$(pwd)/x", "`pwd`/x", '"`pwd`/x"', "%cd%/x", '"${PWD}"/x'])
def test_the_folder_that_a_command_runs_in_is_known_in_paths_alone(written: str) -> None:
    command = command_of(f"docker {written}")

    assert command.is_open(command.words[1])
    assert command.placed(command.words[1]) == "./x"


def test_what_a_command_within_double_quotes_prints_is_left_open() -> None:
    command = command_of('docker "a`date`b" "it`s"')

    assert [command.shown(word) for word in command.words] == ["docker", "a`date`b", "it`s"]
    assert [command.is_open(word) for word in command.words] == [False, True, False]


@pytest.mark.parametrize(
    "text",
    [
        "docker run \\\n a",
        "docker run \\   \n\ta",
        "docker run `\n a",
        "docker run ^ # here\n a",
        "docker run \\\n# one\n  # two\na",
        "docker run\\\n a",
        "docker   run  \t a",
    ],
)
def test_a_line_goes_on_behind_the_sign_of_any_shell(text: str) -> None:
    assert command_of(text).words == ("docker", "run", "a")


@pytest.mark.parametrize("text", ["docker run a # b", "docker run a  #b ^# c", "docker run a\t#"])
def test_a_comment_at_the_end_is_no_word(text: str) -> None:
    assert command_of(text).words == ("docker", "run", "a")


def test_of_a_text_with_fences_the_blocks_with_commands_are_read() -> None:
    text = (
        "docker in prose\n```sh\ndocker run a\n```\n~~~\nls\n~~~\n"
        "  ```\n  docker run b\n  ```  \n```\ndocker run c"
    )

    commands = read_commands(text)

    assert [(command.line, command.words[-1]) for command in commands] == [(3, "a"), (9, "b")]
