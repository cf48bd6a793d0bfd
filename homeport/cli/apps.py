"""The commands about apps: install, uninstall, apps, show, logs, catalog."""

from collections.abc import Mapping
from typing import Any

import click

from homeport.cli.build_reports import print_reports
from homeport.cli.client import path_of
from homeport.cli.complete import complete_apps, complete_catalog
from homeport.cli.follow import report_job
from homeport.cli.main import EXIT_FAILED, Command, Context
from homeport.cli.output import is_interactive, size

follow_option = click.option("--follow/--no-follow", default=True, help="Wait for the job's end (default).")


@click.command(cls=Command)
@click.argument("definition", shell_complete=complete_catalog)
@click.option("--as", "identifier", help="The app's identifier; default: the definition's name.")
@click.option("--app-id", type=int, help="The platform's number of the app; default: the next free one.")
@click.option("--host-name", help="Its host name; default: the identifier under the box's domain.")
@follow_option
@click.pass_obj
def install(
    context: Context,
    *,
    definition: str,
    identifier: str | None,
    app_id: int | None,
    host_name: str | None,
    follow: bool,
) -> None:
    """Install an app from the catalog."""
    asked = {
        "definition": definition,
        "identifier": identifier,
        "app_id": app_id,
        "host_name": host_name,
    }
    body = {key: value for key, value in asked.items() if value is not None}
    job = context.client.call("POST", "/v1/apps", json=body)
    if not report_job(context, job, follow=follow) or context.is_json:
        return
    ended = context.client.call("GET", path_of("jobs", job["id"]))
    print_reports(context.printer, ended["result"])
    app = context.client.call("GET", path_of("apps", job["subject"]))
    address = context.address_of(app)
    where = f" It answers at {address}" if address else ""
    context.printer.say(f"{app['identifier']} is installed.{where}")


@click.command(cls=Command)
@click.argument("identifier", shell_complete=complete_apps)
@click.option("--purge", is_flag=True, help="Delete its data too: folders and volumes that Homeport made.")
@click.option(
    "--remove-images", is_flag=True, help="Remove its images, if they are ours and nobody needs them."
)
@click.option("--yes", is_flag=True, help="Do not ask before data is deleted.")
@follow_option
@click.pass_obj
def uninstall(
    context: Context, *, identifier: str, purge: bool, remove_images: bool, yes: bool, follow: bool
) -> None:
    """Remove an app; its data stays unless --purge is given."""
    if purge and not yes:
        _ask_to_delete(context, identifier)
    query = {"purge": str(purge).lower(), "remove_images": str(remove_images).lower()}
    app = context.client.call("GET", path_of("apps", identifier))
    job = context.client.call("DELETE", path_of("apps", identifier), params=query)
    if report_job(context, job, follow=follow):
        kept = "and its data deleted." if purge else f"its data was kept.\n{_way_back(app)}"
        context.printer.say(f"{identifier} is removed, {kept}")


def _way_back(app: Mapping[str, Any]) -> str:
    """The command that installs an app on its data and its port again."""
    named = "" if app["identifier"] == app["definition"] else f" --as {app['identifier']}"
    again = f"homeport install {app['definition']}{named}"
    return f"To have it back with its data: {again}; add --app-id {app['app_id']} to keep its port too."


def _ask_to_delete(context: Context, identifier: str) -> None:
    if not is_interactive():
        raise click.UsageError("--purge deletes the app's data: add --yes where nobody can be asked.")
    if not click.confirm(f"Delete all data of {identifier}?", err=True):
        context.printer.remark("Nothing was changed.")
        raise click.exceptions.Exit(EXIT_FAILED)


@click.command(cls=Command, name="apps")
@click.pass_obj
def list_apps(context: Context) -> None:
    """List the installed apps."""
    found = list(context.client.pages("/v1/apps"))
    if context.answers_json(found):
        return
    rows = [
        [
            app["identifier"],
            app["state"],
            app["version"],
            context.address_of(app),
            app["host_name"],
            app["title"],
        ]
        for app in found
    ]
    context.printer.table(["IDENTIFIER", "STATE", "VERSION", "ADDRESS", "HOST NAME", "TITLE"], rows)
    if not rows:
        context.printer.remark("No app is installed. See what there is: homeport catalog")


@click.command(cls=Command)
@click.argument("identifier", shell_complete=complete_apps)
@click.pass_obj
def show(context: Context, identifier: str) -> None:
    """Show one app."""
    app = context.client.call("GET", path_of("apps", identifier))
    if not context.answers_json(app):
        context.printer.fields(_app_fields(app, context.address_of(app)))


def _app_fields(app: Mapping[str, Any], address: str | None) -> list[tuple[str, Any]]:
    names = ("identifier", "title", "definition", "version", "state", "app_id", "host_name", "host_port")
    limits = app["limits"]
    return [
        *((name.replace("_", " "), app[name]) for name in names),
        ("address", address),
        ("cores", limits["cpus"] or "all"),
        ("memory", size(limits["memory_bytes"])),
        ("processes", limits["pids"]),
        ("data", ", ".join(app["data"]) or None),
        ("installed", app["created_at"]),
        *((f"image of {service}", image["image"]) for service, image in app["images"].items()),
        *(("further port", _port(port)) for port in app["ports"]),
    ]


def _port(port: Mapping[str, Any]) -> str:
    return f"{port['host_port']} -> {port['container_port']}/{port['protocol']}"


@click.command(cls=Command)
@click.argument("identifier", shell_complete=complete_apps)
@click.option(
    "--tail", type=click.IntRange(0, 10000), default=100, show_default=True, help="Lines from the end."
)
@click.option("--follow", "-f", is_flag=True, help="Go on as lines come, until interrupted.")
@click.option("--service", help="Of this service only.")
@click.pass_obj
def logs(context: Context, identifier: str, tail: int, follow: bool, service: str | None) -> None:
    """Print an app's log."""
    query = {"tail": tail, "follow": str(follow).lower(), "service": service}
    for line in context.client.lines(path_of("apps", identifier, "logs"), may_be_quiet=follow, **query):
        context.printer.foreign_line(line)


@click.command(cls=Command)
@click.argument("name", required=False, shell_complete=complete_catalog)
@click.pass_obj
def catalog(context: Context, name: str | None) -> None:
    """List what can be installed, or show one definition."""
    if name is not None:
        found = context.client.call("GET", path_of("catalog", name))
        if not context.answers_json(found):
            context.printer.fields(_definition_fields(found))
        return
    entries = list(context.client.pages("/v1/catalog"))
    if context.answers_json(entries):
        return
    rows = [[entry["name"], entry["version"], entry["title"], _description(entry)] for entry in entries]
    context.printer.table(["NAME", "VERSION", "TITLE", "DESCRIPTION"], rows)


def _description(entry: Mapping[str, Any]) -> str | None:
    """What it is, in its first sentence, or why it cannot be installed."""
    if problem := entry["problem"]:
        return f"broken: {problem['what']}"
    first, stop, _ = (entry["description"] or "").partition(". ")
    return first + stop.strip() or None


def _definition_fields(found: Mapping[str, Any]) -> list[tuple[str, Any]]:
    web = found["web"]
    return [
        *((name, found[name]) for name in ("name", "title", "version", "description")),
        ("web", f"{web['service']}, port {web['port']}, {web['path']}" if web else "none"),
        ("services", ", ".join(found["services"])),
        ("builds", ", ".join(found["builds"]) or None),
        *((f"image of {service}", image) for service, image in found["pulls"].items()),
        *(("further port", _port(port)) for port in found["ports"]),
    ]


COMMANDS = (install, uninstall, list_apps, show, logs, catalog)
