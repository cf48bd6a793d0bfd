"""What requests may hold: their bodies and query strings."""

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr

from homeport.models import JobState


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class InstallRequest(_Shape):
    """Which definition to install, and what to call the app."""

    definition: StrictStr = Field(min_length=1, max_length=63, description="a name in the catalog")
    identifier: StrictStr | None = Field(
        default=None, max_length=63, description="default: the definition's name"
    )
    app_id: StrictInt | None = Field(
        default=None, description="the platform's number; default: the next free"
    )
    host_name: StrictStr | None = Field(
        default=None, max_length=253, description="a label, to which the domain is added, or a full name; "
        "default: the identifier"
    )  # fmt: skip


class TokenRequest(_Shape):
    """The name of a new token."""

    name: StrictStr = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$", description="who will use it")


class PageQuery(_Shape):
    """Which part of a list."""

    limit: int = Field(default=50, ge=1, le=200)
    cursor: str | None = Field(default=None, max_length=400, description="`next` of the page before")


class JobsQuery(PageQuery):
    """Which jobs; newest first."""

    app: str | None = Field(default=None, max_length=63, description="an app's identifier")
    state: JobState | None = None


class UninstallQuery(_Shape):
    """What to remove besides containers and networks."""

    purge: bool = Field(
        default=False, description="the app's data too: folders and volumes that Homeport made"
    )
    remove_images: bool = Field(default=False, description="images that are ours and that no other app needs")


class AppLogsQuery(_Shape):
    """Which lines of the app's containers."""

    tail: int = Field(default=100, ge=0, le=10_000, description="how many of the last lines")
    follow: bool = Field(default=False, description="go on with new lines as they come")
    service: str | None = Field(default=None, max_length=63, description="one service instead of all")


class JobLogQuery(_Shape):
    """Which lines of a job's log."""

    tail: int | None = Field(default=None, ge=0, le=100_000, description="only so many of the last lines")
    follow: bool = Field(default=False, description="go on until the job has ended")


class EventsQuery(_Shape):
    """Which events; without `after` and without Last-Event-ID, those from now on."""

    after: int | None = Field(default=None, ge=0, description="the id of the last event that is known")
    app: str | None = Field(default=None, max_length=63)
    job: str | None = Field(default=None, max_length=64)
