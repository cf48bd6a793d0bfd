"""Variables and quotes mean what they mean to BuildKit (the cases of its own `frontend/dockerfile/shell`)."""

import pytest

from homeport.catalog.dockerfile.shell_words import DEEPEST_NESTING, ShellError, substitute, words_of

VALUES = {"NAME": "blog", "EMPTY": "", "KEPT": "${X%y}"}


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("hello", "hello"),
        ("he'll'o", "hello"),
        ("he'll\\'o", "hell\\o"),
        ("he\\'llo", "he'llo"),
        ('"a $NAME b"', "a blog b"),
        ("'$NAME'", "$NAME"),
        ("\\$NAME", "$NAME"),
        ("a\\", "a"),
        ("$", "$"),
        ("$NAME-x", "blog-x"),
        ("$NONE", ""),
        ("${NAME}x", "blogx"),
        ("${NONE:-a}", "a"),
        ("${EMPTY:-a}", "a"),
        ("${EMPTY-a}", ""),
        ("${NAME:+a}", "a"),
        ("${NONE+a}", ""),
        ("${NONE:-${NAME}}", "blog"),
        ("${NONE:-${NONE:-'a}'}}", "a}"),
        ('${NONE:-"a b"}', "a b"),
        ("${NONE:-a\\}}", "a}"),
        ("${NAME:?why}", "blog"),
        ("${NAME%og}/x", "${NAME%og}/x"),
        ("${NAME//o/a}", "${NAME//o/a}"),
        ("${NONE#x}", ""),
        ("${KEPT:-a}", "${KEPT:-a}"),
        ("${NONE:?why}", None),
        ("${NAME", None),
        ("${}", None),
        ("${{NAME}}", None),
        ("${NAME^^}", None),
        ('"open', None),
    ],
)
def test_a_text_is_replaced_as_buildkit_does_it_or_left_where_that_refuses_it(
    text: str, result: str | None
) -> None:
    assert substitute(text, VALUES) == (text if result is None else result)


def test_another_escape_character_leaves_the_usual_one_alone() -> None:
    assert substitute("a\\b`$NAME`", VALUES, "`") == "a\\b$NAME"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("RUN a 'b c' \"d e\"f", ["RUN", "a", "'b c'", '"d e"f']),
        ("RUN a\\ b $C ${D:-e f}", ["RUN", "a\\ b", "$C", "${D:-e", "f}"]),
        ("RUN cat << EOF", ["RUN", "cat", "<< EOF"]),
        ("RUN a 'b", []),
    ],
)
def test_words_end_at_blanks_outside_of_quotes(line: str, words: list[str]) -> None:
    assert words_of(line) == words


def test_what_only_a_machine_would_write_is_refused() -> None:
    deepest = "${A:-" * DEEPEST_NESTING + "}" * DEEPEST_NESTING

    assert substitute(deepest, {}) == ""
    with pytest.raises(ShellError):
        substitute(f"${{A:-{deepest}}}", {})
    with pytest.raises(ShellError):
        substitute("$A" * 2000, {"A": "x" * 1000})
