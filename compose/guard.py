"""A last look at a rendered document before Compose sees it: whatever was read before, this must hold. Pure.

The policy (homeport.catalog) judges what a packager wrote, in the packager's terms. This judges what we are
about to run, and knows nothing of how it came to be.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from compose.mounts import folder_in_project, parse_mount
from homeport.catalog.policy_rules import CLOCK_FILES, LOWEST_PORT, RESERVED_NAMES
from homeport.errors import Finding, PolicyRefusedError

_NEVER_IN_SERVICE: Final = frozenset(
    {
        "build", "provider", "use_api_socket", "extends", "env_file", "devices", "device_cgroup_rules",
        "gpus", "external_links", "cgroup_parent", "runtime", "credential_spec", "develop", "models",
        "post_start", "pre_stop", "pre_start", "label_file", "oom_kill_disable", "cap_add", "sysctls",
        "secrets", "profiles",
    }
)  # fmt: skip
_NAMESPACES: Final = ("network_mode", "pid", "ipc", "uts", "userns_mode", "cgroup")
_NEVER_AT_TOP: Final = frozenset({"include", "models", "version", "secrets"})


def check_rendered(document: Mapping[str, Any], *, project_dir: Path, publish_address: str) -> None:
    """Returns if the document may be run.

    Raises:
        PolicyRefusedError: with every key that may not.
    """
    findings = list(_findings(document, project_dir, publish_address))
    if findings:
        raise PolicyRefusedError("The rendered project asks for what no app may have.", findings)


def _findings(document: Mapping[str, Any], project_dir: Path, publish_address: str) -> Iterator[Finding]:
    for key in sorted(_NEVER_AT_TOP & document.keys()):
        yield _finding(key, "key-not-allowed", f"{key} is not allowed.")
    for kind in ("networks", "volumes"):
        for name, about in (document.get(kind) or {}).items():
            yield from _shared_thing(f"{kind}.{name}", about or {})
    for name, about in (document.get("configs") or {}).items():
        yield from _config(f"configs.{name}", about or {}, project_dir)
    for name, service in document["services"].items():
        yield from _service(f"services.{name}", service, project_dir, publish_address)


def _shared_thing(key: str, about: Mapping[str, Any]) -> Iterator[Finding]:
    if about.get("external"):
        yield _finding(f"{key}.external", "external", "It belongs to somebody else.")
    if "name" in about:
        yield _finding(f"{key}.name", "fixed-name", "Its name could be another app's.")
    if about.get("driver_opts"):
        yield _finding(
            f"{key}.driver_opts", "driver-options", "Driver options can mount any folder of the host."
        )
    if about.get("driver") not in (None, "", "local", "bridge"):
        yield _finding(f"{key}.driver", "driver", f"The driver {about['driver']!r} is not allowed.")


def _config(key: str, about: Mapping[str, Any], project_dir: Path) -> Iterator[Finding]:
    if about.get("external"):
        yield _finding(f"{key}.external", "external", "It belongs to somebody else.")
    if "environment" in about:
        yield _finding(f"{key}.environment", "key-not-allowed", "It would read Homeport's own environment.")
    if "file" in about and not _is_open(str(about["file"]), project_dir):
        yield _finding(f"{key}.file", "file-outside-project", "The file lies outside the project's folders.")


def _service(
    key: str, service: Mapping[str, Any], project_dir: Path, publish_address: str
) -> Iterator[Finding]:
    for name in sorted(_NEVER_IN_SERVICE & service.keys()):
        yield _finding(f"{key}.{name}", "key-not-allowed", f"{name} is not allowed.")
    if service.get("privileged"):
        yield _finding(f"{key}.privileged", "privileged", "A privileged container is root on the host.")
    for name in _NAMESPACES:
        if str(service.get(name, "")).startswith(("host", "container:")):
            yield _finding(f"{key}.{name}", "foreign-namespace", f"{service[name]!r} is not the app's own.")
    if not service.get("image") or service.get("pull_policy") != "never":
        yield _finding(f"{key}.image", "image", "The image must be given, and never pulled by Compose.")
    if list(service.get("security_opt", ())) != ["no-new-privileges:true"]:
        what = "The security options must be no-new-privileges:true and nothing else."
        yield _finding(f"{key}.security_opt", "security-options", what)
    for source in service.get("volumes_from", ()):
        if str(source).startswith("container:"):
            yield _finding(f"{key}.volumes_from", "foreign-volumes", f"{source!r} is not the app's own.")
    yield from _mounts(key, service, project_dir)
    yield from _ports(key, service, publish_address)


def _mounts(key: str, service: Mapping[str, Any], project_dir: Path) -> Iterator[Finding]:
    for index, entry in enumerate(service.get("volumes", ())):
        place = f"{key}.volumes[{index}]"
        mount = parse_mount(entry)
        if mount.kind in ("volume", "tmpfs"):
            continue
        if mount.kind != "bind":
            yield _finding(place, "mount-kind", f"Mounts of the type {mount.kind!r} are not allowed.")
        elif mount.source in CLOCK_FILES:
            if "ro" not in mount.modes:
                yield _finding(place, "bind-not-read-only", f"{mount.source} may only be read (:ro).")
        elif not _is_open(mount.source, project_dir):
            what = f"{mount.source} lies outside the project, or holds what Homeport runs it from."
            yield _finding(place, "bind-outside-project", what)


def _is_open(source: str, project_dir: Path) -> bool:
    """Whether it lies in the project folder, and is neither that itself nor one of Homeport's files there."""
    inside = folder_in_project(source, project_dir)
    return inside not in (None, ".") and str(inside).split("/", 1)[0] not in RESERVED_NAMES


def _ports(key: str, service: Mapping[str, Any], publish_address: str) -> Iterator[Finding]:
    for index, port in enumerate(service.get("ports", ())):
        if port["host_ip"] not in (publish_address, "127.0.0.1"):
            yield _finding(
                f"{key}.ports[{index}]", "port-address", f"{port['host_ip']} is not the box's address."
            )
        if int(port["published"]) < LOWEST_PORT:
            yield _finding(f"{key}.ports[{index}]", "port-low", f"Port {port['published']} is the system's.")


def _finding(key: str, rule: str, what: str) -> Finding:
    return Finding(
        file="the rendered project", key=key, line=None, rule=rule, what=what,
        remedy="The definition must do without it.",
    )  # fmt: skip
