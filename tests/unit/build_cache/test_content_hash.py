from hypothesis import given
from hypothesis import strategies as st

from build_cache.content_tag import ContextEntry, hash_content

ENTRY = ContextEntry(path="a", mode=0o100644, content=[b"one"])


def test_where_a_file_s_pieces_are_cut_does_not_matter() -> None:
    cut = ContextEntry(path="a", mode=0o100644, content=[b"o", b"ne"])

    assert hash_content([cut], b"FROM x", {}) == hash_content([ENTRY], b"FROM x", {})


def test_path_mode_content_dockerfile_and_arguments_each_change_the_hash() -> None:
    hashes = [
        hash_content([ENTRY], b"FROM x", {}),
        hash_content([ContextEntry(path="b", mode=0o100644, content=[b"one"])], b"FROM x", {}),
        hash_content([ContextEntry(path="a", mode=0o100755, content=[b"one"])], b"FROM x", {}),
        hash_content([ContextEntry(path="a", mode=0o100644, content=[b"two"])], b"FROM x", {}),
        hash_content([ENTRY], b"FROM y", {}),
        hash_content([ENTRY], b"FROM x", {"A": "1"}),
        hash_content([ENTRY], b"FROM x", {"A": "2"}),
        hash_content([], b"FROM x", {}),
    ]

    assert len(set(hashes)) == len(hashes)


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=5))
def test_the_order_of_arguments_does_not_matter(args: dict[str, str]) -> None:
    turned = dict(reversed(list(args.items())))

    assert hash_content([], b"", args) == hash_content([], b"", turned)


@given(st.text(max_size=5), st.text(max_size=5), st.text(max_size=5), st.text(max_size=5))
def test_arguments_that_only_run_together_the_same_differ(a: str, b: str, c: str, d: str) -> None:
    assert (hash_content([], b"", {a: b}) == hash_content([], b"", {c: d})) == ((a, b) == (c, d))
