from hypothesis import given
from hypothesis import strategies as st

from build_cache.content_tag import ContextEntry, hash_content

ENTRY = ContextEntry(path="a", mode=0o100644, content=[b"one"])


def test_where_a_file_s_pieces_are_cut_does_not_matter() -> None:
    cut = ContextEntry(path="a", mode=0o100644, content=[b"o", b"ne"])

    assert hash_content([cut], b"FROM x") == hash_content([ENTRY], b"FROM x")


def test_path_mode_content_dockerfile_and_arguments_each_change_the_hash() -> None:
    hashes = [
        hash_content([ENTRY], b"FROM x"),
        hash_content([ContextEntry(path="b", mode=0o100644, content=[b"one"])], b"FROM x"),
        hash_content([ContextEntry(path="a", mode=0o100755, content=[b"one"])], b"FROM x"),
        hash_content([ContextEntry(path="a", mode=0o100644, content=[b"two"])], b"FROM x"),
        hash_content([ENTRY], b"FROM y"),
        hash_content([ENTRY], b"FROM x", [("arg", "A", "1")]),
        hash_content([ENTRY], b"FROM x", [("arg", "A", "2")]),
        hash_content([ENTRY], b"FROM x", [("label", "A", "2")]),
        hash_content([], b"FROM x"),
    ]

    assert len(set(hashes)) == len(hashes)


SETTLED = st.tuples(st.text(max_size=5), st.text(max_size=5), st.text(max_size=5))


@given(st.lists(SETTLED, max_size=5))
def test_the_order_of_what_is_settled_does_not_matter(settled: list[tuple[str, str, str]]) -> None:
    assert hash_content([], b"", settled) == hash_content([], b"", settled[::-1])


@given(SETTLED, SETTLED)
def test_what_only_runs_together_the_same_differs(
    one: tuple[str, str, str], other: tuple[str, str, str]
) -> None:
    assert (hash_content([], b"", [one]) == hash_content([], b"", [other])) == (one == other)
