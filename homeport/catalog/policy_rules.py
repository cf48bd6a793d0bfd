"""What a compose file may ask for, as tables: what no table names is refused.

Keys that begin with `x-` pass everywhere; Compose ignores them.
"""

from collections.abc import Mapping
from typing import Final

ALLOWED: Final[Mapping[str, frozenset[str]]] = {
    "file": frozenset({"version", "services", "networks", "volumes", "configs"}),
    # Those that reach out of the container have a check in policy.py or a file beside it.
    "service": frozenset(
        {
            "build", "cap_add", "cap_drop", "cgroup", "command", "configs", "container_name", "cpus",
            "depends_on", "deploy", "devices", "dns", "dns_opt", "dns_search", "domainname", "entrypoint",
            "env_file", "environment", "expose", "extends", "extra_hosts", "gpus", "group_add",
            "healthcheck", "hostname", "image", "init", "ipc", "labels", "links", "logging", "mem_limit",
            "network_mode", "networks", "pid", "pids_limit", "ports", "privileged", "read_only", "restart",
            "security_opt", "shm_size", "stdin_open", "stop_grace_period", "stop_signal", "sysctls",
            "tmpfs", "tty", "ulimits", "user", "userns_mode", "uts", "volumes", "volumes_from",
            "working_dir",
        }
    ),
    # The last three would only say where layers come from, which is ours to know: they are passed over.
    "build": frozenset(
        {
            "additional_contexts", "args", "context", "dockerfile", "labels", "target",
            "cache_from", "no_cache", "pull",
        }
    ),
    "configs item": frozenset({"source", "target", "uid", "gid", "mode"}),
    "depends_on item": frozenset({"condition", "required", "restart"}),
    "deploy": frozenset({"resources"}),
    "deploy.resources": frozenset({"limits", "reservations"}),
    "deploy.resources.limits": frozenset({"cpus", "memory", "pids"}),
    "deploy.resources.reservations": frozenset({"devices"}),
    "device": frozenset({"source", "target", "permissions"}),
    "env_file item": frozenset({"path", "required", "format"}),
    "extends": frozenset({"service", "file"}),
    "gpu": frozenset({"capabilities", "count", "device_ids", "driver"}),
    "healthcheck": frozenset(
        {"test", "interval", "timeout", "retries", "start_period", "start_interval", "disable"}
    ),
    "logging": frozenset({"driver", "options"}),
    "logging.options": frozenset({"max-size", "max-file", "compress", "mode", "max-buffer-size", "tag"}),
    "service network": frozenset({"aliases", "priority"}),
    "port": frozenset({"target", "published", "protocol", "mode", "name", "app_protocol"}),
    "mount": frozenset({"type", "source", "target", "read_only", "consistency", "bind", "volume", "tmpfs"}),
    "mount.bind": frozenset({"create_host_path", "selinux"}),
    "mount.volume": frozenset({"nocopy", "subpath"}),
    "mount.tmpfs": frozenset({"size", "mode"}),
    "ulimit": frozenset({"soft", "hard"}),
    # Not `nice` and `rtprio`: with them a process puts itself before those of the box.
    "ulimits": frozenset(
        {
            "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nofile", "nproc", "rss",
            "rttime", "sigpending", "stack",
        }
    ),
    "network": frozenset({"driver", "internal", "enable_ipv4", "enable_ipv6", "labels"}),
    "volume": frozenset({"driver", "labels"}),
    "config": frozenset({"content", "file"}),
}  # fmt: skip
"""The keys of each kind of mapping in a compose file."""

HARMLESS: Final[Mapping[str, tuple[str | bool, ...]]] = {
    "use_api_socket": (False,),
    "oom_kill_disable": (False,),
}
"""Values of refused keys of a service that ask for nothing."""

NAMESPACE_MODES: Final[Mapping[str, tuple[str, frozenset[str]]]] = {
    "cgroup": ("cgroup", frozenset({"private"})),
    "ipc": ("ipc", frozenset({"private", "shareable", "none"})),
    "pid": ("pid", frozenset()),
    "userns_mode": ("user", frozenset()),
    "uts": ("uts", frozenset()),
}
"""Keys of a service that name a namespace: what its permission calls it, and values that ask for nothing."""

NETWORK_MODES: Final = frozenset({"none"})
NETWORK_DRIVERS: Final = frozenset({"bridge", "default"})
LOGGING_DRIVERS: Final = frozenset({"json-file", "local"})
MOUNT_MODES: Final = frozenset({"ro", "rw", "z", "Z", "nocopy", "cached", "delegated", "consistent"})
CLOCK_FILES: Final = frozenset({"/etc/localtime", "/etc/timezone"})
"""Files of the host that any app may read."""
RESERVED_LABELS: Final = ("homeport.", "com.docker.")
LOWEST_PORT: Final = 1024
"""Ports below it need a permission."""
SHORTEST_INTERVAL_S: Final = 1.0
"""Between two looks of a health check."""
MOST_PORTS: Final = 100
"""Further ports that one template may publish, ranges written out."""

PROXY_LOGS: Final = tuple(
    f"apache-{kind}.log{end}" for kind in ("access", "error") for end in ("", ".1", ".2", ".3")
)
"""What Apache writes into a project folder, and rotatelogs keeps (proxy/app-container.conf)."""

RESERVED_NAMES: Final = frozenset(
    {
        *PROXY_LOGS,
        "docker-compose.yml", "docker-compose.yaml", "docker-compose.override.yml",
        "docker-compose.override.yaml", "compose.yml", "compose.yaml", "compose.override.yml",
        "compose.override.yaml", ".env", "app.yml", "definition", "definition.new",
        ".homeport-made.json",
    }
)  # fmt: skip
"""First components in a project folder that are Homeport's own: no container may write there."""

_HOST = "It would reach out of its container into the host."
_OURS = "Homeport sets this itself."
_LEAVE_OUT = "Leave it out."

FORBIDDEN_IN_SERVICE: Final[Mapping[str, tuple[str, str, str]]] = {
    "attach": ("not-supported", "Nobody watches the output of an app.", _LEAVE_OUT),
    "annotations": ("host-access", "Annotations may change how a container is isolated.", _LEAVE_OUT),
    "blkio_config": ("resources", "Disk weights and rates are not for a template.", _LEAVE_OUT),
    "cgroup_parent": ("host-access", "It would leave the limits that its owner set.", _LEAVE_OUT),
    "credential_spec": ("host-access", _HOST, _LEAVE_OUT),
    "develop": ("not-supported", "Nothing watches files for an installed app.", _LEAVE_OUT),
    "device_cgroup_rules": ("devices", "It opens the host's devices.", _LEAVE_OUT),
    "external_links": ("foreign-object", "It names another app's container.", "Use a service of this file."),
    "isolation": ("not-supported", "It exists on Windows only.", _LEAVE_OUT),
    "label_file": ("not-supported", "Labels from files are not read.", "Write them under `labels`."),
    "mac_address": ("network", "An address of its own can pass for another machine's.", _LEAVE_OUT),
    "models": ("not-supported", "Models are not run here.", _LEAVE_OUT),
    "oom_kill_disable": ("resources", "The host would run out of memory in its place.", _LEAVE_OUT),
    "oom_score_adj": ("resources", "Other apps would be killed in its place.", _LEAVE_OUT),
    "platform": ("not-supported", "Images are fetched and built for this box.", _LEAVE_OUT),
    "post_start": ("host-access", "A hook may run privileged.", "Put it in the image's entrypoint."),
    "pre_start": ("host-access", "A hook may run privileged.", "Put it in the image's entrypoint."),
    "pre_stop": ("host-access", "A hook may run privileged.", "Put it in the image's entrypoint."),
    "profiles": ("not-supported", "Every service of an app runs.", "Leave it out, or the service."),
    "provider": ("runs-on-host", "Compose would run a program on the host.", "Give the service an image."),
    "pull_refresh_after": ("ours", "Homeport fetches the images before the start.", _LEAVE_OUT),
    "pull_policy": ("ours", "Homeport fetches the images before the start.", _LEAVE_OUT),
    "runtime": ("host-access", "It chooses a program of the host.", _LEAVE_OUT),
    "scale": ("not-supported", "An app runs one container of each service.", _LEAVE_OUT),
    "secrets": (
        "not-supported", "Secrets come from files or the environment of the host.",
        "Use `configs` with `content`, or a file under a folder of the app.",
    ),
    "umask": ("not-supported", "Not every Compose sets it.", "Set it in the image's entrypoint."),
    "use_api_socket": ("docker-socket", "It hands the Docker socket to the container.", _LEAVE_OUT),
}  # fmt: skip
"""Known keys of a service that are refused: rule, reason, remedy. What stands in neither table is unknown."""

_LIMITS = ("ours", "Limits stand in app.yml.", "Write them in app.yml under `limits`.")

FORBIDDEN: Final[Mapping[tuple[str, str], tuple[str, str, str]]] = {
    ("file", "include"): ("include", "Other files are not included.", "Write their services into this file."),
    ("file", "secrets"): FORBIDDEN_IN_SERVICE["secrets"],
    ("file", "models"): FORBIDDEN_IN_SERVICE["models"],
    ("file", "jobs"): ("not-supported", "Jobs are not run here.", "Write a service with `restart: no`."),
    ("file", "name"): ("ours", "Homeport names the project after the app.", _LEAVE_OUT),
    ("build", "entitlements"): ("build-privileges", "The build would leave its sandbox.", _LEAVE_OUT),
    ("build", "privileged"): ("build-privileges", "The build would leave its sandbox.", _LEAVE_OUT),
    ("build", "network"): ("build-privileges", "The build would choose its network.", _LEAVE_OUT),
    ("build", "extra_hosts"): ("build-privileges", "The build would change what names mean.", _LEAVE_OUT),
    ("build", "ssh"): ("build-secrets", "The build would get the host's keys.", _LEAVE_OUT),
    ("build", "secrets"): ("build-secrets", "The build would get the host's secrets.", _LEAVE_OUT),
    ("build", "cache_to"): ("build-privileges", "The build would write outside of it.", _LEAVE_OUT),
    ("build", "tags"): ("ours", "Homeport names the images that it builds.", "Write one name under `image`."),
    ("build", "platforms"): ("not-supported", "Images are built for this box.", _LEAVE_OUT),
    ("build", "shm_size"): ("ours", "What builds may use is a setting of the box.", _LEAVE_OUT),
    ("build", "ulimits"): ("ours", "What builds may use is a setting of the box.", _LEAVE_OUT),
    ("build", "isolation"): ("host-access", "It chooses how the host runs the build.", _LEAVE_OUT),
    ("build", "provenance"): ("not-supported", "Images stay on the box, without attestations.", _LEAVE_OUT),
    ("build", "sbom"): ("not-supported", "Images stay on the box, without attestations.", _LEAVE_OUT),
    ("build", "dockerfile_inline"): (
        "not-supported", "Inline Dockerfiles are not built.", "Write a Dockerfile into the context.",
    ),
    ("deploy", "replicas"): FORBIDDEN_IN_SERVICE["scale"],
    ("deploy", "mode"): FORBIDDEN_IN_SERVICE["scale"],
    ("deploy", "restart_policy"): ("not-supported", "It counts in a swarm only.", "Write `restart`."),
    ("deploy.resources.reservations", "cpus"): _LIMITS,
    ("deploy.resources.reservations", "memory"): _LIMITS,
    ("deploy.resources.reservations", "generic_resources"): (
        "not-supported", "Only swarms have such resources.", _LEAVE_OUT,
    ),
    ("deploy", "endpoint_mode"): ("not-supported", "It counts in a swarm only.", _LEAVE_OUT),
    ("deploy", "labels"): ("not-supported", "It counts in a swarm only.", "Write `labels` of the service."),
    ("deploy", "placement"): ("not-supported", "It counts in a swarm only.", _LEAVE_OUT),
    ("deploy", "rollback_config"): ("not-supported", "It counts in a swarm only.", _LEAVE_OUT),
    ("deploy", "update_config"): ("not-supported", "It counts in a swarm only.", _LEAVE_OUT),
    ("gpu", "options"): ("devices", "Drivers' options may open other devices.", _LEAVE_OUT),
    ("network", "external"): ("foreign-object", "The network would not be the app's own.", _LEAVE_OUT),
    ("network", "name"): ("foreign-object", "A name of its own could be another's.", _LEAVE_OUT),
    ("network", "driver_opts"): ("network", "Driver options reach the host's interfaces.", _LEAVE_OUT),
    ("network", "ipam"): ("network", "Address ranges are the box's to give.", _LEAVE_OUT),
    ("network", "attachable"): ("network", "Foreign containers could join.", _LEAVE_OUT),
    ("service network", "ipv4_address"): ("network", "The box gives addresses.", "Use service names."),
    ("service network", "ipv6_address"): ("network", "The box gives addresses.", "Use service names."),
    ("service network", "mac_address"): FORBIDDEN_IN_SERVICE["mac_address"],
    ("ulimits", "nice"): ("resources", "Its processes would go before those of the box.", _LEAVE_OUT),
    ("ulimits", "rtprio"): ("resources", "Its processes would go before those of the box.", _LEAVE_OUT),
    ("volume", "external"): ("foreign-object", "The volume would not be the app's own.", _LEAVE_OUT),
    ("volume", "name"): ("foreign-object", "A name of its own could be another's.", _LEAVE_OUT),
    ("volume", "driver_opts"): (
        "volume-driver-opts", "With driver options a volume is any folder of the host.",
        "Leave them out, or mount a folder of the project: `./data:/data`.",
    ),
    ("config", "environment"): ("config-source", "It would read the host's environment.", "Use `content`."),
    ("config", "external"): ("foreign-object", "The config would not be the app's own.", "Use `content`."),
    ("config", "labels"): ("not-supported", "Compose gives configs none.", _LEAVE_OUT),
    ("config", "template_driver"): ("not-supported", "It counts in a swarm only.", _LEAVE_OUT),
    ("config", "name"): ("foreign-object", "A name of its own could be another's.", _LEAVE_OUT),
    ("port", "host_ip"): (
        "port-address", "The box decides on which address ports are published.", "Leave the address out.",
    ),
    ("mount.bind", "propagation"): ("bind-propagation", "Mounts would spread to the host.", _LEAVE_OUT),
    ("mount.bind", "recursive"): ("bind-propagation", "Mounts below would come along.", _LEAVE_OUT),
    ("mount", "image"): ("mount-type", "Images are not mounted.", "Copy the files in a Dockerfile."),
}  # fmt: skip
"""Likewise for the other kinds of mapping."""

REFUSED_LIMITS: Final = dict.fromkeys(
    (
        "cpu_count",
        "cpu_percent",
        "cpu_period",
        "cpu_quota",
        "cpu_rt_period",
        "cpu_rt_runtime",
        "cpu_shares",
        "cpuset",
        "mem_reservation",
        "mem_swappiness",
        "memswap_limit",
        "storage_opt",
    ),
    _LIMITS,
)
"""Keys of a service that limit it in ways that app.yml has its own words for, or none."""
