"""The commands about the box: up, doctor, token, version, completion."""

import platform
from contextlib import suppress
from typing import Any

import click
from click.shell_completion import get_completion_class

from homeport import __version__
from homeport.cli.client import ApiUnreachableError
from homeport.cli.main import EXIT_FAILED, Command, Context, cli
from homeport.errors import InvalidInputError


@click.command(cls=Command)
@click.option("--prepare-only", is_flag=True, help="Make folders, database and token, and start nothing.")
@click.pass_obj
def up(context: Context, prepare_only: bool) -> None:
    """Run Homeport in the foreground, until it gets SIGTERM."""
    from homeport.cli.up import prepare, run_all

    if prepare_only:
        prepare(context.settings)
    else:
        run_all(context.settings)


@click.command(cls=Command)
@click.pass_obj
def doctor(context: Context) -> None:
    """Look what is missing on this machine, and say what mends it."""
    from homeport.cli.doctor import examine

    verdicts = examine(context.settings)
    if context.is_json:
        context.printer.json([verdict.as_json() for verdict in verdicts])
    else:
        context.printer.table(
            ["", "WHAT", "FOUND"], [[verdict.level, verdict.name, verdict.found] for verdict in verdicts]
        )
        for verdict in verdicts:
            if verdict.mend:
                context.printer.say(f"{verdict.name}: {verdict.mend}")
    if any(verdict.level == "bad" for verdict in verdicts):
        raise click.exceptions.Exit(EXIT_FAILED)


@click.command(cls=Command)
@click.argument("action", type=click.Choice(["list", "create", "revoke"]))
@click.argument("name", required=False)
@click.pass_obj
def token(context: Context, action: str, name: str | None) -> None:
    """List the tokens of the API, create one (printed once), or revoke one."""
    if action != "list" and name is None:
        raise click.UsageError(f"'homeport token {action}' needs the token's name.")
    if action == "create":
        made = context.client.call("POST", "/v1/tokens", json={"name": name})
        if context.is_json:
            context.printer.json(made)
        else:
            click.echo(made["token"])
        return
    if action == "revoke":
        context.client.call("DELETE", f"/v1/tokens/{name}")
        context.printer.say(f"The token {name} is revoked.")
        return
    found = list(context.client.pages("/v1/tokens"))
    if context.is_json:
        context.printer.json(found)
    else:
        context.printer.table(["NAME", "CREATED"], [[item["name"], item["created_at"]] for item in found])


@click.command(cls=Command)
@click.pass_obj
def version(context: Context) -> None:
    """Print the versions of Homeport and, where it runs, of the API."""
    shape: dict[str, Any] = {"homeport": __version__, "python": platform.python_version(), "api": None}
    with suppress(ApiUnreachableError):  # a version is asked for most often where something does not run
        shape["api"] = context.client.call("GET", "/v1/system")["version"]
    if context.is_json:
        context.printer.json(shape)
    else:
        context.printer.fields(list(shape.items()))


@click.command(cls=Command)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print a shell's completion script; try: eval "$(homeport completion bash)"."""
    found = get_completion_class(shell)
    if found is None:
        raise InvalidInputError(f"There is no completion for {shell}.", remedy="Use bash, zsh or fish.")
    click.echo(found(cli, {}, "homeport", "_HOMEPORT_COMPLETE").source())


COMMANDS = (up, doctor, token, version, completion)
