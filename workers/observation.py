"""Looking at what of this box's is there: containers and networks on the engine, project folders on disk."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from compose.values import APP_LABEL, BOX_LABEL, COMPOSE_FILE, SNAPSHOT
from homeport.errors import InvalidInputError
from homeport.host.engine import Engine
from homeport.host.engine_values import ContainerState
from homeport.host.files import read_bounded
from homeport.settings import Settings
from workers.reconciliation import Observed, ProjectFiles

_WORKING_DIR_LABEL = "com.docker.compose.project.working_dir"
_LARGEST_BYTES = 2 * 1024 * 1024  # a template has 1 MiB at most


def observe(engine: Engine, settings: Settings) -> Observed:
    """What is there of this box's; of what another Homeport has on the same engine, nothing.

    Raises:
        EngineUnavailableError: the engine does not answer.
    """
    containers, networks = engine.containers([APP_LABEL]), engine.networks([APP_LABEL])
    return Observed(
        containers=[one for one in containers if _is_of_box(one, settings)],
        networks=[one for one in networks if one.labels.get(BOX_LABEL) == str(settings.state_dir)],
        projects={folder.name: project_files(folder) for folder in _folders(settings.projects_dir)},
    )


def project_files(folder: Path) -> ProjectFiles:
    """What lies in a project folder. A compose file that cannot be read is as good as gone."""
    document = _document(folder / COMPOSE_FILE)
    box, app = _mark_of(document or {})
    return ProjectFiles(
        has_compose_file=document is not None,
        has_snapshot=_is_folder(folder / SNAPSHOT),
        networks=tuple(_mapping(document or {}, "networks")),
        box=box,
        app=app,
    )


def published_addresses(folder: Path) -> dict[int, str]:
    """The address of each host port as the project's compose file has it; nothing where there is none."""
    services = _mapping(_document(folder / COMPOSE_FILE) or {}, "services").values()
    ports = [port for service in services for port in _list(service, "ports")]
    return {
        int(port["published"]): str(port["host_ip"])
        for port in ports
        if str(port.get("published", "")).isdecimal() and port.get("host_ip")
    }


def _mark_of(document: Mapping[str, Any]) -> tuple[str, str]:
    """The box and the app that every service is labelled with; nothing where they do not agree."""
    labels = [_mapping(service, "labels") for service in _mapping(document, "services").values()]
    marks = {(_text(one.get(BOX_LABEL)), _text(one.get(APP_LABEL))) for one in labels}
    return marks.pop() if len(marks) == 1 else ("", "")


def _mapping(tree: Any, key: str) -> Mapping[str, Any]:
    """What stands under the key, in a file that anybody may have written."""
    found = tree.get(key) if isinstance(tree, dict) else None
    return found if isinstance(found, dict) else {}


def _list(tree: Any, key: str) -> list[Mapping[str, Any]]:
    found = tree.get(key) if isinstance(tree, dict) else None
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def _text(label: Any) -> str:
    return label.replace("$$", "$") if isinstance(label, str) else ""  # as it was escaped for Compose


def _is_of_box(container: ContainerState, settings: Settings) -> bool:
    """By our label; one that an earlier version made has none, but Compose wrote down where it ran."""
    if (box := container.labels.get(BOX_LABEL)) is not None:
        return box == str(settings.state_dir)
    return Path(container.labels.get(_WORKING_DIR_LABEL, "/")).is_relative_to(settings.projects_dir)


def _folders(projects_dir: Path) -> list[Path]:
    return [folder for folder in projects_dir.glob("*") if _is_folder(folder)]


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # its owner lets nobody see
        return False


def _document(path: Path) -> dict[str, Any] | None:
    try:
        document = yaml.safe_load(read_bounded(path, _LARGEST_BYTES))
    except (OSError, InvalidInputError, ValueError, yaml.YAMLError, RecursionError):
        return None
    return document if isinstance(document, dict) else None
