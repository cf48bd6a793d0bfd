"""The commands about apps: install, uninstall, apps, show, logs, catalog."""

from collections.abc import Mapping
from typing import Any

import click
from click.shell_completion import CompletionItem

from homeport.cli.client import ApiProblemError, ApiUnreachableError
from homeport.cli.follow import follow_job
from homeport.cli.main import EXIT_FAILED, Command, Context
from homeport.cli.output import is_interactive, size
from homeport.errors import HomeportError


def _complete(path: str, key: str) -> Any:
    """A completion of names that the API lists; silent where it cannot be asked."""

    def complete(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
        try:
            items = list(Context(url=None, token=None, is_json=False).client.pages(path))
        except (ApiProblemError, ApiUnreachableError, HomeportError):
            return []
        return [CompletionItem(item[key]) for item in items if item[key].startswith(begun)]

    return complete


complete_apps = _complete("/v1/apps", "identifier")


def report_job(context: Context, job: Mapping[str, Any], *, follow: bool) -> Mapping[str, Any] | None:
    """Follows an accepted job to its end, or says how to; the job if it succeeded.

    Raises:
        Exit: the job failed or was cancelled; with the exit code for that.
    """
    printer = context.printer
    if not follow:
        if printer.is_json:
            printer.json(job)
        else:
            printer.say(f"job {job['id']} is accepted; see it with: homeport job {job['id']}")
        return None
    try:
        ended = follow_job(context.client, job["id"], printer)
    except KeyboardInterrupt:
        printer.err.print(f"The job goes on. See it: homeport job {job['id']}; stop it: add --cancel.")
        raise
    if printer.is_json:
        printer.json(ended)
    if ended["state"] != "succeeded":
        if not printer.is_json:
            printer.problem(ended["problem"] or {"title": f"The job was {ended['state']}."})
        raise click.exceptions.Exit(EXIT_FAILED)
    return ended


follow_option = click.option("--follow/--no-follow", default=True, help="Wait for the job's end (default).")


@click.command(cls=Command)
@click.argument("definition", shell_complete=_complete("/v1/catalog", "name"))
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
    if report_job(context, job, follow=follow) is None or context.is_json:
        return
    app = context.client.call("GET", f"/v1/apps/{job['subject']}")
    where = f" It answers on port {app['host_port']}." if app["host_port"] else ""
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
        if not is_interactive():
            raise click.UsageError("--purge deletes the app's data: add --yes where nobody can be asked.")
        click.confirm(f"Delete all data of {identifier}?", abort=True)
    query = {"purge": str(purge).lower(), "remove_images": str(remove_images).lower()}
    job = context.client.call("DELETE", f"/v1/apps/{identifier}", params=query)
    if report_job(context, job, follow=follow) is not None:
        kept = "and its data deleted" if purge else "its data was kept"
        context.printer.say(f"{identifier} is removed, {kept}.")


@click.command(cls=Command, name="apps")
@click.pass_obj
def list_apps(context: Context) -> None:
    """List the installed apps."""
    found = list(context.client.pages("/v1/apps"))
    if context.is_json:
        context.printer.json(found)
        return
    rows = [
        [app["identifier"], app["state"], app["version"], app["host_port"], app["host_name"], app["title"]]
        for app in found
    ]
    if rows or not context.printer.is_live:
        context.printer.table(["IDENTIFIER", "STATE", "VERSION", "PORT", "HOST NAME", "TITLE"], rows)
    else:
        context.printer.say("No app is installed. See what there is: homeport catalog")


@click.command(cls=Command)
@click.argument("identifier", shell_complete=complete_apps)
@click.pass_obj
def show(context: Context, identifier: str) -> None:
    """Show one app."""
    app = context.client.call("GET", f"/v1/apps/{identifier}")
    if context.is_json:
        context.printer.json(app)
        return
    limits = app["limits"]
    pairs: list[tuple[str, Any]] = [
        (name, app[name.replace(" ", "_")])
        for name in (
            "identifier",
            "title",
            "definition",
            "version",
            "state",
            "app_id",
            "host_name",
            "host_port",
        )
    ]
    pairs += [
        ("cpus", limits["cpus"]),
        ("memory", size(limits["memory_bytes"])),
        ("processes", limits["pids"]),
        ("data", ", ".join(app["data"]) or None),
        ("installed", app["created_at"]),
    ]
    pairs += [(f"image {service}", image["image"]) for service, image in app["images"].items()]
    pairs += [
        ("port", f"{port['host_port']} -> {port['container_port']}/{port['protocol']}")
        for port in app["ports"]
    ]
    context.printer.fields(pairs)


@click.command(cls=Command)
@click.argument("identifier", shell_complete=complete_apps)
@click.option("--tail", default=100, show_default=True, help="Lines from the end.")
@click.option("--follow", "-f", is_flag=True, help="Go on as lines come.")
@click.option("--service", help="Of this service only.")
@click.pass_obj
def logs(context: Context, identifier: str, tail: int, follow: bool, service: str | None) -> None:
    """Print an app's log."""
    query = {"tail": tail, "follow": str(follow).lower(), "service": service}
    for line in context.client.lines(f"/v1/apps/{identifier}/logs", **query):
        if context.is_json:
            context.printer.json({"line": line})
        else:
            click.echo(line)


@click.command(cls=Command)
@click.argument("name", required=False, shell_complete=_complete("/v1/catalog", "name"))
@click.pass_obj
def catalog(context: Context, name: str | None) -> None:
    """List what can be installed, or show one definition."""
    if name is not None:
        found = context.client.call("GET", f"/v1/catalog/{name}")
        if context.is_json:
            context.printer.json(found)
        else:
            context.printer.fields(
                [(key, value) for key, value in found.items() if value not in (None, [], {})]
            )
        return
    entries = list(context.client.pages("/v1/catalog"))
    if context.is_json:
        context.printer.json(entries)
        return
    rows = [
        [entry["name"], entry.get("version"), entry.get("title"), entry.get("description")]
        for entry in entries
    ]
    context.printer.table(["NAME", "VERSION", "TITLE", "DESCRIPTION"], rows)


COMMANDS = (install, uninstall, list_apps, show, logs, catalog)
