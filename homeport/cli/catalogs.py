"""The command about the catalog: its definitions, and the catalogs that were added."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click
from click.shell_completion import CompletionItem

from homeport.cli.client import path_of
from homeport.cli.complete import complete_catalog, complete_catalogs
from homeport.cli.follow import follow_option, report_job
from homeport.cli.granting import RISK_WORDS
from homeport.cli.main import EXIT_FAILED, Command, Context, Group
from homeport.models import CatalogKind
from homeport.risks import Risk


class _CatalogGroup(Group):
    """A group in which any other word is a definition's name: it is shown."""

    def resolve_command(
        self, context: click.Context, words: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command named, or `show` with all that was written."""
        if words and words[0] not in self.commands and not words[0].startswith("-"):
            words = [show.name or "show", *words]
        return super().resolve_command(context, words)

    def shell_complete(self, context: click.Context, incomplete: str) -> list[CompletionItem]:
        """The commands, and the definitions."""
        definitions = complete_catalog(context, self.params[0], incomplete)
        return [*super().shell_complete(context, incomplete), *definitions]


@click.group(cls=_CatalogGroup, invoke_without_command=True)
@click.pass_context
def catalog(context: click.Context) -> None:
    """List what can be installed, show one definition, or say where definitions come from.

    `homeport catalog NAME` shows a definition; `homeport catalog show NAME` one that is named like a command.
    """
    if context.invoked_subcommand is None:
        _list_definitions(context.obj)


def _list_definitions(context: Context) -> None:
    entries = list(context.client.pages("/v1/catalog"))
    if context.answers_json(entries):
        return
    rows = [
        [entry["name"], entry["version"], entry["catalog"], _risk(entry), entry["title"], _description(entry)]
        for entry in entries
    ]
    context.printer.table(
        ["NAME", "VERSION", "CATALOG", "RISK", "TITLE", "DESCRIPTION"], rows, whole=["NAME"]
    )


def _risk(entry: Mapping[str, Any]) -> str | None:
    return entry["rating"]["risk"] if entry["rating"] else None


def _description(entry: Mapping[str, Any]) -> str | None:
    """What it is, in its first sentence, or why it cannot be installed."""
    if problem := entry["problem"]:
        return f"broken: {problem['what']}"
    first, stop, _ = (entry["description"] or "").partition(". ")
    return first + stop.strip() or None


@catalog.command(cls=Command)
@click.argument("name", shell_complete=complete_catalog)
@click.pass_obj
def show(context: Context, name: str) -> None:
    """Show one definition: what it runs, asks for, and lets you set."""
    found = context.client.call("GET", path_of("catalog", *name.split("/")))
    if not context.answers_json(found):
        context.printer.fields(_definition_fields(found))


def _definition_fields(found: Mapping[str, Any]) -> list[tuple[str, Any]]:
    web = found["web"]
    return [
        *((name, found[name]) for name in ("name", "catalog", "title", "version", "description")),
        ("web", f"{web['service']}, port {web['port']}, {web['path']}" if web else "none"),
        ("services", ", ".join(found["services"])),
        ("builds", ", ".join(found["builds"]) or None),
        *((f"image of {service}", image) for service, image in found["pulls"].items()),
        *(("further port", port_words(port)) for port in found["ports"]),
        *permission_fields(found["permissions"], found["rating"]),
        *((f"setting {name}", _setting(setting)) for name, setting in found["settings"].items()),
    ]


def permission_fields(
    permissions: Iterable[Mapping[str, str]], rating: Mapping[str, Any]
) -> list[tuple[str, Any]]:
    """Names and values that tell of permissions: how far they reach, and what each allows."""
    told = [("permission", f"{one['permission']}: {one['words']}") for one in permissions]
    return [("risk", RISK_WORDS[Risk(rating["risk"])]), *told]


def port_words(port: Mapping[str, Any]) -> str:
    """A published port: from the host's to the container's."""
    return f"{port['host_port']} -> {port['container_port']}/{port['protocol']}"


def _setting(setting: Mapping[str, Any]) -> str:
    given = "required" if setting["required"] else f"default {setting['default']!r}"
    return "; ".join(filter(None, [setting["description"], given]))


@catalog.command(cls=Command, name="list")
@click.pass_obj
def list_sources(context: Context) -> None:
    """List the catalogs that were added."""
    found = list(context.client.pages("/v1/catalog/sources"))
    if context.answers_json(found):
        return
    rows = [
        [
            source["name"],
            source["kind"],
            source["definitions"],
            source["refreshed_at"],
            source["source"],
            source["problem"]["what"] if source["problem"] else None,
        ]
        for source in found
    ]
    context.printer.table(["NAME", "KIND", "DEFINITIONS", "REFRESHED", "SOURCE", "PROBLEM"], rows)
    if not rows:
        context.printer.remark(
            "Only Homeport's own catalog is there. Add one: homeport catalog add NAME SOURCE"
        )


def _complete_folder(
    _context: click.Context, _parameter: click.Parameter, begun: str
) -> list[CompletionItem]:
    return [CompletionItem(begun, type="dir")]


@catalog.command(cls=Command)
@click.argument("name")
@click.argument("source", shell_complete=_complete_folder)
@click.option(
    "--kind", type=click.Choice([kind.value for kind in CatalogKind]), help="Default: told by the source."
)
@follow_option
@click.pass_obj
def add(context: Context, *, name: str, source: str, kind: str | None, follow: bool) -> None:
    """Add a catalog and fetch it.

    SOURCE is a folder or a git repository of the box by its whole path, or an https:// address of a git
    repository or of an index.
    """
    body = {"name": name, "source": source, **({"kind": kind} if kind else {})}
    job = context.client.submit("POST", "/v1/catalog/sources", json=body)
    _report(context, job, [name], follow=follow)


@catalog.command(cls=Command)
@click.argument("names", nargs=-1, shell_complete=complete_catalogs)
@follow_option
@click.pass_obj
def refresh(context: Context, *, names: tuple[str, ...], follow: bool) -> None:
    """Fetch catalogs anew: all, or those that are named."""
    job = context.client.submit("POST", "/v1/catalog/refresh", json={"catalogs": list(names)})
    _report(context, job, names, follow=follow)


@catalog.command(cls=Command)
@click.argument("name", shell_complete=complete_catalogs)
@click.pass_obj
def remove(context: Context, name: str) -> None:
    """Remove a catalog; the apps that came from it stay."""
    context.client.call("DELETE", path_of("catalog", "sources", name))
    if not context.answers_json({"removed": name}):
        context.printer.say(f"The catalog {name} is removed.")


def _report(context: Context, job: Mapping[str, Any], names: Sequence[str], *, follow: bool) -> None:
    """Follows a refresh, and says what each catalog has now.

    Raises:
        Exit: one of them could not be fetched.
    """
    if not report_job(context, job, follow=follow):
        return
    found = [
        source
        for source in context.client.pages("/v1/catalog/sources")
        if not names or source["name"] in names
    ]
    for source in found:
        if source["problem"]:
            context.printer.remark(
                f"{source['name']}: {source['problem']['what']} {source['problem']['why']}"
            )
        count = source["definitions"]
        context.printer.say(f"{source['name']}: {count} definition{'' if count == 1 else 's'}")
    fetched = {source["name"] for source in found}
    for entry in context.client.pages("/v1/catalog"):
        if entry["problem"] and entry["catalog"] in fetched:
            context.printer.remark(f"{entry['qualified']} is broken: {entry['problem']['what']}")
    if any(source["problem"] for source in found):
        raise click.exceptions.Exit(EXIT_FAILED)


COMMANDS = (catalog,)
