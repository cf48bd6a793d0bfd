"""Whether what app.yml declares, what the compose file needs and what the owner granted agree. Pure."""

from collections.abc import Collection, Iterable, Iterator

from homeport.catalog.loaded import LoadedDefinition
from homeport.catalog.yaml12 import YamlDocument
from homeport.errors import Finding, PermissionsNotGrantedError
from homeport.permissions import Permission, PermissionKind, missing_permissions
from homeport.risks import permission_json, rate


def require_granted(loaded: LoadedDefinition, granted: Collection[Permission]) -> tuple[Permission, ...]:
    """What is to be stored as granted: what the definition declares, and nothing more.

    Raises:
        PermissionsNotGrantedError: the definition declares what was not granted.
    """
    missing = missing_permissions(loaded.permissions, granted)
    if missing:
        name = loaded.definition.name
        listed = ", ".join(str(permission) for permission in missing)
        raise PermissionsNotGrantedError(
            f"{name} needs permissions that were not granted.",
            why=f"Not granted: {listed}.",
            remedy="Read what they allow, and grant them with the install, or choose another app.",
            missing=[permission_json(permission) for permission in missing],
            rating=rate(loaded.permissions).as_json(),
            name=name,
            title=loaded.definition.title,
        )
    return loaded.permissions


def check_unused(
    app: YamlDocument, texts: Iterable[str], needed: Collection[Permission]
) -> Iterator[Finding]:
    """What app.yml declares and nothing in the compose file needs."""
    for index, text in enumerate(texts):
        permission = Permission.parse(text)
        if permission not in needed:
            what = f"Nothing in the compose file needs {permission}."
            yield app.finding(("permissions", index), "permission-unused", what, _remedy(permission, needed))


def _remedy(permission: Permission, needed: Collection[Permission]) -> str:
    if permission.kind is PermissionKind.BIND and any(permission.covers(other) for other in needed):
        return f"It is only read: write `{permission}:ro`."
    return "Leave it out."
