"""What the package caches did and hold, and how long the steps of builds took."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_JSON = sa.JSON(none_as_null=True)
_MOMENT = sa.BigInteger()


def upgrade() -> None:
    """Creates the four tables."""
    op.create_table(
        "cache_totals",
        sa.Column("ecosystem", sa.Text(), nullable=False),
        sa.Column("requests", sa.BigInteger(), nullable=False),
        sa.Column("hits", sa.BigInteger(), nullable=False),
        sa.Column("bytes_served", sa.BigInteger(), nullable=False),
        sa.Column("bytes_fetched", sa.BigInteger(), nullable=False),
        sa.Column("since", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("ecosystem", name="pk_cache_totals"),
    )
    op.create_table(
        "cache_sizes",
        sa.Column("ecosystem", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("files", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("ecosystem", name="pk_cache_sizes"),
    )
    op.create_table(
        "cache_log_files",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("bytes_read", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_cache_log_files"),
    )
    op.create_table(
        "build_durations",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("seconds", _JSON, nullable=False),
        sa.Column("updated_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("name", "service", name="pk_build_durations"),
    )


def downgrade() -> None:
    """Drops them."""
    for table in ("build_durations", "cache_log_files", "cache_sizes", "cache_totals"):
        op.drop_table(table)
