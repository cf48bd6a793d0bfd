"""The settings of a box: one frozen object per process, read at start from a file and the environment."""

import difflib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from homeport.errors import InvalidInputError
from homeport.models import Publish
from homeport.names import DOMAIN_PATTERN, LABEL_PATTERN, LOOPBACK

MIB = 1024 * 1024
_EVERYWHERE = "0.0.0.0"  # noqa: S104 - the owner's own setting
GIB = 1024 * MIB

ENVIRONMENT_PREFIX = "HOMEPORT_"
# What else has a name that begins so: the command line's own, and docker-compose.dev.yml's.
_NO_SETTINGS = frozenset({"HOMEPORT_CONFIG", "HOMEPORT_TOKEN", "HOMEPORT_URL"})
_NO_SETTINGS_PREFIX = "HOMEPORT_DEV_"


class Settings(BaseModel):
    """What may be set, in `homeport.toml` by these names and as `HOMEPORT_<NAME>` in the environment.

    The environment wins. Every limit has a default and, beside it, its reason.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    state_dir: Path = Field(description="database, projects, job logs and the first token")
    run_dir: Path = Field(description="sockets and what is made anew at every start")
    catalog_dir: Path = Field(description="the definitions that are offered")
    listen: str = Field(default="127.0.0.1:8035", description="the API's address and port")
    domain: str = Field(
        default="localhost",
        pattern=f"^{DOMAIN_PATTERN}$",
        description="the domain under which apps get their host names",
    )
    publish: Publish = Field(
        default=Publish.AUTO, description="the address of host ports: auto, lan, loopback"
    )
    proxy: Literal["haproxy", "apache", "none"] = Field(
        default="haproxy", description="the reverse proxy in front of apps; apache: the one that the host has"
    )
    http_port: int = Field(
        default=0, ge=0, le=65535, description="HAProxy's port; 0: 80, or 8080 where that cannot be had"
    )
    https_port: int = Field(
        default=0, ge=0, le=65535, description="likewise for HTTPS; 0: 443, or 8443 where that cannot be had"
    )
    https: bool = Field(default=True, description="whether HAProxy listens for HTTPS")
    https_redirect: bool = Field(
        default=False, description="whether HTTP leads to HTTPS for the names that a certificate covers"
    )
    api_name: str = Field(
        default="homeport",
        pattern=f"^{LABEL_PATTERN}$",
        description="the API's own host name, within the domain",
    )
    reserved_names: str = Field(
        default="", description="further host names that no app may have, comma between"
    )
    proxy_user: str = Field(default="homeport-proxy", description="HAProxy's user when started by root")
    proxy_idle_s: float = Field(
        default=3600, ge=1, description="a connection through the proxy on which nothing moves ends then"
    )
    apache_sites_dir: Path = Field(
        default=Path("/etc/apache2/sites-enabled"), description="where Apache reads a file for each app"
    )
    apache_options_dir: Path = Field(
        default=Path("/etc/homeport/apache"),
        description="what the owner adds to an app's virtual host: IDENTIFIER.conf",
    )
    apache_control: str = Field(
        default="apache2ctl", description="the program that tests and reloads Apache's configuration"
    )
    database_url: str = Field(default="", description="the database; empty: SQLite in the state folder")
    redis_url: str = Field(default="", description="Redis or Valkey; empty: a private Valkey")
    docker_host: str = Field(default="unix:///var/run/docker.sock", description="the Docker Engine")
    api_user: str = Field(default="homeport", description="the API's user when started by root")
    log_format: Literal["plain", "json"] = Field(
        default="plain", description="how processes write their logs"
    )
    app_threads: int = Field(default=4, ge=1, le=64, description="jobs of different apps side by side")
    lease_s: float = Field(
        default=15, ge=1, description="a worker that is silent for so long has lost its job"
    )
    worker_losses: int = Field(
        default=3, ge=1, description="a job that brought its worker down so often fails"
    )
    stall_s: float = Field(default=600, gt=0, description="a step that does not move for so long fails")
    ceiling_s: float = Field(default=4 * 3600, gt=0, description="the longest that a pull or build may take")
    healthy_s: float = Field(
        default=300, gt=0, description="how long a started app may take to become healthy"
    )
    steady_s: float = Field(
        default=5, gt=0, description="a headless app is healthy after so long without restart"
    )
    stop_s: int = Field(
        default=30, ge=1, description="how long a container may take to stop before it is killed"
    )
    queue_max: int = Field(
        default=1000, ge=1, description="jobs that may wait; a request for one more is refused"
    )
    reconcile_s: float = Field(
        default=300, gt=0, description="how often what Docker runs is compared with what is wanted"
    )
    time_zone: str = Field(
        default="", description="the time zone of schedules, such as Europe/Berlin; empty: the system's"
    )
    refresh_schedule: str = Field(
        default="23 3 * * *", description="when added catalogs are fetched anew (cron); empty: never"
    )
    history_schedule: str = Field(
        default="41 4 * * 0", description="when old jobs and events are forgotten (cron); empty: never"
    )
    history_days: int = Field(
        default=90, ge=1, description="a job that ended, its log, and an event are kept for so many days"
    )
    history_jobs: int = Field(
        default=10_000, ge=1, description="of the jobs that ended, at most so many are kept"
    )
    history_events: int = Field(default=200_000, ge=1, description="at most so many events are kept")
    reserve_bytes: int = Field(
        default=64 * MIB, ge=0, description="held back on a full disk, for the jobs that make room"
    )
    fail_points: str = Field(
        default="", description="for tests alone: the folder that says where a step fails; empty: nowhere"
    )
    spare_bytes: int = Field(default=GIB, ge=0, description="space that an install must leave free")
    log_max_bytes: int = Field(
        default=10 * MIB, ge=MIB, description="a log file, a container's or our own, is rotated at this size"
    )
    log_files: int = Field(default=3, ge=1, description="log files kept of each")
    job_log_max_bytes: int = Field(default=16 * MIB, ge=MIB, description="a job's log ends at this size")
    service_cpus: float = Field(
        default=0, ge=0, description="a service's cores where app.yml says none; 0: all"
    )
    service_memory_bytes: int = Field(
        default=2 * GIB, ge=64 * MIB, description="a service's memory, likewise"
    )
    service_pids: int = Field(
        default=2048, ge=16, description="a service's processes, likewise: ends fork bombs"
    )
    package_caches: bool = Field(default=True, description="whether builds fetch packages through caches")
    cache_user: str = Field(
        default="homeport-cache", description="the package caches' user when started by root"
    )
    cache_port: int = Field(
        default=8041, ge=1, le=65000, description="apt's cache; pip, npm, gem and devpi have the next ports"
    )
    cache_max_bytes: int = Field(
        default=5 * GIB, ge=16 * MIB, description="what each package cache may hold: the oldest goes first"
    )
    devpi_max_bytes: int = Field(
        default=2 * GIB, ge=64 * MIB, description="devpi's own store is made anew above this size"
    )
    apt_hosts: str = Field(
        default="",
        description="what apt's cache asks besides public names on port 80: host or host:port, comma between",
    )
    pip_upstream: str = Field(default="", description="the Python index; empty: devpi's own default")
    npm_upstream: str = Field(default="", description="the npm registry; empty: the public one")
    gem_upstream: str = Field(default="", description="the gem server; empty: the public one")
    upstream_ca_file: str = Field(
        default="", description="certificate authorities of upstreams; empty: the system's"
    )
    resolver: str = Field(default="", description="the caches' name server; empty: those of /etc/resolv.conf")
    line_mbit_s: float = Field(
        default=50, gt=0, description="the line's speed, by which saved time is reckoned"
    )
    build_cpus: float = Field(default=0, ge=0, description="cores that a build may use; 0: all but a quarter")
    build_memory_bytes: int = Field(
        default=0, ge=0, description="memory that a build may use; 0: three quarters of the box's"
    )
    context_max_bytes: int = Field(
        default=2 * GIB, ge=MIB, description="a build context that is larger is refused"
    )
    upload_max_bytes: int = Field(
        default=512 * MIB, ge=MIB, description="an uploaded archive that is larger is refused"
    )
    unpacked_max_files: int = Field(
        default=100_000, ge=1, description="an uploaded archive with more entries is refused"
    )
    catalog_max_bytes: int = Field(
        default=256 * MIB, ge=MIB, description="what is fetched of an added catalog may have so many bytes"
    )
    catalog_ceiling_s: float = Field(
        default=900, gt=0, description="the longest that fetching an added catalog may take"
    )
    base_image: str = Field(
        default="debian:bookworm-slim", description="what doctor looks for as a base image"
    )

    @model_validator(mode="before")
    @classmethod
    def _place_folders(cls, given: Any) -> Any:
        """Fills in the folders: the system's for root, the XDG ones for everybody else."""
        return {**default_folders(os.geteuid(), os.environ), **given} if isinstance(given, dict) else given

    @property
    def database(self) -> str:
        """The database's URL."""
        return self.database_url or f"sqlite:///{self.state_dir / 'db' / 'homeport.sqlite'}"

    @property
    def redis(self) -> str:
        """The URL of Redis, or of the private Valkey's socket."""
        return self.redis_url or f"unix://{self.run_dir / 'valkey' / 'valkey.sock'}?db=0"

    @property
    def projects_dir(self) -> Path:
        """Where apps' project folders lie."""
        return self.state_dir / "projects"

    @property
    def jobs_dir(self) -> Path:
        """Where jobs' logs lie."""
        return self.state_dir / "jobs"

    @property
    def caches_dir(self) -> Path:
        """What the package caches hold, their logs, and devpi's store."""
        return self.state_dir / "caches"

    @property
    def catalogs_dir(self) -> Path:
        """What was fetched of added catalogs: `<catalog>/<generation>/<definition>/`."""
        return self.state_dir / "catalogs"

    @property
    def builds_dir(self) -> Path:
        """Where files of a build lie while it runs."""
        return self.state_dir / "builds"

    @property
    def uploads_dir(self) -> Path:
        """Where uploaded archives lie until their job has ended."""
        return self.state_dir / "uploads"

    @property
    def token_file(self) -> Path:
        """The first token, readable by the one who started Homeport."""
        return self.state_dir / "token"

    @property
    def steward_socket(self) -> Path:
        """Where the steward answers the API."""
        return self.run_dir / "steward.sock"

    @property
    def caches_socket(self) -> Path:
        """Where the package caches say how they are."""
        return self.run_dir / "caches" / "nginx.sock"

    @property
    def proxy_dir(self) -> Path:
        """The proxy's map, certificates and pages."""
        return self.state_dir / "proxy"

    @property
    def proxy_socket(self) -> Path:
        """HAProxy's runtime API."""
        return self.run_dir / "proxy" / "haproxy.sock"

    @property
    def publish_address(self) -> str:
        """The address on which web pages' host ports are published: 0.0.0.0 or 127.0.0.1."""
        open_to_lan = self.proxy == "none" or self.domain == "localhost"
        lan = self.publish is Publish.LAN or (self.publish is Publish.AUTO and open_to_lan)
        return _EVERYWHERE if lan else LOOPBACK

    @property
    def further_address(self) -> str:
        """The address of further ports, which no proxy leads to: the LAN's unless `loopback` is asked for."""
        return LOOPBACK if self.publish is Publish.LOOPBACK else _EVERYWHERE


def default_folders(uid: int, environment: Mapping[str, str]) -> dict[str, Any]:
    """The folders where none are set: `/var/lib` and `/run` for root, else those of XDG's specification."""
    shipped = Path(__file__).resolve().parent.parent / "apps"
    if uid == 0:
        return {"state_dir": "/var/lib/homeport", "run_dir": "/run/homeport", "catalog_dir": shipped}
    home = Path(environment.get("HOME", "/"))
    state = Path(environment.get("XDG_STATE_HOME") or home / ".local" / "state") / "homeport"
    run = Path(environment.get("XDG_RUNTIME_DIR") or state / "run")
    return {"state_dir": state, "run_dir": run / "homeport", "catalog_dir": shipped}


def default_config_file(uid: int, environment: Mapping[str, str]) -> Path:
    """Where settings are read from: `HOMEPORT_CONFIG`, else `/etc/homeport` for root, else XDG's."""
    if named := environment.get("HOMEPORT_CONFIG"):
        return Path(named)
    if uid == 0:
        return Path("/etc/homeport/homeport.toml")
    base = environment.get("XDG_CONFIG_HOME") or Path(environment.get("HOME", "/")) / ".config"
    return Path(base) / "homeport" / "homeport.toml"


def program_environment(**extra: str) -> dict[str, str]:
    """The environment of a program that we run: where programs and certificates are, and what is given.

    Nothing else of ours reaches it, so that neither a token nor a setting can.
    """
    passed = ("PATH", "LANG", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR")
    found = {name: os.environ[name] for name in passed if name in os.environ}
    return {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", **found, **extra}


def load_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """The settings of this process.

    Raises:
        InvalidInputError: the file cannot be read, or a setting is unknown or wrong; it names each.
    """
    environment = os.environ if environment is None else environment
    _refuse_unknown_names(environment)
    path = default_config_file(os.geteuid(), environment)
    given: dict[str, Any] = {}
    try:
        if path.exists():
            given = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidInputError(
            f"{path} cannot be read.", why=str(error), remedy="Mend or remove it."
        ) from error
    given |= {
        name: environment[key]
        for name in Settings.model_fields
        if (key := ENVIRONMENT_PREFIX + name.upper()) in environment
    }
    try:
        return Settings(**given)
    except ValidationError as error:
        errors = [
            {"pointer": "/" + "/".join(str(part) for part in item["loc"]), "detail": item["msg"]}
            for item in error.errors()
        ]
        raise InvalidInputError(
            "A setting is wrong.",
            why="; ".join(f"{item['pointer'][1:]}: {item['detail']}" for item in errors),
            remedy=f"Correct it in {path} or in the environment ({ENVIRONMENT_PREFIX}…).",
            errors=errors,
        ) from error


def _refuse_unknown_names(environment: Mapping[str, str]) -> None:
    """A misspelt name would leave the default in force without a word."""
    known = {ENVIRONMENT_PREFIX + name.upper() for name in Settings.model_fields} | _NO_SETTINGS
    for name in sorted(environment):
        if not name.startswith(ENVIRONMENT_PREFIX) or name in known or name.startswith(_NO_SETTINGS_PREFIX):
            continue
        near = difflib.get_close_matches(name, sorted(known), n=1)
        raise InvalidInputError(
            f"{name} in the environment is no setting.",
            why=f"Did you mean {near[0]}?" if near else "",
            remedy="Correct or unset it; `homeport settings` lists all settings.",
            errors=[{"pointer": "/" + name, "detail": "no setting has this name"}],
        )
