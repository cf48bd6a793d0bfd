"""What a script would write and do is found out without running it."""

import gc
import tracemalloc
from collections.abc import Mapping

import pytest

from homeport.catalog.convert import script_syntax
from homeport.catalog.convert.script import MAX_BYTES, Script, read_script
from homeport.catalog.convert.words import with_variables
from homeport.errors import NotConvertibleError


def _files(text: str) -> Mapping[str, str]:
    return {path: with_variables(file.text or "?") for path, file in read_script(text).files.items()}


def _commands(script: Script) -> list[list[str]]:
    return [[with_variables(word) for word in command.words] for command in script.commands]


@pytest.mark.parametrize(
    "line",
    [
        "cat > f <<EOT",
        "cat >f <<'EOT'",
        'cat <<"EOT" > f',
        "cat <<\\EOT >| f",
        "cat <<EOT | tee f",
        "cat <<EOT | sudo tee f > /dev/null",
        "tee f <<EOT",
        "sudo -u root tee f >/dev/null <<EOT",
        "cat <<EOT > WEBAPP_PATH/f",
        'cat <<EOT > "$PWD/f"',
        "cat > f <<EOT && chmod 600 f",
        "cat > f <<EOT || exit 1",
        "cat \\\n  > f <<EOT",
    ],
)
def test_a_here_document_is_the_file_that_it_is_written_to(line: str) -> None:
    assert _files(f"{line}\n\n  a: 1\n  # b\nEOT\necho done\n") == {"f": "\n  a: 1\n  # b\n"}


def test_tabs_go_from_a_here_document_with_a_dash_only() -> None:
    assert _files("cat <<-E > f\n\t\ta\n\t  b\n\tE\n") == {"f": "a\n  b\n"}
    assert _files("cat <<E > f\n\ta\nE\n") == {"f": "\ta\n"}


def test_a_quoted_delimiter_leaves_everything_as_it_stands() -> None:
    text = "$A ${B} \\$C `date` $(date) \\\\\n"

    assert _files(f"A=1\ncat <<'E' > f\n{text}E\n") == {"f": text}


def test_bash_expands_what_stands_after_a_plain_delimiter() -> None:
    body = "$A ${A} ${B:-two} ${A:+three} \\$A \\` \\\\ \\n \"$A\" '$A' ${A}x \\\nnext $ 5"

    assert _files(f"A=1\ncat <<E > f\n{body}\nE\n")["f"] == (
        "1 1 two three $A ` \\ \\n \"1\" '1' 1x next $ 5\n"
    )


def test_what_only_running_would_tell_is_marked_and_said() -> None:
    script = read_script("P=$(openssl rand -hex 4)\ncat <<E > f\n$P\n$Q\n`date`\nE\n")

    assert with_variables(script.files["f"].text or "") == "$P\n$Q\n$VALUE_OF_LINE_5\n"
    assert script.unknown["P"] == (1, "$(openssl rand -hex 4)")
    assert script.unknown["VALUE_OF_LINE_5"] == (5, "$(date)")


@pytest.mark.parametrize(
    "command", ["$(pwd)", "`pwd`", '$(dirname "$0")', '$(cd "$(dirname "$0")" && pwd)', "$PWD"]
)
def test_where_a_script_runs_is_known(command: str) -> None:
    assert _files(f'echo "{command}" > f\n') == {"f": "WEBAPP_PATH\n"}


def test_lines_are_added_to_files() -> None:
    script = "echo A=1 > .env\necho 'B=$x' >> .env\nprintf 'C=%s\\n' 2 3 >> .env\necho -e 'D\\tE' >> .env\n"

    assert _files(script) == {".env": "A=1\nB=$x\nC=2\nC=3\nD\tE\n"}


def test_a_group_of_commands_writes_one_file() -> None:
    assert _files("{ echo a; cat <<E\nb\nE\n} > f\n(echo c; echo d) >> f\n") == {"f": "a\nb\nc\nd\n"}


def test_folders_are_followed() -> None:
    script = read_script("cd WEBAPP_PATH/sub\necho x > a\ncd ..\necho y > ./b\ncd /etc\necho z > c\n")

    assert set(script.files) == {"sub/a", "b", "/etc/c"}


def test_loops_functions_and_both_branches_are_read() -> None:
    script = read_script(
        "put() { echo $1=$2 >> f; }\nput a 1\nfor n in b c; do put $n 2; done\n"
        "if [ -f x ]; then put d 3; else put e 4; fi\ncase $x in y) put g 5;; esac\n"
    )

    assert script.files["f"].text == "a=1\nb=2\nc=2\nd=3\ne=4\ng=5\n"
    assert script.files["f"].is_conditional


def test_words_are_taken_apart_as_bash_does() -> None:
    script = read_script(
        'O="-p 1:2  -v \'x\'"\nsudo -E docker run $O "$O" a\'b "c\'"d\\"" \\\n  $\'e\\n\' -e X="$N" \'\'\n'
    )

    assert _commands(script) == [
        ["docker", "run", "-p", "1:2", "-v", "'x'", "-p 1:2  -v 'x'", 'ab "cd"', "e\n", "-e", "X=$N", ""]
    ]


def test_several_assignments_may_stand_in_one_line() -> None:
    assert _files("A=1 B=2; echo $A$B > f\n") == {"f": "12\n"}


def test_arguments_of_a_function_end_with_it() -> None:
    script = "in() { echo $1$# >> f; }\nout() { in x y; echo $1$# >> f; }\nout a\n"

    assert _files(script) == {"f": "x2\na1\n"}


def test_the_users_folder_is_known_in_paths_alone() -> None:
    script = read_script("cd $HOME/a\necho x > b\necho $HOME > ~/c\ncd\npwd > d\necho $PWD >> d\n")

    assert set(script.files) == {"~/a/b", "~/c", "~/d"}
    assert with_variables(script.files["~/c"].text or "") == "$HOME\n"


def test_a_command_says_its_line_and_how_it_stood() -> None:
    (command,) = read_script("\n\nmkdir -p \\\n   a  \\\n  b\n").commands

    assert (command.line, command.text) == (3, "mkdir -p a b")


def test_what_another_program_prints_into_a_file_is_not_known() -> None:
    assert read_script("wget -O- x > f\n").files["f"].text is None
    assert read_script("cat > g\n").files["g"].text is None


@pytest.mark.parametrize("text", ["echo a\ncat > f <<E\nb\n", "echo a\ncat <<E > f\n"])
def test_a_here_document_that_is_not_closed_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(NotConvertibleError) as caught:
        read_script(text)

    assert caught.value.facts["line"] == 2
    assert "Put E on a line of its own" in caught.value.remedy


@pytest.mark.parametrize(
    "text",
    [
        "#" * (MAX_BYTES + 1),
        "A=aaaaaaaaaaaaaaaa\n" + "A=$A$A\n" * 40,
        "A=a\n" + "A+=$A\n" * 40,
        "f() { f; f; f; f; f; f; f; f; f; }\nf\n",
        "for a in 1 2 3 4 5 6 7 8 9; do " * 7 + "ls; " + "done; " * 7,
        "echo a\n" * 60_000,
        "if a; then " * 500 + "b; " + "fi; " * 500,
        "".join(f"echo $(a {number}) >> f\n" for number in range(1_000)),
        f"for a in {'x ' * 1_000}; do cat <<E > f\n{'$a' * 80_000}\nE\ndone\n",
        f"for a in {'x ' * 1_000}; do foo '{'y' * 200_000}'; done\n",
        f"A='{'a ' * 60_000}'\n" + "echo $A\n" * 10_000,
        f"A='{'a' * 100_000}'\necho $A > f\ncat {'f ' * 50_000}\n",
    ],
)
def test_what_grows_without_end_is_refused(text: str) -> None:
    with pytest.raises(NotConvertibleError):
        read_script(text)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 90_000,
        "$(" * 90_000,
        '"$(`' * 50_000,
        "$((" * 60_000,
        "echo ${a:-" * 5_000,
        "a \udcff\x00 b",
        "",
    ],
)
def test_what_is_no_script_has_no_files(text: str) -> None:
    assert not read_script(text).files


def test_what_is_hard_to_parse_leaves_nothing_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script_syntax, "_PARSE_SECONDS", 0.2)
    _refused("<" * 60_000)  # what stays from now on is what would stay every time
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]

    _refused("<" * 60_000)

    gc.collect()
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert after - before < 100_000


def _refused(text: str) -> None:
    with pytest.raises(NotConvertibleError):
        read_script(text)


def test_what_is_hard_to_parse_is_given_up() -> None:
    with pytest.raises(NotConvertibleError, match="cannot be read"):
        read_script("a=(b)<>|&; " * 20_000)
