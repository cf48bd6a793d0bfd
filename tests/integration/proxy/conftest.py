"""Small web apps that stand behind the proxies."""

from collections.abc import Iterator

import pytest

from tests.harness.web_app import WebApp, web_app


@pytest.fixture(scope="module")
def wiki() -> Iterator[WebApp]:
    with web_app("wiki") as app:
        yield app


@pytest.fixture(scope="module")
def blog() -> Iterator[WebApp]:
    with web_app("blog") as app:
        yield app
