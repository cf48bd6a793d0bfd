"""What reads other people's text never fails otherwise than with an error of its own, and never for long."""

import gzip
import io
import os
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from hypothesis import assume, example, given
from hypothesis import strategies as st

from homeport.catalog.archive import survey_archive
from homeport.catalog.definition import parse_definition
from homeport.catalog.env_files import parse_env_file
from homeport.catalog.policy import judge_compose
from homeport.catalog.policy_rules import ALLOWED
from homeport.catalog.reader import read_definition
from homeport.catalog.schema import check_schema
from homeport.catalog.yaml12 import MAX_DEPTH, MAX_NODES, dump_yaml, load_yaml
from homeport.errors import (
    ArchiveRefusedError,
    CatalogUnavailableError,
    DefinitionInvalidError,
    HomeportError,
    PolicyRefusedError,
)
from homeport.permissions import Permission, PermissionKind, parse_permissions
from homeport.placeholders import ORDER, replace_in_tree, replace_placeholders
from tests.harness.attacks import load_corpus
from tests.harness.fuzz import (
    TEXTS,
    VALUES,
    WRITABLE,
    changed,
    check_findings,
    check_words,
    fuzz,
    services,
    written,
)
from workers.catalogs.index import _parse as parse_index


def walk(value: Any, depth: int = 1) -> Iterator[int]:
    yield depth
    if isinstance(value, dict):
        for inner in value.values():
            yield depth  # the key
            yield from walk(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            yield from walk(inner, depth + 1)


ATTACKED_FILES: Final = [
    text
    for attack in load_corpus()
    for name, form, text in attack.blocks
    if name.endswith(".yml") and not form
]


@fuzz(400)
@given(st.one_of(st.binary(max_size=300), TEXTS.map(lambda text: text.encode("utf-8", "surrogatepass"))))
@example(b"&a [*a]")
@example(b"? ? ? ?")
@example(b"{" * 2000)
@example(b"- " * 2000)
@example(b"a: &a\n  <<: *a\n")
@example(b"[" + b"*a," * 5000 + b"]")
@example(b"!" + b"<" * 3000)
@example(b'"' + b"\\x41" * 9000 + b'"')
def test_any_bytes_are_one_bounded_document_or_refused_by_line(raw: bytes) -> None:
    check_document(raw)


@fuzz(300)
@given(data=st.data())
def test_hostile_files_with_something_changed_are_bounded_documents_or_refused(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(ATTACKED_FILES).filter(lambda text: len(text) < 20_000).flatmap(changed))

    check_document(text.encode("utf-8", "surrogatepass"))


def check_document(raw: bytes) -> None:
    try:
        document = load_yaml(raw, file="x.yml")
    except DefinitionInvalidError as error:
        check_findings(error.findings)
        return
    depths = list(walk(document.value))
    assert len(depths) <= MAX_NODES
    assert max(depths) <= MAX_DEPTH
    again = load_yaml(dump_yaml(document.value).encode(), file="again.yml")
    assert repr(again.value) == repr(document.value)


APP_KEYS: Final = (
    "name", "title", "version", "description", "compose", "web", "images", "data", "limits", "permissions",
    "main", "settings", "logs_may_leave", "service", "port", "path", "health", "context", "dockerfile",
    "args", "target", "contexts", "cpus", "memory", "pids", "disk", "services", "default", "build",
    "required",
)  # fmt: skip
APP_VALUES: Final = st.recursive(
    st.one_of(
        VALUES, st.sampled_from(["wiki", "web", 80, "1.0", ".", "./web", "512M", "privileged", "bind:/srv"])
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(APP_KEYS), inner, max_size=6)
    ),
    max_leaves=12,
)


@fuzz(200)
@given(st.dictionaries(st.sampled_from(APP_KEYS[:13]), APP_VALUES, max_size=8))
def test_any_app_yml_is_a_definition_or_refused_with_findings(given: dict[str, Any]) -> None:
    sound = {"name": "wiki", "title": "Wiki", "version": "1"}
    try:
        definition = parse_definition(load_yaml(written({**sound, **given}), file="app.yml"))
    except DefinitionInvalidError as error:
        check_findings(error.findings)
        return
    parse_permissions(definition.permissions)
    assert definition.title.isprintable()
    assert all(not path.startswith("/") and ".." not in path.split("/") for path in definition.data)


@fuzz(400)
@given(
    services(),
    st.dictionaries(st.sampled_from(sorted(ALLOWED["file"] - {"services"})), VALUES, max_size=2),
)
def test_the_policy_judges_whatever_has_the_shape_of_a_compose_file(
    service: dict[str, Any], more: dict[str, Any]
) -> None:
    try:
        document = load_yaml(written({**more, "services": {"web": service}}), file="compose.yml")
    except DefinitionInvalidError:
        return
    findings = check_schema(document)
    check_findings(findings)
    if not findings:
        judgement = judge_compose(document.value, lines=document.line_of, file=document.file)
        check_findings(judgement.findings)
        check_findings([need.finding for need in judgement.needs])
        assert all(Permission.parse(str(need.permission)) == need.permission for need in judgement.needs)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@fuzz(120)
@given(services(sound=True))
def test_what_is_accepted_needs_exactly_what_it_declares(folder: Path, service: dict[str, Any]) -> None:
    (folder / "docker-compose.yml").write_bytes(written({"services": {"web": service}}))
    needed = undeclared(folder)
    still = undeclared(folder, *(needed or ()))
    assume(
        needed is not None and still is not None
    )  # neither refused at once, nor by what is looked at later
    assert needed is not None

    assert still == []
    declare(folder, *needed)
    assert sorted(str(permission) for permission in read_definition(folder).permissions) == sorted(needed)
    for text in needed:
        assert undeclared(folder, *(other for other in needed if other != text)) == [text]
    declare(folder, *needed, "capability:SYS_BOOT")
    with pytest.raises(DefinitionInvalidError) as caught:
        read_definition(folder)
    assert {finding.rule for finding in caught.value.findings} == {"permission-unused"}


def undeclared(folder: Path, *declared: str) -> list[str] | None:
    """The permissions that are missing; None where the definition is refused for something else."""
    declare(folder, *declared)
    try:
        read_definition(folder)
    except (PolicyRefusedError, DefinitionInvalidError) as error:
        if {finding.rule for finding in error.findings} != {"permission-undeclared"}:
            return None
        said = (finding.remedy.partition("`- ")[2].partition("`")[0] for finding in error.findings)
        return list(dict.fromkeys(said))
    return []


def declare(folder: Path, *permissions: str) -> None:
    app = {"name": "wiki", "title": "W", "version": "1", "web": {"service": "web", "port": 80}}
    (folder / "app.yml").write_bytes(written({**app, "permissions": list(permissions)}))


@fuzz(500)
@given(
    st.one_of(
        TEXTS,
        st.tuples(st.sampled_from(list(PermissionKind)), TEXTS).map(lambda pair: f"{pair[0]}:{pair[1]}"),
    )
)
@example("bind:/srv")
@example("port:053")
@example("capability:cap_sys_admin")
def test_any_text_is_a_permission_that_is_written_in_one_way_or_none(text: str) -> None:
    try:
        permission = Permission.parse(text)
    except ValueError:
        return
    assert Permission.parse(str(permission)) == permission
    assert str(permission).isprintable()
    assert permission.covers(permission)
    if permission.kind is PermissionKind.BIND:
        assert permission.path == os.path.realpath(permission.path) or not {".", ".."} & {
            *permission.path.split("/")
        }
        assert "//" not in permission.path


@fuzz(300)
@given(
    TEXTS,
    st.fixed_dictionaries(
        {name: st.sampled_from(["35001", "/srv/a", "wiki", "wiki.home"]) for name in ORDER}
    ),
)
def test_placeholders_are_replaced_once_and_everywhere(text: str, values: dict[str, str]) -> None:
    replaced = replace_placeholders(text, values)

    assert replace_placeholders(replaced, values) == replaced
    assert replace_placeholders(text, {}) == text
    assert replace_in_tree([{text: text}, 1, None], values) == [{replaced: replaced}, 1, None]


@fuzz(300)
@given(
    st.one_of(
        st.binary(max_size=200), st.lists(WRITABLE, max_size=5).map(lambda lines: "\n".join(lines).encode())
    ),
    st.booleans(),
)
def test_any_file_of_variables_is_read_or_refused_by_line(raw: bytes, literal: bool) -> None:
    try:
        variables = parse_env_file(raw, file="x.env", literal=literal)
    except DefinitionInvalidError as error:
        check_findings(error.findings)
        return
    assert all(name and "=" not in name for name in variables)


@fuzz(300)
@given(
    st.one_of(
        st.binary(max_size=100),
        TEXTS.map(lambda text: text.encode("utf-8", "surrogatepass")),
        st.fixed_dictionaries(
            {
                "format": st.sampled_from([1, 1, 2, "1", None]),
                "definitions": st.one_of(VALUES, st.lists(VALUES, max_size=3)),
            }
        ).map(
            lambda index: yaml.safe_dump(index, default_flow_style=True, width=10**6).encode(
                "utf-8", "replace"
            )
        ),
    )
)
@example(b"[" * 100_000)
@example(b'{"format": 1, "definitions": ' + b"[" * 100_000)
@example(b'{"format": 1' + b"0" * 100_000 + b"}")
def test_any_index_of_a_catalog_is_read_or_refused(raw: bytes) -> None:
    try:
        index = parse_index(raw, "https://catalog.example/index.json")
    except CatalogUnavailableError as error:
        check_words(error)
        return
    assert index.format == 1


def _archive() -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in ("app.yml", "docker-compose.yml", "web/Dockerfile", "é" * 60 + "/" + "x" * 90):
            member = tarfile.TarInfo(name)
            member.size = 20
            tar.addfile(member, io.BytesIO(b"x" * 20))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "app.yml"
        tar.addfile(link)
    return raw.getvalue()


ARCHIVE: Final = _archive()


@fuzz(300)
@given(
    st.lists(
        st.tuples(st.integers(0, len(ARCHIVE) - 1), st.binary(min_size=1, max_size=12)),
        min_size=1,
        max_size=6,
    ),
    st.integers(0, len(ARCHIVE)),
    st.booleans(),
)
def test_a_broken_archive_is_surveyed_or_refused(
    folder: Path, changes: list[tuple[int, bytes]], length: int, is_packed: bool
) -> None:
    raw = bytearray(ARCHIVE)
    for place, piece in changes:
        raw[place : place + len(piece)] = piece
        _mend_checksum(raw, place)
    content = bytes(raw[: max(length, len(raw) // 2)])
    file = folder / "archive.tar"
    file.write_bytes(gzip.compress(content, 1) if is_packed else content)

    try:
        names = survey_archive(file, max_bytes=10**6, max_files=100)
    except ArchiveRefusedError as error:
        check_words(error)
        return
    assert all(not name.startswith("/") and ".." not in name.split("/") for name in names)


def _mend_checksum(raw: bytearray, place: int) -> None:
    """Makes the header's sum right again, so that what is in it counts."""
    start = place - place % 512
    header = raw[start : start + 512]
    if header[257:262] == b"ustar":
        header[148:156] = b" " * 8
        raw[start + 148 : start + 156] = b"%06o\0 " % sum(header)


@fuzz(100)
@given(st.binary(max_size=2000))
def test_any_bytes_are_an_archive_or_refused(folder: Path, raw: bytes) -> None:
    file = folder / "archive.tar"
    file.write_bytes(raw)

    try:
        survey_archive(file, max_bytes=10**6, max_files=100)
    except HomeportError as error:
        check_words(error, ArchiveRefusedError)
