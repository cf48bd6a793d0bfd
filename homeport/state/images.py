"""The images ledger: which images are ours, and which of them apps still need."""

from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from homeport.models import LedgerImage
from homeport.state.schema import APPS, IMAGES


def record_image(conn: Connection, image: LedgerImage) -> None:
    """Writes an image down; a known one keeps its origin and job, and gets the new name and last use."""
    known = conn.execute(
        update(IMAGES)
        .where(IMAGES.c.image_id == image.image_id)
        .values(reference=image.reference, size_bytes=image.size_bytes, last_used_at=image.last_used_at)
    )
    if known.rowcount == 0:
        conn.execute(insert(IMAGES), {column.name: getattr(image, column.name) for column in IMAGES.c})


def find_image(conn: Connection, image_id: str) -> LedgerImage | None:
    """The ledger's row of that image; None: it is not ours."""
    row = conn.execute(select(IMAGES).where(IMAGES.c.image_id == image_id)).first()
    return None if row is None else _image(row)


def ledger(conn: Connection) -> list[LedgerImage]:
    """Every image that is ours, oldest first."""
    query = select(IMAGES).order_by(IMAGES.c.created_at, IMAGES.c.image_id)
    return [_image(row) for row in conn.execute(query)]


def forget_image(conn: Connection, image_id: str) -> None:
    """Removes an image from the ledger, if it is there."""
    conn.execute(delete(IMAGES).where(IMAGES.c.image_id == image_id))


def needed_image_ids(conn: Connection, *, except_app: str | None) -> set[str]:
    """The ids of the images that the recorded apps run, that one app's apart."""
    query = select(APPS.c.images)
    if except_app is not None:
        query = query.where(APPS.c.identifier != except_app)
    return {image["id"] for images in conn.execute(query).scalars() for image in images.values()}


def _image(row: Row[Any]) -> LedgerImage:
    return LedgerImage(**row._mapping)
