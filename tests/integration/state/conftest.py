"""A migrated SQLite file for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from homeport.state.database import migrate
from tests.integration.state.box import Box


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    url = f"sqlite:///{tmp_path}/db/homeport.sqlite"
    migrate(url)
    box = Box(url)
    yield box
    box.database.close()
