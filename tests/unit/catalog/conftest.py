from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

APP = """\
name: wiki
title: Wiki
version: "1.0"
web: {service: web, port: 80, health: /}
"""
COMPOSE = """\
services:
  web:
    image: nginx:1.27
    ports: ["HOST_PORT:80"]
"""

MakeDefinition = Callable[..., Path]


@pytest.fixture
def make_definition(tmp_path: Path) -> MakeDefinition:
    """Writes a sound definition; `files` adds files or takes the place of its own, None leaves one out."""

    def make(files: Mapping[str, str | bytes | None] | None = None, *, name: str = "wiki") -> Path:
        folder = tmp_path / name
        folder.mkdir(parents=True)
        written: dict[str, str | bytes | None] = {
            "app.yml": APP,
            "docker-compose.yml": COMPOSE,
            **(files or {}),
        }
        for path, content in written.items():
            if content is None:
                continue
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            raw = content.encode() if isinstance(content, str) else content
            (folder / path).write_bytes(raw)
        return folder

    return make
