"""Completion of names that the API lists."""

from collections.abc import Callable
from itertools import islice
from typing import TypeVar

import click
from click.shell_completion import CompletionItem

from homeport.cli.client import ApiClient, ApiProblemError, ApiUnreachableError
from homeport.cli.main import Context
from homeport.errors import HomeportError

_MOST = 200  # a shell shows no more of use, and a box may have had many jobs

T = TypeVar("T")

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def complete_from(path: str, key: str) -> Complete:
    """A completion of the names under `key` in the list at `path`; silent where it cannot be asked."""

    def complete(context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
        items = ask_quietly(context, lambda client: list(islice(client.pages(path), _MOST))) or []
        return [CompletionItem(item[key]) for item in items if item[key].startswith(begun)]

    return complete


def ask_quietly(context: click.Context, question: Callable[[ApiClient], T]) -> T | None:
    """What the API answers; None where it cannot be asked, for a completion must not speak."""
    given = context.find_root().params
    asked = Context(url=given.get("url"), token=given.get("token"), is_json=False)
    try:
        return question(asked.client)
    except (ApiProblemError, ApiUnreachableError, HomeportError):
        return None


complete_apps = complete_from("/v1/apps", "identifier")
complete_catalog = complete_from("/v1/catalog", "name")
complete_catalogs = complete_from("/v1/catalog/sources", "name")
complete_certificates = complete_from("/v1/certificates", "name")
complete_jobs = complete_from("/v1/jobs", "id")
complete_tokens = complete_from("/v1/tokens", "name")


def complete_definition(
    context: click.Context, parameter: click.Parameter, begun: str
) -> list[CompletionItem]:
    """Definitions of the catalog, or folders; never both, for bash forgets names where folders are asked."""
    found = [] if begun.startswith((".", "/")) else complete_catalog(context, parameter, begun)
    return found or [CompletionItem(begun, type="dir")]
