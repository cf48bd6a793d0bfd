"""All commands of `homeport`, in the order of its help."""

from typing import Final

import click

from homeport.cli import (
    apps,
    box,
    builds,
    caches,
    catalogs,
    certificates,
    check,
    convert,
    explain,
    jobs,
    new,
    schedule,
)

_ABOUT_APPS: Final = (apps, catalogs, builds, new, convert, check)
_ABOUT_THE_BOX: Final = (jobs, schedule, caches, certificates, box, explain)

COMMANDS: Final[tuple[click.Command, ...]] = tuple(
    command for module in (*_ABOUT_APPS, *_ABOUT_THE_BOX) for command in module.COMMANDS
)
