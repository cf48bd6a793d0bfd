"""The files of a definition to begin with: an app that runs as it stands, for a packager to change. Pure."""

import json
import re
from typing import Final

PORT: Final = 8080
"""Where an app of its own image answers, if nothing else is said."""

_PLAIN: Final = re.compile(r"[a-z][a-z0-9-]*(?:[./:@][A-Za-z0-9._-]+)*")
_NO_TEXT: Final = frozenset({"null", "true", "false"})  # what YAML reads otherwise
_TAG: Final = re.compile(r":([A-Za-z0-9][A-Za-z0-9._-]{0,63})$")
_MOVING: Final = "latest"


def write_starter(name: str, *, image: str = "", port: int | None = None) -> dict[str, str]:
    """The files of a definition, by their path in its folder.

    Args:
        name: of the definition, a label.
        image: what it runs; empty: an image of its own is built, from a small Dockerfile.
        port: where it answers HTTP inside its container. None: `PORT` for an image of its own; an app of
            another's image has no web page then.
    """
    if image:
        return {
            "app.yml": _app_of_image(name, image, port),
            "docker-compose.yml": _compose_of_image(name, image, port),
        }
    port = PORT if port is None else port
    return {
        "app.yml": _app(name, port),
        "docker-compose.yml": _compose(name, port),
        f"{name}/Dockerfile": _DOCKERFILE.format(port=port),
        f"{name}/start": _START.format(port=port),
        f"{name}/index.html": _PAGE.format(title=_title(name)),
    }


def _app(name: str, port: int) -> str:
    return _HEAD.format(
        name=_scalar(name),
        title=_scalar(_title(name)),
        version="1.0",
        description="A page that its owner can change.",
    ) + (
        f"web: {{service: {_scalar(name)}, port: {port}, path: /, health: /}}\n"
        f"images:\n  {_scalar(name)}: {{context: ./{name}}}\n"
        "# The owner's folders: an uninstall keeps them, a purge does not.\n"
        "data: [pages]\n"
        "limits: {cpus: 0.5, memory: 64M, pids: 64}\n"
    )


def _compose(name: str, port: int) -> str:
    return _SERVICE.format(name=_scalar(name)) + (
        # BusyBox's server leaves SIGTERM unanswered when it is the first process of its container
        f"    init: true\n    ports:\n      - HOST_PORT:{port}\n    volumes:\n      - ./pages:/srv/pages\n"
    )


def _app_of_image(name: str, image: str, port: int | None) -> str:
    tag = _TAG.search(image.partition("@")[0])
    version = tag[1] if tag and tag[1] != _MOVING else "1.0"
    head = _HEAD.format(
        name=_scalar(name),
        title=_scalar(_title(name)),
        version=version,
        description=_scalar(f"Runs {image}."),
    )
    web = f"web: {{service: {_scalar(name)}, port: {port}, path: /, health: /}}\n" if port else ""
    return head + web + f"{_NO_DATA}limits: {{cpus: 1.0, memory: 512M, pids: 256}}\n"


def _compose_of_image(name: str, image: str, port: int | None) -> str:
    published = f"    ports:\n      - HOST_PORT:{port}\n" if port else ""
    return _SERVICE.format(name=_scalar(name)) + f"    image: {_scalar(image)}\n{published}{_NO_VOLUMES}"


def _title(name: str) -> str:
    return name.replace("-", " ").capitalize()


def _scalar(text: str) -> str:
    """The text as YAML has it: quoted where it would be read as something else."""
    if _PLAIN.fullmatch(text) and text not in _NO_TEXT:
        return text
    return json.dumps(text, ensure_ascii=False)


_HEAD: Final = """\
# What the app is, and what it may use. docs/definition.md has every key.
name: {name}
title: {title}
# Any change of the version is an update.
version: "{version}"
description: {description}
"""

_NO_DATA: Final = """\
# The owner's folders: an uninstall keeps them, a purge does not. The compose file mounts them, as ./config.
# data: [config]
"""

_SERVICE: Final = """\
# A template: APP_IDENTIFIER and HOST_PORT are put in when the app is installed.
services:
  {name}:
    container_name: APP_IDENTIFIER
    restart: unless-stopped
"""

_NO_VOLUMES: Final = """\
    # What the image keeps belongs into a folder that app.yml has under `data`.
    # volumes:
    #   - ./config:/config
"""

_DOCKERFILE: Final = """\
FROM debian:bookworm-slim
RUN apt-get update \\
 && apt-get install --yes --no-install-recommends busybox \\
 && rm -rf /var/lib/apt/lists/* \\
 && useradd --uid 1000 --home-dir /srv/pages --no-create-home --shell /usr/sbin/nologin app
COPY index.html start /opt/app/
EXPOSE {port}
ENTRYPOINT ["sh", "/opt/app/start"]
"""

_START: Final = """\
#!/bin/sh
# A new data folder is empty and belongs to root: puts a first page there, gives it to the app's user, and
# becomes the server as that user.
set -eu
[ -n "$(ls -A /srv/pages)" ] || cp /opt/app/index.html /srv/pages/
[ "$(stat -c %U /srv/pages)" = app ] || chown -R app:app /srv/pages
echo "answering on port {port}"
exec setpriv --reuid=app --regid=app --clear-groups busybox httpd -f -p {port} -h /srv/pages
"""

_PAGE: Final = """\
<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>{title}</title></head>
<body><h1>{title}</h1><p>It runs. This page is pages/index.html in the app's folder.</p></body>
</html>
"""
