"""Which catalogs the owner added, and from which one an app came, with what it was granted and set."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_JSON = sa.JSON(none_as_null=True)
_MOMENT = sa.BigInteger()


def upgrade() -> None:
    """Creates the table and the columns; apps from before came from the catalog that is shipped."""
    op.create_table(
        "catalogs",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("generation", sa.Text(), nullable=False),
        sa.Column("revision", sa.Text(), nullable=False),
        sa.Column("definitions", sa.Integer(), nullable=False),
        sa.Column("problem", _JSON),
        sa.Column("added_at", _MOMENT, nullable=False),
        sa.Column("refreshed_at", _MOMENT),
        sa.PrimaryKeyConstraint("name", name="pk_catalogs"),
    )
    op.add_column("apps", sa.Column("catalog", sa.Text()))
    op.add_column("apps", sa.Column("permissions", _JSON, nullable=False, server_default="[]"))
    op.add_column("apps", sa.Column("settings", _JSON, nullable=False, server_default="{}"))
    op.execute("UPDATE apps SET catalog = 'homeport'")


def downgrade() -> None:
    """Drops them."""
    for column in ("settings", "permissions", "catalog"):
        op.drop_column("apps", column)
    op.drop_table("catalogs")
