"""`python -m build_cache --tag NAME [--file FILE] FOLDER`: builds one image as Homeport builds an app's.

For images that no job asks for, such as Homeport's own: through the box's package caches where they answer,
and without those that do not. The settings are Homeport's; the build cannot be stopped but by a signal.
"""

import argparse
import json
import sys
from pathlib import Path

from build_cache.builder import BuildRequest, ImageBuilder
from homeport.errors import HomeportError
from homeport.host.engine import Engine
from homeport.settings import load_settings


class _Uncontrolled:
    """Nobody asks it to stop."""

    def check(self) -> None:
        return


def main() -> int:
    """Builds; standard output gets the build's lines and, as the last one, its report in JSON."""
    parser = argparse.ArgumentParser(prog="python -m build_cache", description=__doc__)
    parser.add_argument("folder", type=Path, help="the build context")
    parser.add_argument("--tag", required=True, help="the image's name")
    parser.add_argument("--file", default="Dockerfile", help="the Dockerfile's path in the context")
    words = parser.parse_args()
    try:
        settings = load_settings()
        request = BuildRequest(
            service=words.tag, context=words.folder.resolve(), dockerfile=words.file, tag=words.tag
        )
        built = ImageBuilder(settings, Engine(settings.docker_host)).build(
            request, control=_Uncontrolled(), on_progress=_ignore, log=lambda line: print(line, flush=True)
        )
    except HomeportError as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(built.report.as_json(line_mbit_s=settings.line_mbit_s)))
    return 0


def _ignore(fraction: float, step: str) -> None:
    """Its lines tell as much."""


if __name__ == "__main__":
    sys.exit(main())
