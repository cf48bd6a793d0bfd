"""Which sources a catalog may have, what kind they are, and what of them is shown."""

import pytest

from homeport.catalog.addresses import hide_secrets, settle_source, shown_source
from homeport.errors import InvalidInputError
from homeport.models import CatalogKind

FOLDER, GIT, INDEX = CatalogKind.FOLDER, CatalogKind.GIT, CatalogKind.INDEX


@pytest.mark.parametrize(
    ("source", "given", "kind", "stored"),
    [
        ("/srv/apps", None, FOLDER, "/srv/apps"),
        ("/srv/apps/", None, FOLDER, "/srv/apps"),
        ("//srv//apps", None, FOLDER, "/srv/apps"),
        ("/srv/apps.git", None, GIT, "/srv/apps.git"),
        ("/srv/apps", GIT, GIT, "/srv/apps"),
        ("/srv/apps.git", FOLDER, FOLDER, "/srv/apps.git"),
        ("https://example.org/apps.git", None, GIT, "https://example.org/apps.git"),
        ("https://example.org/apps.git/", None, GIT, "https://example.org/apps.git/"),
        ("https://example.org/apps", GIT, GIT, "https://example.org/apps"),
        ("git+https://example.org/apps", None, GIT, "https://example.org/apps"),
        ("https://me:secret@example.org/apps.git", None, GIT, "https://me:secret@example.org/apps.git"),
        ("https://example.org/index.json", None, INDEX, "https://example.org/index.json"),
        (
            "https://example.org:8443/index.json?key=1",
            None,
            INDEX,
            "https://example.org:8443/index.json?key=1",
        ),
        ("https://example.org/apps", INDEX, INDEX, "https://example.org/apps"),
    ],
)
def test_a_source_has_a_kind_and_one_way_of_writing(
    source: str, given: CatalogKind | None, kind: CatalogKind, stored: str
) -> None:
    assert settle_source(source, given) == (kind, stored)


@pytest.mark.parametrize(
    ("source", "kind", "told"),
    [
        ("http://example.org/index.json", None, "changed by anybody"),
        ("git+http://example.org/apps", None, "changed by anybody"),
        ("ssh://git@example.org/apps.git", None, "no SSH key"),
        ("git+ssh://git@example.org/apps.git", None, "no SSH key"),
        ("git@example.org:apps.git", None, "no SSH key"),
        ("git://example.org/apps.git", None, "git:"),
        ("file:///srv/apps", None, "file:"),
        ("ext::sh -c id", None, "ext:"),
        ("apps", None, "whole"),
        ("./apps.git", None, "whole"),
        ("../apps", FOLDER, "whole"),
        ("~/apps", None, "whole"),
        ("-u", GIT, "whole"),
        ("", None, "whole"),
        ("/srv/../etc", None, "'..'"),
        ("/srv/a\nb", None, "printed"),
        ("/srv/index.json", INDEX, "HTTPS"),
        ("https://example.org/apps", None, "say which"),
        ("https://example.org/apps.git", FOLDER, "folder is one of this box"),
        ("git+https://example.org/apps", INDEX, "git repository"),
        ("https:///index.json", None, "no address"),
        ("https://example.org/in dex.json", None, "blanks"),
        ("https://example.org/index.json#x", None, "'#'"),
        ("https://example.org\\@evil.example/index.json", None, "backslashes"),
        ("https://exämple.org/index.json", None, "no address"),
        ("https://[::1/index.json", None, "no address"),
        ("https://example.org:port/index.json", None, "no address"),
    ],
)
def test_what_cannot_be_a_source_is_refused_with_the_reason(
    source: str, kind: CatalogKind | None, told: str
) -> None:
    with pytest.raises(InvalidInputError) as refused:
        settle_source(source, kind)

    assert told in refused.value.why
    assert refused.value.facts["errors"][0]["pointer"] in {"/source", "/kind"}


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("/srv/apps@home", "/srv/apps@home"),
        ("https://example.org/apps.git", "https://example.org/apps.git"),
        ("https://me:secret@example.org:8443/apps.git", "https://example.org:8443/apps.git"),
        ("https://secret@example.org/apps.git", "https://example.org/apps.git"),
        ("https://a@b:secret@example.org/apps.git", "https://example.org/apps.git"),
        ("https://example.org/index.json?key=secret", "https://example.org/index.json?…"),
        ("http://me:secret@example.org/index.json", "http://example.org/index.json"),
        ("git+https://me:secret@example.org/apps", "git+https://example.org/apps"),
        ("https:me:secret@example.org", "https:…"),
        ("https://[me:secret@example.org", "…"),
    ],
)
def test_what_may_be_secret_in_an_address_is_not_shown(source: str, shown: str) -> None:
    assert shown_source(source) == shown


@pytest.mark.parametrize(
    "source", ["https://me:secret@example.org/i.json", "https://example.org/i.json?key=secret"]
)
@pytest.mark.parametrize(
    "told", ["{}", "Max retries exceeded with url: /i.json?key=secret", "for me:secret@"]
)
def test_what_is_told_of_a_source_quotes_nothing_that_may_be_secret(source: str, told: str) -> None:
    text = hide_secrets(told.format(source), source)

    assert "key=secret" not in text or "key=" not in source
    assert "me:secret" not in text or "me:" not in source


def test_a_refusal_tells_no_password() -> None:
    with pytest.raises(InvalidInputError) as refused:
        settle_source("http://me:secret@example.org/index.json", None)

    assert "secret" not in str(refused.value.problem())
