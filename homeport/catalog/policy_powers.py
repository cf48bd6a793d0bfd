"""Which keys of a service give it power over the host, and the permission that opens each."""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from homeport.catalog.judgement import Outcome
from homeport.catalog.policy_rules import NAMESPACE_MODES, NETWORK_MODES
from homeport.catalog.scope import Scope, check_keys
from homeport.permissions import DEFAULT_CAPABILITIES, SECURITY_OPTIONS, PermissionKind, is_plain_path
from homeport.placeholders import ORDER

CAPABILITIES: Final = DEFAULT_CAPABILITIES | {
    "ALL", "AUDIT_CONTROL", "AUDIT_READ", "BLOCK_SUSPEND", "BPF", "CHECKPOINT_RESTORE", "DAC_READ_SEARCH",
    "IPC_LOCK", "IPC_OWNER", "LEASE", "LINUX_IMMUTABLE", "MAC_ADMIN", "MAC_OVERRIDE", "NET_ADMIN",
    "NET_BROADCAST", "PERFMON", "SYSLOG", "SYS_ADMIN", "SYS_BOOT", "SYS_MODULE", "SYS_NICE", "SYS_PACCT",
    "SYS_PTRACE", "SYS_RAWIO", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "WAKE_ALARM",
}  # fmt: skip
"""All that Linux knows (capabilities(7)), and Docker's word for all of them."""

# Docker's list ("docker run", --sysctl): what is counted per IPC namespace, and per network namespace.
_IPC_SYSCTL: Final = re.compile(
    r"kernel\.(?:msgmax|msgmnb|msgmni|sem|shmall|shmmax|shmmni|shm_rmid_forced)|fs\.mqueue\.[a-z0-9_]+"
)
_OWN_NAMESPACE: Final = frozenset({"none", "private", "shareable"})
_NETWORK_SYSCTL: Final = re.compile(r"net(?:\.[A-Za-z0-9_-]+)+")
_DEVICE_MODE: Final = re.compile(r"[rwm]{1,3}")
# Docker follows links: where containers may write, or a process's own open files stand, there are no devices.
_ANYBODYS_DEV: Final = re.compile(r"/dev/(?:shm|mqueue|hugepages|fd|stdin|stdout|stderr)(?:/|$)")
_GPU_DRIVERS: Final = frozenset({"nvidia", "amd"})
_GPU_CAPABILITIES: Final = frozenset(
    {"gpu", "nvidia", "amd", "compute", "compat32", "graphics", "utility", "video", "display", "ngx"}
)
_GPU_ID: Final = re.compile(r"[A-Za-z0-9/_-]{1,100}")
_LEAVE_OUT: Final = "Leave it out."
_NO_NEW_PRIVILEGES: Final = "no-new-privileges"


def check_privileged(privileged: Scope) -> Iterator[Outcome]:
    """`privileged`; Compose takes `"yes"` and the like for true, so all that does not say false needs it."""
    if privileged.value not in (False, "false"):
        yield privileged.need(PermissionKind.PRIVILEGED, rule="privileges")


def check_capabilities(added: Scope) -> Iterator[Outcome]:
    """`cap_add`, with CAP_ or without, in any case; what Docker gives by itself needs nothing."""
    for item in added.items():
        name = str(item.value).upper().removeprefix("CAP_")
        if name not in CAPABILITIES:
            what = f"{str(item.value)[:60]!r} is no capability."
            yield item.finding("capability-unknown", what, "Write it as capabilities(7) does: NET_ADMIN.")
        elif name not in DEFAULT_CAPABILITIES:
            yield item.need(PermissionKind.CAPABILITY, name, rule="privileges")


def check_devices(devices: Scope) -> Iterator[Outcome]:
    """`devices`, each by its path on the host, in short or long syntax."""
    for item in devices.items():
        if isinstance(item.value, dict):
            yield from check_keys(item, "device")
        source, target, mode = _device(item.value)
        if has_tricks(source) or not source.startswith("/dev/") or _ANYBODYS_DEV.match(source):
            what = f"{source[:80]!r} is not the plain path of a device below /dev."
            yield item.finding("devices", what, "Write it as `/dev/ttyUSB0:/dev/ttyUSB0`.")
        elif not _is_target(target) or not _DEVICE_MODE.fullmatch(mode):
            what = f"{str(item.value)[:80]!r} is no device mapping."
            yield item.finding("devices", what, f"Write `{source}:{source}` or `{source}:{source}:rw`.")
        else:
            yield item.need(PermissionKind.DEVICE, source, rule="devices")


def _is_target(path: str) -> bool:
    return path.startswith("/") and ".." not in path.split("/") and ":" not in path


def _device(value: Any) -> tuple[str, str, str]:
    """Source, target and mode; the target is "" where there are too many parts."""
    if isinstance(value, dict):
        source = str(value.get("source") or "")
        return source, str(value.get("target") or source), str(value.get("permissions") or "rwm")
    match str(value).split(":"):
        case [source]:
            return source, source, "rwm"
        case [source, target]:
            return source, target, "rwm"
        case [source, target, mode]:
            return source, target, mode
    return str(value), "", ""


def has_tricks(path: str) -> bool:
    """Whether a path on the host is anything but the one way to write itself."""
    return not is_plain_path(path) or any(name in path for name in ORDER)


def check_gpus(gpus: Scope) -> Iterator[Outcome]:
    """`gpus`, and the devices of a service's reservations, which say the same."""
    if gpus.value in ("", []):
        return
    yield gpus.need(PermissionKind.GPUS, rule="devices")
    for item in gpus.items():
        if not isinstance(item.value, dict):
            continue
        yield from check_keys(item, "gpu")
        driver = item.get("driver")
        if driver and driver.value not in _GPU_DRIVERS:
            what = f"The driver {str(driver.value)[:60]!r} may open other devices than graphics cards."
            yield driver.finding("devices", what, f"Use {' or '.join(sorted(_GPU_DRIVERS))}, or none.")
        yield from _check_each(item.get("capabilities"), _GPU_CAPABILITIES.__contains__, "capability")
        yield from _check_each(item.get("device_ids"), _GPU_ID.fullmatch, "identifier")


def _check_each(listed: Scope | None, is_right: Callable[[str], object], word: str) -> Iterator[Outcome]:
    for item in listed.items() if listed else ():
        if not is_right(str(item.value)):
            what = f"{str(item.value)[:60]!r} is no {word} of a graphics card."
            yield item.finding("devices", what, _LEAVE_OUT)


def check_groups(groups: Scope) -> Iterator[Outcome]:
    """`group_add`, by name or number."""
    for item in groups.items():
        yield item.need(PermissionKind.GROUP, str(item.value), rule="privileges")


def check_namespace(mode: Scope) -> Iterator[Outcome]:
    """`pid`, `ipc`, `uts`, `userns_mode` and `cgroup`."""
    key = str(mode.path[-1])
    name, harmless = NAMESPACE_MODES[key]
    text = str(mode.value)
    if text == "host":
        yield mode.need(PermissionKind.NAMESPACE, name, rule="host-namespace")
    elif text.startswith("container:"):
        what = f"`{key}: {text[:60]}` is the namespace of a container that is not the app's."
        yield mode.finding("foreign-object", what, _LEAVE_OUT)
    elif text not in harmless:
        what = f"`{key}: {text[:60]}` is not allowed."
        yield mode.finding("host-namespace", what, f"Leave it out, or write `{key}: host`.")


def check_network_mode(mode: Scope) -> Iterator[Outcome]:
    """`network_mode`; that the service which it may name is there is looked at elsewhere."""
    text = str(mode.value)
    if text == "host":
        yield mode.need(PermissionKind.HOST_NETWORK, rule="host-namespace")
    elif text not in NETWORK_MODES and not text.startswith("service:"):
        rule = "foreign-object" if text.startswith("container:") else "network"
        what = f"`network_mode: {text[:60]}` is not allowed: an app has networks of its own."
        yield mode.finding(rule, what, "Leave it out, and name ports under `ports`.")


def check_sysctls(service: Scope) -> Iterator[Outcome]:
    """`sysctls` that count within namespaces that are the container's own."""
    sysctls = service.get("sysctls")
    if sysctls is None:
        return
    named = [(f"{name}={inner.value}", inner) for name, inner in sysctls.entries()]
    named += [(str(item.value), item) for item in sysctls.items()]
    for text, inner in named:
        name, _, value = text.partition("=")
        foreign = _foreign_namespace(service, name)
        if foreign is None:
            what = f"{name[:60]!r} is a setting of the whole host, or none that Docker sets."
            yield inner.finding(
                "sysctl", what, "Only `net.…`, `fs.mqueue.…` and kernel.msg*, sem, shm* can be."
            )
        elif foreign:
            what = f"With `{foreign}` {name[:60]} would be set outside the container."
            yield inner.finding("sysctl", what, "Leave one of the two out.")
        elif isinstance(inner.value, bool | float | None) or any(word in value for word in ORDER):
            yield inner.finding("sysctl", f"{value[:60]!r} is no value of a sysctl.", "Write the number.")
        else:
            yield inner.need(PermissionKind.SYSCTL, f"{name}={value}", rule="sysctl")


def _foreign_namespace(service: Scope, sysctl: str) -> str | None:
    """Which key makes the namespace of the setting somebody else's; "" for none, None: it has none."""
    if _NETWORK_SYSCTL.fullmatch(sysctl):
        key = "network_mode"
    elif _IPC_SYSCTL.fullmatch(sysctl):
        key = "ipc"
    else:
        return None
    mode = service.get(key)
    return f"{key}: {mode.value}" if mode and mode.value not in _OWN_NAMESPACE else ""


def check_security_options(options: Scope) -> Iterator[Outcome]:
    """`security_opt`, written with `=` or `:`."""
    for item in options.items():
        option = security_option(str(item.value))
        if option in (f"{_NO_NEW_PRIVILEGES}=true", _NO_NEW_PRIVILEGES):
            continue
        if option in SECURITY_OPTIONS:
            yield item.need(PermissionKind.SECURITY_OPT, option, rule="privileges")
        else:
            what = f"The security option {str(item.value)[:60]!r} is not allowed."
            known = ", ".join(sorted(SECURITY_OPTIONS))
            yield item.finding("privileges", what, f"Leave it out; with a permission there are {known}.")


def security_option(text: str) -> str:
    """The option as permissions write it: `seccomp:unconfined` is `seccomp=unconfined`."""
    return text if "=" in text else text.replace(":", "=", 1)


def check_network_companions(service: Scope) -> Iterator[Outcome]:
    """What cannot stand beside `network_mode`, because the container has no network of its own then."""
    mode = service.get("network_mode")
    if mode is None:
        return
    for key in ("ports", "networks"):
        inner = service.get(key)
        if inner and inner.value:
            what = f"`{key}` does nothing with `network_mode: {str(mode.value)[:60]}`."
            remedy = "Leave one of the two out."
            if mode.value == "host" and key == "ports":
                what = (
                    "`ports` does nothing with `network_mode: host`: the app listens on the box's own ports."
                )
                remedy = "Leave `ports` out; `web.port` of app.yml is the port on which it listens."
            yield inner.finding(f"network-mode-{key}", what, remedy)
