"""A compose document, as rendered or as Compose resolved it, in a template's terms. Pure."""

import posixpath
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from compose.terms import OUR_LABELS, Terms
from compose.values import NEVER_GAIN, RenderedProject
from homeport.catalog.composition import as_variables, escape_dollars

_OURS: Final = ("image", "pull_policy", "container_name", "restart", "logging")
"""Keys of a service that are exactly what was rendered."""

_LIMITS: Final = ("cpus", "mem_limit", "memswap_limit", "pids_limit")
_SETTLED: Final = ("build", "env_file", "extends", "label_file", "profiles")
"""Keys of a template that rendering has settled: they would read further files."""

_PROJECT: Final = "WEBAPP_PATH"


def resolved_terms(
    document: Mapping[str, Any],
    rendered: RenderedProject,
    project_dir: Path,
    *,
    file: str = "the resolved project",
) -> Terms:
    """The document in a template's terms, compared with what was rendered.

    Args:
        document: dollar signs are written twice in it, as in what was rendered.
        rendered: the project as it should be.
        project_dir: the project folder.
        file: how findings name the document.
    """
    terms = Terms(file)
    wanted = rendered.document
    terms.expect("name", document.get("name"), rendered.project)
    services = document.get("services") or {}
    terms.expect("services", sorted(services), sorted(rendered.services))
    for name in rendered.services:
        found, should = services.get(name) or {}, wanted["services"][name]
        terms.document["services"][name] = _service(terms, name, found, should, project_dir)
    for kind in ("networks", "volumes", "configs"):
        if kind in document:
            terms.document[kind] = _declared(terms, kind, document[kind] or {}, rendered)
    known = {"name", "services", "networks", "volumes", "configs"}
    terms.document |= {key: value for key, value in document.items() if key not in known}
    return terms


def _service(
    terms: Terms, name: str, found: Mapping[str, Any], wanted: Mapping[str, Any], project_dir: Path
) -> dict[str, Any]:
    place = f"services.{name}"
    for key in _OURS:
        terms.expect(f"{place}.{key}", found.get(key), wanted.get(key))
    for key in _LIMITS:
        terms.expect(f"{place}.{key}", _number(found.get(key)), _number(wanted.get(key)))
    for key in _SETTLED:
        if key in found:
            terms.refuse(f"{place}.{key}", f"`{key}` was settled before, and is here again.")
    terms.expect_labels(place, found.get("labels"), wanted.get("labels"))
    terms.expect(f"{place}.ports", _ports(found), _ports(wanted))
    if NEVER_GAIN in wanted["security_opt"] and NEVER_GAIN not in found.get("security_opt", ()):
        terms.refuse(f"{place}.security_opt", f"{NEVER_GAIN} is missing.")
    kept = {
        key: value
        for key, value in found.items()
        if value is not None and key not in (*_OURS, *_LIMITS, *_SETTLED)
    }
    return kept | _reworded(kept, project_dir)


def _reworded(service: Mapping[str, Any], project_dir: Path) -> dict[str, Any]:
    """Those keys that a template would have in other words."""
    words: dict[str, Any] = {}
    if "labels" in service:
        words["labels"] = _without(as_variables(service["labels"]), OUR_LABELS)
    if "security_opt" in service:
        words["security_opt"] = [option for option in service["security_opt"] if option != NEVER_GAIN]
    if "ports" in service:
        words["ports"] = [_without(port, ("host_ip",)) for port in service["ports"]]
    if "volumes" in service:
        words["volumes"] = [project_mount(mount, project_dir) for mount in service["volumes"]]
    if "devices" in service:
        words["devices"] = [short_device(device) for device in service["devices"]]
    if "deploy" in service:
        words["deploy"] = {key: value for key, value in service["deploy"].items() if value}
    return words


def project_mount(mount: Any, project_dir: Path) -> Any:
    """The item of `volumes`, its source below the project folder written as a template writes it."""
    root = escape_dollars(str(project_dir))
    if isinstance(mount, Mapping):
        if mount.get("type") != "bind":
            return dict(mount)
        source = str(mount.get("source", ""))
        return {**mount, "source": _in_project(source, root)}
    source, colon, rest = str(mount).partition(":")
    return f"{_in_project(source, root)}{colon}{rest}"


def short_device(device: Any) -> Any:
    """The item of `devices` as one text."""
    if not isinstance(device, Mapping):
        return device
    source, target = str(device.get("source", "")), str(device.get("target", ""))
    return f"{source}:{target}:{device.get('permissions') or 'rwm'}"


def _in_project(source: str, root: str) -> str:
    normal = posixpath.normpath(source)
    if normal == root or normal.startswith(f"{root}/"):
        return _PROJECT + normal[len(root) :]
    return source


def _ports(service: Mapping[str, Any]) -> list[tuple[str, ...]]:
    keys = ("host_ip", "published", "target", "protocol", "mode")
    return sorted(tuple(str(port.get(key, "")) for key in keys) for port in service.get("ports", ()))


def _declared(terms: Terms, kind: str, found: Mapping[str, Any], rendered: RenderedProject) -> dict[str, Any]:
    """Networks, volumes or configs, without the names and labels that are ours."""
    wanted, declared = rendered.document.get(kind) or {}, {}
    for name in found:
        place, about = f"{kind}.{name}", found[name] or {}
        if name not in wanted:
            terms.refuse(place, "It was not rendered.")
        if "name" in about:
            terms.expect(f"{place}.name", about["name"], f"{rendered.project}_{name}")
        declared[name] = {key: value for key, value in about.items() if value and key != "name"}
        if kind != "configs":
            terms.expect_labels(place, about.get("labels"), (wanted.get(name) or {}).get("labels"))
            declared[name]["labels"] = _without(as_variables(about.get("labels")), OUR_LABELS)
    return declared


def _without(about: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    return {key: value for key, value in about.items() if key not in keys}


def _number(value: Any) -> Any:
    """The value as a number, which Compose may write as text; as it is where it is none."""
    try:
        return round(float(value), 3)  # Compose calculates with 32 bits
    except (TypeError, ValueError):
        return value
