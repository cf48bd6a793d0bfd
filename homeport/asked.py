"""What requests may hold, as types: bodies and query strings."""

from typing import Annotated, Any, Final, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Json,
    StrictInt,
    StrictStr,
)

from homeport.caches import Ecosystem
from homeport.models import CatalogKind, JobState
from homeport.permissions import parse_permissions

T = TypeVar("T")

_LONGEST_TEXT: Final = 256 * 1024  # of a text to convert: scripts and compose files have a few KiB

_LONGEST_PEM: Final = 64 * 1024  # a chain of four has about 8 KiB


def _permissions(texts: list[str]) -> list[str]:
    """Each once, written in the one way in which permissions are stored."""
    return [str(permission) for permission in parse_permissions(texts)]


def _split(text: Any) -> Any:
    return [part for part in text.split(",") if part] if isinstance(text, str) else text


Granted = Annotated[list[StrictStr], AfterValidator(_permissions)]
OwnerSettings = dict[StrictStr, StrictStr]
Aliases = list[Annotated[StrictStr, Field(max_length=253)]]


class Asked(BaseModel):
    """A part of a request; what it has no field for is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class InstallChoices(Asked):
    """What the owner decides of an install, whichever way its definition comes."""

    identifier: StrictStr | None = Field(
        default=None, max_length=63, description="default: the definition's name"
    )
    app_id: int | None = Field(default=None, description="the platform's number; default: the next free")
    host_name: StrictStr | None = Field(
        default=None, max_length=253, description="a label, to which the domain is added, or a full name; "
        "default: the identifier"
    )  # fmt: skip
    aliases: Aliases = Field(default_factory=list, max_length=20, description="further host names, likewise")
    permissions: Granted = Field(
        default_factory=list, max_length=200, description="what the owner grants, as `capability:NET_ADMIN`"
    )
    settings: OwnerSettings = Field(
        default_factory=dict, description="values of the definition's settings, by name"
    )


class InstallRequest(InstallChoices):
    """Which definition to install, what to call the app, what to grant and to set."""

    definition: StrictStr = Field(
        min_length=1, max_length=127, description="a name in the catalog, or catalog/name"
    )
    app_id: StrictInt | None = Field(
        default=None, description="the platform's number; default: the next free"
    )


class InstallQuery(InstallChoices):
    """The same for a definition that is sent with the request."""

    aliases: Annotated[Aliases, BeforeValidator(_split)] = Field(
        default_factory=list, max_length=20, description="further host names, with commas between"
    )
    permissions: Annotated[Granted, BeforeValidator(_split)] = Field(
        default_factory=list, max_length=200, description="what the owner grants, with commas between"
    )
    settings: Json[OwnerSettings] = Field(default_factory=dict, description="a JSON object of settings")


class BuildRequest(Asked):
    """Which definition of the catalog to build."""

    definition: StrictStr = Field(
        min_length=1, max_length=127, description="a name in the catalog, or catalog/name"
    )
    settings: OwnerSettings = Field(default_factory=dict, description="values of its settings, by name")


class BuildQuery(Asked):
    """What an uploaded archive does not say itself."""

    name: str | None = Field(
        default=None, max_length=63, description="a label; a definition has its own, a context needs one"
    )
    dockerfile: str = Field(
        default="Dockerfile", min_length=1, max_length=1024, description="of a context, by its name in there"
    )
    settings: Json[OwnerSettings] = Field(
        default_factory=dict, description="of a definition: a JSON object of its settings"
    )


class CatalogRequest(Asked):
    """A catalog to add."""

    name: StrictStr = Field(description="a label; its definitions' qualified names begin with it")
    kind: CatalogKind | None = Field(default=None, description="default: guessed from the source")
    source: StrictStr = Field(min_length=1, max_length=2000, description="a whole path, or an https address")


class RefreshRequest(Asked):
    """Which catalogs to fetch anew."""

    catalogs: list[StrictStr] = Field(default_factory=list, max_length=200, description="default: all")


class ConvertRequest(Asked):
    """What to make a definition of: a `docker run` line, a compose file, or an install script of Amahi's."""

    text: StrictStr = Field(min_length=1, max_length=_LONGEST_TEXT)
    uninstall: StrictStr = Field(
        default="", max_length=_LONGEST_TEXT, description="the uninstall script that goes with it"
    )
    name: StrictStr | None = Field(default=None, max_length=63, description="what to call the definition")


class TrimRequest(Asked):
    """Which package caches to trim, and how far."""

    ecosystems: list[Ecosystem] = Field(default=list(Ecosystem), min_length=1, description="default: all")
    to_bytes: StrictInt = Field(default=0, ge=0, description="what each may keep; default: nothing")


class CertificateRequest(Asked):
    """A certificate with its key, both in PEM."""

    name: StrictStr = Field(max_length=63, description="what you call it: a label")
    chain: StrictStr = Field(
        max_length=_LONGEST_PEM, description="the host's certificate, those above it behind it"
    )
    key: StrictStr = Field(max_length=_LONGEST_PEM, description="its private key, without a passphrase")


class TokenRequest(Asked):
    """The name of a new token."""

    name: StrictStr = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$", description="who will use it")


class NoQuery(Asked):
    """No parameter at all."""


class PageQuery(Asked):
    """Which part of a list."""

    limit: int = Field(default=50, ge=1, le=200)
    cursor: str | None = Field(default=None, max_length=400, description="`next` of the page before")


class JobsQuery(PageQuery):
    """Which jobs; newest first."""

    app: str | None = Field(default=None, max_length=63, description="an app's identifier")
    state: JobState | None = None


class UninstallQuery(Asked):
    """What to remove besides containers and networks."""

    purge: bool = Field(
        default=False, description="the app's data too: folders and volumes that Homeport made"
    )
    remove_images: bool = Field(default=False, description="images that are ours and that no other app needs")


class AppLogsQuery(Asked):
    """Which lines of the app's containers."""

    tail: int = Field(default=100, ge=0, le=10_000, description="how many of the last lines")
    follow: bool = Field(default=False, description="go on with new lines as they come")
    service: str | None = Field(default=None, max_length=63, description="one service instead of all")


class JobLogQuery(Asked):
    """Which lines of a job's log."""

    tail: int | None = Field(default=None, ge=0, le=100_000, description="only so many of the last lines")
    follow: bool = Field(default=False, description="go on until the job has ended")


class EventsQuery(Asked):
    """Which events; without `after` and without Last-Event-ID, those from now on."""

    after: int | None = Field(default=None, ge=0, description="the id of the last event that is known")
    app: str | None = Field(default=None, max_length=63)
    job: str | None = Field(default=None, max_length=64)
