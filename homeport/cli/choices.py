"""The options by which an owner grants permissions and sets settings: --grant, --grant-all and --set."""

from collections.abc import Iterable, Mapping
from typing import Any

import click
from click.shell_completion import CompletionItem

from homeport.cli.client import path_of
from homeport.cli.complete import ask_quietly
from homeport.permissions import PermissionKind, parse_permissions


def _permissions(_context: click.Context, _parameter: click.Parameter, texts: Iterable[str]) -> list[str]:
    try:
        return [str(permission) for permission in parse_permissions(texts)]
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _settings(_context: click.Context, _parameter: click.Parameter, pairs: Iterable[str]) -> dict[str, str]:
    settings: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not name or not equals:
            raise click.BadParameter(f"{pair[:100]!r} is no setting: write NAME=VALUE.")
        if name in settings:
            raise click.BadParameter(f"{name} is set twice.")
        settings[name] = value
    return settings


def _complete_permission(
    context: click.Context, _parameter: click.Parameter, begun: str
) -> list[CompletionItem]:
    """What the named definition asks for; where that is not known, the kinds of permissions."""
    definition = _definition(context)
    asked = (
        [one["permission"] for one in definition["permissions"]]
        if definition
        else [kind.value for kind in PermissionKind]
    )
    return [CompletionItem(text) for text in asked if text.startswith(begun)]


def _complete_setting(
    context: click.Context, _parameter: click.Parameter, begun: str
) -> list[CompletionItem]:
    definition = _definition(context)
    settings: Mapping[str, Any] = definition["settings"] if definition else {}
    return [
        CompletionItem(f"{name}=", help=setting["description"])
        for name, setting in settings.items()
        if name.startswith(begun)
    ]


def _definition(context: click.Context) -> Mapping[str, Any] | None:
    """The definition that the command names, as the catalog shows it."""
    # Behind an option without its value, click leaves all words where they are.
    name = context.params.get("definition") or context.params.get("source") or next(iter(context.args), None)
    if not name:
        return None
    found: Mapping[str, Any] | None = ask_quietly(
        context, lambda client: client.call("GET", path_of("catalog", *name.split("/")))
    )
    return found


grant_option = click.option(
    "--grant",
    "granted",
    metavar="PERMISSION",
    multiple=True,
    callback=_permissions,
    shell_complete=_complete_permission,
    help="Grant a permission that the definition asks for, capability:NET_ADMIN say. May be repeated.",
)
grant_all_option = click.option(
    "--grant-all", is_flag=True, help="Grant all that the definition asks for, without being asked."
)
set_option = click.option(
    "--set",
    "settings",
    metavar="NAME=VALUE",
    multiple=True,
    callback=_settings,
    shell_complete=_complete_setting,
    help="Set one of the definition's settings. May be repeated.",
)
