"""The apps' host names besides the first one, whether they are published, and the owner's certificates."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_MOMENT = sa.BigInteger()


def upgrade() -> None:
    """Adds them. What runs is published: there was no proxy, and now there may be one."""
    op.add_column("apps", sa.Column("aliases", sa.JSON(), nullable=False, server_default="[]"))
    op.add_column("apps", sa.Column("published", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("apps", sa.Column("no_route", sa.Text(), nullable=False, server_default=sa.text("''")))
    op.execute("UPDATE apps SET published = TRUE WHERE state = 'running'")
    op.create_table(
        "certificates",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("names", sa.JSON(), nullable=False),
        sa.Column("pem", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("not_before", _MOMENT, nullable=False),
        sa.Column("not_after", _MOMENT, nullable=False),
        sa.Column("added_at", _MOMENT, nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_certificates"),
    )


def downgrade() -> None:
    """Drops them."""
    op.drop_table("certificates")
    for column in ("no_route", "published", "aliases"):
        op.drop_column("apps", column)
