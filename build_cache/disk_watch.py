"""Stopping a build before it has filled the disk.

BuildKit needs space to clean up: on a disk that is full to the last byte, what a failed instruction wrote
stayed there (seen with Engine 26.1), and nothing else on the box could write any more.
"""

from collections.abc import Collection
from pathlib import Path

from homeport.errors import DiskFullError
from homeport.host.disk import free_bytes

_MIB = 1024 * 1024


class DiskWatch:
    """Remembers how much must stay free on each disk.

    Args:
        places: a path on each.
        spare_bytes: what is to stay free; where less than twice that is free now, half of what is.
    """

    def __init__(self, places: Collection[Path], spare_bytes: int) -> None:
        self._floors = {place: min(spare_bytes, free_bytes(place) // 2) for place in places}

    def look(self) -> None:
        """Returns while there is enough. To be called several times a second.

        Raises:
            DiskFullError: less than that is free.
        """
        for place, floor in self._floors.items():
            free = free_bytes(place)
            if free < floor:
                raise DiskFullError(
                    f"The disk of {place} is nearly full.",
                    why=f"It was stopped with {free / _MIB:.0f} MiB left there, since the box needs some.",
                    remedy="Free some space: remove apps, images or files that are not needed.",
                    path=str(place),
                    needed_bytes=floor,
                    free_bytes=free,
                )
