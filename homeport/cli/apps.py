"""The commands about apps: install, uninstall, apps, show, logs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from homeport.cli.build_reports import print_reports
from homeport.cli.catalogs import permission_fields, port_words
from homeport.cli.choices import grant_all_option, grant_option, set_option
from homeport.cli.client import ApiProblemError, path_of
from homeport.cli.complete import complete_apps, complete_definition
from homeport.cli.follow import follow_option, report_job
from homeport.cli.granting import Send, grant_options, send_granting
from homeport.cli.main import EXIT_FAILED, Command, Context
from homeport.cli.output import is_interactive, size
from homeport.cli.sending import is_written_as_path, send_folder
from homeport.errors import NotFoundError

_DEFINITION = "app.yml"
_SHIPPED = "homeport"  # the catalog whose definitions need no catalog before their names


@click.command(cls=Command)
@click.argument("definition", metavar="[CATALOG/]NAME|DIR", shell_complete=complete_definition)
@click.option("--as", "identifier", help="The app's identifier; default: the definition's name.")
@click.option("--app-id", type=int, help="The platform's number of the app; default: the next free one.")
@click.option("--host-name", help="Its host name; default: the identifier under the box's domain.")
@click.option("--alias", "aliases", multiple=True, help="A further host name; may be given several times.")
@grant_option
@grant_all_option
@set_option
@follow_option
@click.pass_obj
def install(
    context: Context,
    /,
    *,
    definition: str,
    granted: Sequence[str],
    grant_all: bool,
    follow: bool,
    **choices: Any,
) -> None:
    """Install an app: a definition of the catalog, or one in a folder.

    What is written as a path (./x, /x, x/) is a folder with app.yml; all of it is sent, but for .git. What
    goes beyond what every app may do is asked for on a terminal; elsewhere it must be granted by options.
    """
    given = {name: value for name, value in choices.items() if value not in (None, {}, ())}
    send = _sending_folder if is_written_as_path(definition) else _sending_name
    job = send_granting(context, send(context, definition, given), granted, grants_all=grant_all)
    if not report_job(context, job, follow=follow) or context.is_json:
        return
    ended = context.client.call("GET", path_of("jobs", job["id"]))
    print_reports(context.printer, ended["result"])
    app = context.client.call("GET", path_of("apps", job["subject"]))
    address = context.address_of(app)
    where = f" It answers at {address}" if address else ""
    context.printer.say(f"{app['identifier']} is installed.{where}")


def _sending_name(context: Context, name: str, given: Mapping[str, Any]) -> Send:
    """Asks for a definition of the catalog."""

    def send(granted: Sequence[str]) -> Any:
        body = {"definition": name, **given, **({"permissions": list(granted)} if granted else {})}
        try:
            return context.client.submit("POST", "/v1/apps", json=body)
        except ApiProblemError as error:
            if error.problem.code == NotFoundError.code and (Path(name) / _DEFINITION).is_file():
                remedy = f"To install the folder that is here: homeport install ./{name}"
                raise ApiProblemError(replace(error.problem, remedy=remedy)) from error
            raise

    return send


def _sending_folder(context: Context, written: str, given: Mapping[str, Any]) -> Send:
    """Sends the definition that is in a folder."""
    folder = Path(written)
    if not (folder / _DEFINITION).is_file():
        what = f"has no {_DEFINITION}" if folder.is_dir() else "is no folder"
        raise click.UsageError(f"{written} {what}.")
    query = {**given, **({"settings": json.dumps(given["settings"])} if "settings" in given else {})}
    query |= {"aliases": ",".join(given["aliases"])} if "aliases" in given else {}
    return lambda granted: send_folder(
        context, "/v1/apps", folder, **query, permissions=",".join(granted) or None
    )


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
    job = context.client.submit("DELETE", path_of("apps", identifier), params=query)
    if report_job(context, job, follow=follow):
        kept = "and its data deleted." if purge else f"its data was kept.\n{_way_back(app)}"
        context.printer.say(f"{identifier} is removed, {kept}")


def _way_back(app: Mapping[str, Any]) -> str:
    """The command that installs an app on its data and its port again."""
    name, catalog = app["definition"], app["catalog"]
    words = ["homeport install", name if catalog == _SHIPPED else f"{catalog}/{name}" if catalog else "DIR"]
    words += [] if app["identifier"] == name else [f"--as {app['identifier']}"]
    words += (
        [] if app["host_name"].startswith(f"{app['identifier']}.") else [f"--host-name {app['host_name']}"]
    )
    words += [f"--alias {alias}" for alias in app["aliases"]]
    words += [grant_options(one["permission"] for one in app["permissions"])]
    words += [f"--set {setting}=…" for setting in app["settings"]]
    again = " ".join(filter(None, words))
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
            app["host_name"] + (" (no route)" if app["no_route"] else ""),
            app["title"],
        ]
        for app in found
    ]
    columns = ["IDENTIFIER", "STATE", "VERSION", "ADDRESS", "HOST NAME", "TITLE"]
    context.printer.table(columns, rows, whole=["IDENTIFIER", "STATE", "ADDRESS"])
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
        ("catalog", app["catalog"] or "none: its folder was sent"),
        ("aliases", ", ".join(app["aliases"]) or None),
        ("address", address),
        ("no route", app["no_route"]),
        ("cores", limits["cpus"] or "all"),
        ("memory", size(limits["memory_bytes"])),
        ("processes", limits["pids"]),
        ("data", ", ".join(app["data"]) or None),
        ("installed", app["created_at"]),
        *((f"image of {service}", image["image"]) for service, image in app["images"].items()),
        *(("further port", port_words(port)) for port in app["ports"]),
        *permission_fields(app["permissions"], app["rating"]),
        *((f"setting {name}", value) for name, value in app["settings"].items()),
    ]


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


COMMANDS = (install, uninstall, list_apps, show, logs)
