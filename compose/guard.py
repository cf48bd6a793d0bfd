"""A last look at a rendered document before Compose sees it: whatever was read before, this must hold. Pure.

The policy (homeport.catalog) judges what a packager wrote, in the packager's terms. This judges what we are
about to run, and knows nothing of how it came to be.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from compose.mounts import folder_in_project, parse_mount
from compose.values import COMPOSE_FILE
from homeport.errors import Finding, PolicyRefusedError

READABLE_HOST_FILES: Final = frozenset({"/etc/localtime", "/etc/timezone"})
"""Host files that may be mounted read-only."""

_NEVER_IN_SERVICE: Final = frozenset(
    {
        "build", "provider", "use_api_socket", "extends", "env_file", "devices", "device_cgroup_rules", "gpus",
        "external_links", "cgroup_parent", "runtime", "credential_spec", "develop", "models", "post_start",
        "pre_stop", "label_file", "oom_kill_disable",
    }
)  # fmt: skip
_NAMESPACES: Final = ("network_mode", "pid", "ipc", "uts", "userns_mode", "cgroup")
_NEVER_AT_TOP: Final = frozenset({"include", "models", "version"})
_FREE_OPTIONS: Final = ("no-new-privileges:true",)
_STRONG_CAPABILITIES: Final = frozenset(
    {
        "ALL",
        "SYS_ADMIN",
        "SYS_MODULE",
        "SYS_RAWIO",
        "SYS_PTRACE",
        "SYS_BOOT",
        "DAC_READ_SEARCH",
        "BPF",
        "NET_ADMIN",
    }
)


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
    for kind in ("configs", "secrets"):
        for name, about in (document.get(kind) or {}).items():
            yield from _file_thing(f"{kind}.{name}", about or {}, project_dir)
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


def _file_thing(key: str, about: Mapping[str, Any], project_dir: Path) -> Iterator[Finding]:
    if about.get("external"):
        yield _finding(f"{key}.external", "external", "It belongs to somebody else.")
    if "environment" in about:
        yield _finding(f"{key}.environment", "key-not-allowed", "It would read Homeport's own environment.")
    if "file" in about and folder_in_project(str(about["file"]), project_dir) in (None, ".", COMPOSE_FILE):
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
    if "no-new-privileges:true" not in service.get("security_opt", ()):
        yield _finding(f"{key}.security_opt", "new-privileges", "no-new-privileges is missing.")
    for option in service.get("security_opt", ()):
        if option not in _FREE_OPTIONS:
            yield _finding(f"{key}.security_opt", "security-option", f"{option!r} is not allowed.")
    for capability in service.get("cap_add", ()):
        if str(capability).upper().removeprefix("CAP_") in _STRONG_CAPABILITIES:
            yield _finding(f"{key}.cap_add", "capability", f"{capability} gives power over the host.")
    for source in service.get("volumes_from", ()):
        if str(source).startswith("container:"):
            yield _finding(f"{key}.volumes_from", "foreign-volumes", f"{source!r} is not the app's own.")
    yield from _mounts(key, service, project_dir)
    yield from _ports(key, service, publish_address)


def _mounts(key: str, service: Mapping[str, Any], project_dir: Path) -> Iterator[Finding]:
    for index, entry in enumerate(service.get("volumes", ())):
        place = f"{key}.volumes[{index}]"
        try:
            mount = parse_mount(entry)
        except ValueError as error:
            yield _finding(place, "mount-form", f"{error}.")
            continue
        if mount.kind in ("volume", "tmpfs"):
            continue
        if mount.kind != "bind":
            yield _finding(place, "mount-kind", f"Mounts of the type {mount.kind!r} are not allowed.")
        elif mount.source in READABLE_HOST_FILES:
            if not mount.read_only:
                yield _finding(place, "bind-not-read-only", f"{mount.source} may only be read (:ro).")
        elif folder_in_project(mount.source, project_dir) in (None, COMPOSE_FILE):
            yield _finding(place, "bind-outside-project", f"{mount.source} lies outside the project.")
        elif folder_in_project(mount.source, project_dir) == "." and not mount.read_only:
            what = (
                "The app could rewrite its own compose file: mount a folder below the project's, or add :ro."
            )
            yield _finding(place, "bind-project-folder", what)


def _ports(key: str, service: Mapping[str, Any], publish_address: str) -> Iterator[Finding]:
    for index, port in enumerate(service.get("ports", ())):
        if port["host_ip"] not in (publish_address, "127.0.0.1"):
            yield _finding(
                f"{key}.ports[{index}]", "port-address", f"{port['host_ip']} is not the box's address."
            )
        if int(port["published"]) < 1024:
            yield _finding(f"{key}.ports[{index}]", "port-low", f"Port {port['published']} is the system's.")


def _finding(key: str, rule: str, what: str) -> Finding:
    return Finding(
        file="the rendered project", key=key, line=None, rule=rule, what=what,
        remedy="The definition must do without it.",
    )  # fmt: skip
