"""The terms of an install: what the owner chose, granted and set, held against the definition. Pure."""

from collections.abc import Mapping
from typing import Any

from homeport.asked import InstallChoices
from homeport.catalog.granting import require_granted
from homeport.catalog.host_names import settle_host_names
from homeport.catalog.loaded import LoadedDefinition, builds_images
from homeport.catalog.owner_settings import settle_settings
from homeport.jobs import queue_of
from homeport.names import check_app_id, check_identifier
from homeport.permissions import parse_permissions
from homeport.settings import Settings


def settle_terms(loaded: LoadedDefinition, asked: InstallChoices, box: Settings) -> Mapping[str, Any]:
    """What an install of the definition is accepted with, by the names that `accept_install` has for it.

    Raises:
        InvalidInputError: a name, the app_id or a setting is not as it must be.
        TakenError: a host name is reserved.
        PermissionsNotGrantedError: it needs what is not granted.
    """
    name = loaded.definition.name
    identifier = check_identifier(name if asked.identifier is None else asked.identifier)
    host_label = identifier if asked.host_name is None else asked.host_name
    host_name, aliases = settle_host_names(host_label, asked.aliases, box)
    settings = settle_settings(loaded.definition, asked.settings)  # before anybody is asked to grant anything
    granted = require_granted(loaded, parse_permissions(asked.permissions))
    return {
        "definition": name,
        "identifier": identifier,
        "host_name": host_name,
        "aliases": aliases,
        "app_id": None if asked.app_id is None else check_app_id(asked.app_id),
        "ports": sorted(loaded.claimed_ports),
        "permissions": [str(permission) for permission in granted],
        "settings": settings,
        "queue": queue_of(builds_images=builds_images(loaded)),
    }
