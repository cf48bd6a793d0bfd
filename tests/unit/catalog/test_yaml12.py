from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from homeport.catalog.yaml12 import MAX_BYTES, MAX_DEPTH, MAX_NODES, dump_yaml, key_text, load_yaml
from homeport.errors import DefinitionInvalidError, Finding

# What the loader refuses everywhere: NUL, half surrogate pairs.
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=30)
TRICKY = st.sampled_from(
    [
        "no", "yes", "on", "Off", "y", "N", "~", "null", "TRUE", "", " ", "0755", "0o17", "0x1F",
        "1e3", "1_000", "+1", "-", "=", "<<", "2224:22", "22:22:22", "2001-01-01", ".5", ".inf",
        ".NaN", "a: b", "a #b", "a:", "- a", "? a", "a\nb", "a\n\nb\n", " lead\nb", "trail \nb",
        "\n", "\ta", "a\t", "%a", "@a", "`a", "!a", "&a", "*a", "{a", "[a", "---", "...", "'a",
        '"a', "\x85", "\u2028", "\ufeff", "é", "\U0001f600", "a\r\nb", "$$HOME",
        "/etc/localtime:/etc/localtime:ro", "0b11", "1.", "08",
    ]
)  # fmt: skip
SCALARS = (
    TEXT
    | TRICKY
    | st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
)
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT | TRICKY, inner, max_size=4),
    max_leaves=12,
)


def load(text: str) -> Any:
    return load_yaml(text.encode(), file="x.yml").value


def refused(text: str | bytes) -> Finding:
    with pytest.raises(DefinitionInvalidError) as caught:
        load_yaml(text.encode() if isinstance(text, str) else text, file="x.yml")
    (finding,) = caught.value.findings
    assert finding.file == "x.yml"
    return finding


def same(left: Any, right: Any) -> bool:
    """Equal in type too: 1, 1.0 and True are three things."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)


@given(DOCUMENTS)
def test_what_is_dumped_is_loaded_the_same(value: Any) -> None:
    assert same(load(dump_yaml(value)), value)


@given(DOCUMENTS)
def test_what_is_dumped_reads_the_same_by_yaml_1_1(value: Any) -> None:
    assert same(yaml.safe_load(dump_yaml(value)), value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2224:22", "2224:22"),
        ("22:22", "22:22"),
        ("1:30", "1:30"),
        ("0755", "0755"),
        ("-0755", "-0755"),
        ("08", "08"),
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("y", "y"),
        ("0o755", 493),
        ("0x1F", 31),
        ("0b11", "0b11"),
        ("1_000", "1_000"),
        ("2001-01-01", "2001-01-01"),
        ("755", 755),
        ("+5", 5),
        ("0", 0),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("true", True),
        ("False", False),
        ("~", None),
        ("Null", None),
        ("", None),
        ("'5'", "5"),
        ('"true"', "true"),
        ("''", ""),
        ("! 5", "5"),
        ("!!str 5", "5"),
        ("!!int 5", 5),
        ("-", [None]),
    ],
)
def test_scalars_follow_the_core_schema_and_keep_their_text_where_readers_differ(
    text: str, value: Any
) -> None:
    assert same(load(text), value)


def test_an_empty_file_is_null() -> None:
    assert load("") is None
    assert load("# only words\n") is None


def test_lines_are_known_for_every_key_and_item() -> None:
    document = load_yaml(b"a:\n  b:\n    - 1\n    - c: 2\n  'd':\n    5\n", file="x.yml")

    assert document.line_of(()) == 1
    assert document.line_of(("a", "b")) == 2
    assert document.line_of(("a", "b", 1)) == 4
    assert document.line_of(("a", "b", 1, "c")) == 4
    assert document.line_of(("a", "d")) == 5
    assert document.line_of(("a", "missing", "deeper")) == 1


def test_key_paths_read_as_people_write_them() -> None:
    assert key_text(("services", "web", "ports", 0)) == "services.web.ports[0]"
    assert key_text(()) == "document"


def test_merge_keys_merge_and_own_keys_win() -> None:
    text = "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc: {<<: [*a, *b], z: 3}\nd:\n  y: 0\n  <<: *a\n"

    assert load(text)["c"] == {"z": 3, "x": 1, "y": 1}
    assert load(text)["d"] == {"y": 0, "x": 1}


def test_a_quoted_merge_key_is_a_key() -> None:
    assert load("{'<<': 1}") == {"<<": 1}


def test_aliases_are_written_out_and_share_nothing() -> None:
    value = load("a: &a [1]\nb: *a\n")

    value["a"].append(2)
    assert value["b"] == [1]


@pytest.mark.parametrize(
    ("text", "rule", "line", "key"),
    [
        ("a: 1\nb: 2\na: 3\n", "yaml-duplicate-key", 3, "a"),
        ("x:\n  a: 1\n  'a': 3\n", "yaml-duplicate-key", 3, "x.a"),
        ("a: !custom 1\n", "yaml-tag", 1, "a"),
        ("a: !!python/object:os.system x\n", "yaml-tag", 1, "a"),
        ("a: !!int x\n", "yaml-tag", 1, "a"),
        ("a: !reset []\n", "yaml-tag", 1, "a"),
        ("a: !!set {x}\n", "yaml-tag", 1, "a"),
        ("a: 1\n---\nb: 2\n", "yaml-documents", 2, "document"),
        ("%YAML 1.1\n---\na: 1\n", "yaml-directive", 1, "document"),
        ("%TAG ! tag:x,2000:\n---\na: 1\n", "yaml-directive", 1, "document"),
        ("a: *nowhere\n", "yaml-alias", 1, "a"),
        ("a: &a [*a]\n", "yaml-alias", 1, "a[0]"),
        ("1: x\n", "yaml-key", 1, "document"),
        ("a:\n  true: x\n", "yaml-key", 2, "a"),
        ("? [a]\n: x\n", "yaml-key", 1, "document"),
        ("a:\n  <<: 5\n", "yaml-merge", 2, "a.<<"),
        ("a: .inf\n", "yaml-number", 1, "a"),
        ("a: 1e999\n", "yaml-number", 1, "a"),
        ("a: 18446744073709551616\n", "yaml-number", 1, "a"),
        ("a: " + "9" * 100_000 + "\n", "yaml-number", 1, "a"),
        ('a: "\\0"\n', "yaml-character", 1, "a"),
        ("a: b\u2028c\n", "yaml-character", 1, "document"),
        ("a: b\n\tc: d\n", "yaml-syntax", 2, "document"),
        ("a: [1, 2\nb: 3\n", "yaml-syntax", 2, "document"),
        ("a: 'x\nb: y\n", "yaml-syntax", 1, "document"),
        ("a: 1\nb: [\n\n", "yaml-syntax", 2, "document"),
        ("a: \x07\n", "yaml-syntax", 1, "document"),
    ],
)
def test_what_breaks_a_rule_is_refused_with_its_place(text: str, rule: str, line: int, key: str) -> None:
    finding = refused(text)

    assert (finding.rule, finding.line, finding.key) == (rule, line, key)
    assert finding.what
    assert finding.remedy


def test_a_tab_for_indentation_is_named() -> None:
    assert "spaces" in refused("a:\n\tb: 1\n").remedy


@pytest.mark.parametrize(
    "raw",
    [
        "a: 1".encode("utf-16"),
        "a: 1".encode("utf-16-be"),
        b"\xef\xbb\xbfa: 1",
        b"a: 1\nb: \xff\n",
        b"a: \x00",
    ],
)
def test_only_utf_8_without_a_mark_is_read(raw: bytes) -> None:
    assert refused(raw).rule == "yaml-encoding"


def test_a_file_above_the_bound_is_refused_unparsed() -> None:
    assert refused(b"#" * (MAX_BYTES + 1)).rule == "yaml-too-large"
    assert load_yaml(b"#" * MAX_BYTES, file="x.yml").value is None


def test_nesting_is_bounded_also_through_aliases() -> None:
    assert load("[" * MAX_DEPTH + "]" * MAX_DEPTH) is not None
    assert refused("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1)).rule == "yaml-too-deep"
    for opened in ("[", "- ", "{a: "):
        assert refused(opened * (900_000 // len(opened))).rule == "yaml-too-deep"
    half = "[" * 20 + "]" * 20
    assert refused(f"a: &a {half}\nb: {'[' * 20}*a{']' * 20}\n").rule == "yaml-too-deep"


def test_nodes_are_counted_after_alias_expansion_without_expanding() -> None:
    bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
    )

    finding = refused(bomb)

    assert finding.rule == "yaml-too-many-nodes"
    assert finding.line == 5  # 10 + 91 + 820 + 7,381 nodes fit, 9 x 7,381 do not


def test_merges_count_as_nodes() -> None:
    wide = "a: &a {" + ", ".join(f"k{n}: 1" for n in range(2000)) + "}\n"

    assert refused(wide + "b: {<<: [*a, *a, *a, *a]}\n").rule == "yaml-too-many-nodes"


def test_plain_node_count_is_bounded() -> None:
    assert len(load("[" + "1," * (MAX_NODES - 1) + "]")) == MAX_NODES - 1
    assert refused("[" + "1," * MAX_NODES + "]").rule == "yaml-too-many-nodes"


def test_dump_is_readable_where_it_can_be() -> None:
    value = {"image": "debian:bookworm-slim", "ports": ["2224:22"], "restart": "no", "script": "a\n  b\n"}

    assert dump_yaml(value) == (
        "image: debian:bookworm-slim\nports:\n  - '2224:22'\nrestart: 'no'\nscript: |\n  a\n    b\n"
    )


def test_dump_writes_no_aliases() -> None:
    shared = {"x": [1]}

    assert "&" not in dump_yaml([shared, shared])
