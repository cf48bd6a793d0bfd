"""Completion of names that the API lists."""

from collections.abc import Callable
from itertools import islice

import click
from click.shell_completion import CompletionItem

from homeport.cli.client import ApiProblemError, ApiUnreachableError
from homeport.cli.main import Context
from homeport.errors import HomeportError

_MOST = 200  # a shell shows no more of use, and a box may have had many jobs

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def complete_from(path: str, key: str) -> Complete:
    """A completion of the names under `key` in the list at `path`; silent where it cannot be asked."""

    def complete(context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
        given = context.find_root().params
        asked = Context(url=given.get("url"), token=given.get("token"), is_json=False)
        try:
            items = list(islice(asked.client.pages(path), _MOST))
        except (ApiProblemError, ApiUnreachableError, HomeportError):
            return []
        return [CompletionItem(item[key]) for item in items if item[key].startswith(begun)]

    return complete


complete_apps = complete_from("/v1/apps", "identifier")
complete_catalog = complete_from("/v1/catalog", "name")
complete_jobs = complete_from("/v1/jobs", "id")
complete_tokens = complete_from("/v1/tokens", "name")
