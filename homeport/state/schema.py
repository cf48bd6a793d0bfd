"""The tables, as the newest migration leaves them."""

from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    false,
    select,
    text,
)

from homeport.caches import Ecosystem
from homeport.models import (
    AppState,
    CatalogKind,
    DesiredState,
    ImageOrigin,
    JobKind,
    JobState,
    Queue,
    StepState,
)
from homeport.state.columns import Member, Moment

METADATA: Final = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

_JSON: Final = JSON(none_as_null=True)

APPS: Final = Table(
    "apps",
    METADATA,
    Column("identifier", Text, primary_key=True),
    Column("app_id", Integer, nullable=False, unique=True),
    Column("definition", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("host_name", Text, nullable=False),
    Column("host_port", Integer, nullable=False),
    Column("state", Member(AppState), nullable=False),
    Column("desired", Member(DesiredState), nullable=False),
    Column("limits", _JSON, nullable=False),
    Column("web", _JSON),
    Column("data", _JSON, nullable=False),
    Column("images", _JSON, nullable=False),
    Column("ports", _JSON, nullable=False),
    Column("catalog", Text),
    Column("permissions", _JSON, nullable=False, server_default="[]"),
    Column("settings", _JSON, nullable=False, server_default="{}"),
    Column("aliases", _JSON, nullable=False, server_default="[]"),
    Column("published", Boolean, nullable=False, server_default=false()),
    Column("no_route", Text, nullable=False, server_default=text("''")),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
)

# The catalogs that the owner added; the shipped one has no row.
CATALOGS: Final = Table(
    "catalogs",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("kind", Member(CatalogKind), nullable=False),
    Column("source", Text, nullable=False),
    Column("generation", Text, nullable=False),
    Column("revision", Text, nullable=False),
    Column("definitions", Integer, nullable=False),
    Column("problem", _JSON),
    Column("added_at", Moment, nullable=False),
    Column("refreshed_at", Moment),
)

# The certificates that the owner gave, with their keys.
CERTIFICATES: Final = Table(
    "certificates",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("names", _JSON, nullable=False),
    Column("pem", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("not_before", Moment, nullable=False),
    Column("not_after", Moment, nullable=False),
    Column("added_at", Moment, nullable=False),
    Column("problem", Text, nullable=False),
)

# Every app_id that was ever in use; `assigned` where we chose it ourselves.
APP_IDS: Final = Table(
    "app_ids",
    METADATA,
    Column("app_id", Integer, primary_key=True, autoincrement=False),
    Column("assigned", Boolean, nullable=False),
    Index(None, "assigned", "app_id"),
)

# The one arbiter over what only one app can have; kinds are in claims.py.
CLAIMS: Final = Table(
    "claims",
    METADATA,
    Column("kind", Text, primary_key=True),
    Column("value", Text, primary_key=True),
    Column("identifier", Text, nullable=False, index=True),
    Column("job_id", Text, nullable=False),
)

JOBS: Final = Table(
    "jobs",
    METADATA,
    Column("seq", Integer, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    Column("kind", Member(JobKind), nullable=False),
    Column("subject", Text, nullable=False),
    Column("queue", Member(Queue), nullable=False),
    Column("parameters", _JSON, nullable=False),
    Column("state", Member(JobState), nullable=False),
    Column("progress", Float, nullable=False),
    Column("step", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("waiting_for", Text, index=True),
    Column("attempt", Integer, nullable=False),
    Column("cancel_requested", Boolean, nullable=False),
    Column("result", _JSON),
    Column("problem", _JSON),
    Column("turned_back", _JSON),  # why it is being undone; outlives the worker that undoes it
    Column("owner", Text),
    Column("fence", Integer, nullable=False),
    Column("lease_until", Moment),
    Column("losses", Integer, nullable=False),  # how often its worker was lost
    Column("sent_at", Moment),
    Column("created_at", Moment, nullable=False),
    Column("started_at", Moment),
    Column("finished_at", Moment),
    Index(None, "state", "seq"),
    Index(None, "subject", "state"),
    sqlite_autoincrement=True,
)

STEPS: Final = Table(
    "steps",
    METADATA,
    Column("job_id", Text, ForeignKey(JOBS.c.id, ondelete="CASCADE"), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("position", Integer, nullable=False),  # in the order in which they began
    Column("state", Member(StepState), nullable=False),
    Column("started_at", Moment),
    Column("finished_at", Moment),
    Column("attempts", Integer, nullable=False),
    Column("detail", Text, nullable=False),
    Column("record", _JSON, nullable=False),
)

EVENTS: Final = Table(
    "events",
    METADATA,
    Column("seq", Integer, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("kind", Text, nullable=False),
    Column("app", Text),
    Column("job", Text),
    Column("facts", _JSON, nullable=False),
    Index(None, "app", "seq"),
    Index(None, "job", "seq"),
    sqlite_autoincrement=True,
)

IMAGES: Final = Table(
    "images",
    METADATA,
    Column("image_id", Text, primary_key=True),
    Column("reference", Text, nullable=False),
    Column("origin", Member(ImageOrigin), nullable=False),
    Column("job_id", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("last_used_at", Moment, nullable=False),
)

TOKENS: Final = Table(
    "tokens",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("sha256", Text, nullable=False, unique=True),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment),
)

CACHE_TOTALS: Final = Table(
    "cache_totals",
    METADATA,
    Column("ecosystem", Member(Ecosystem), primary_key=True),
    Column("requests", BigInteger, nullable=False),
    Column("hits", BigInteger, nullable=False),
    Column("bytes_served", BigInteger, nullable=False),
    Column("bytes_fetched", BigInteger, nullable=False),
    Column("since", Moment, nullable=False),
)

# What each cache held when somebody looked last.
CACHE_SIZES: Final = Table(
    "cache_sizes",
    METADATA,
    Column("ecosystem", Member(Ecosystem), primary_key=True),
    Column("size_bytes", BigInteger, nullable=False),
    Column("files", BigInteger, nullable=False),
)

# Which job a request with that Idempotency-Key became, for a day.
IDEMPOTENCY_KEYS: Final = Table(
    "idempotency_keys",
    METADATA,
    Column("token", Text, primary_key=True),  # the name of the token that the request came with
    Column("key", Text, primary_key=True),
    Column("digest", Text, nullable=False),  # of the request: method, path, query and body
    Column("job_id", Text, nullable=False),
    Column("created_at", Moment, nullable=False, index=True),
)

# The newest slot of each schedule that was run, or passed over.
SCHEDULES: Final = Table(
    "schedules",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("expression", Text, nullable=False),
    Column("slot", Moment, nullable=False),
    Column("job_id", Text),
    Column("ran_at", Moment),
)

# How far each file of the caches' log has been added to the totals.
CACHE_LOG_FILES: Final = Table(
    "cache_log_files",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("bytes_read", BigInteger, nullable=False),
)

# What each instruction of a build took the last time: for the progress of the next one.
BUILD_DURATIONS: Final = Table(
    "build_durations",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("service", Text, primary_key=True),
    Column("seconds", _JSON, nullable=False),
    Column("updated_at", Moment, nullable=False),
)


def check_tables(conn: Connection) -> None:
    """Looks whether every table has the columns that this version works with.

    Raises:
        StateUnavailableError: one is missing (`Database` translates it).
    """
    for table in METADATA.sorted_tables:
        conn.execute(select(table).limit(0))
