"""The commands about the box: up, doctor, token, version, completion."""

import platform
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
from click.shell_completion import get_completion_class

from homeport import __version__
from homeport.cli.client import ApiProblemError, ApiUnreachableError, path_of
from homeport.cli.complete import complete_tokens
from homeport.cli.main import EXIT_FAILED, Command, Context, cli
from homeport.cli.settings_table import markdown_table, settings_in_force
from homeport.errors import HomeportError, InvalidInputError


@click.command(cls=Command)
@click.option("--prepare-only", is_flag=True, help="Make folders, database and token, and start nothing.")
@click.option(
    "--log-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write what all processes say into this file, and rotate it; default: standard output.",
)
@click.pass_obj
def up(context: Context, prepare_only: bool, log_file: Path | None) -> None:
    """Run Homeport in the foreground, until it gets SIGTERM."""
    from homeport.cli.up import prepare, run_all

    if prepare_only:
        prepare(context.settings)
    else:
        run_all(context.settings, log_file.absolute() if log_file else None)


@click.command(cls=Command)
@click.pass_obj
def doctor(context: Context) -> None:
    """Look what is missing on this machine, and say what mends it."""
    from homeport.cli.doctor import examine

    verdicts = examine(context.settings)
    if not context.answers_json([verdict.as_json() for verdict in verdicts]):
        rows = [[verdict.level, verdict.name, verdict.found, verdict.mend] for verdict in verdicts]
        context.printer.table(["", "WHAT", "FOUND", "WHAT MENDS IT"], rows)
    if any(verdict.level == "bad" for verdict in verdicts):
        raise click.exceptions.Exit(EXIT_FAILED)


@click.command(cls=Command)
@click.option(
    "--markdown", is_flag=True, help="Print the table of docs/settings.md: names, defaults, meaning."
)
@click.pass_obj
def settings(context: Context, *, markdown: bool) -> None:
    """List what may be set, with the values in force."""
    if markdown:
        click.echo(markdown_table(), nl=False)
        return
    found = settings_in_force(context.settings)
    if not context.answers_json(found):
        rows = [[item["name"], item["value"], item["meaning"]] for item in found]
        context.printer.table(["NAME", "VALUE", "MEANING"], rows)


@click.command(cls=Command)
@click.argument("action", type=click.Choice(["list", "create", "revoke"]))
@click.argument("name", required=False, shell_complete=complete_tokens)
@click.pass_obj
def token(context: Context, action: str, name: str | None) -> None:
    """List the tokens of the API, create one (printed once), or revoke one."""
    if (name is None) != (action == "list"):
        raise click.UsageError(
            f"'homeport token {action}' needs the token's name."
            if name is None
            else "'homeport token list' takes no name."
        )
    match action, name:
        case "create", str():
            _create_token(context, name)
        case "revoke", str():
            context.client.call("DELETE", path_of("tokens", name))
            context.printer.say(f"The token {name} is revoked.")
        case _:
            _list_tokens(context)


def _create_token(context: Context, name: str) -> None:
    made = context.client.call("POST", "/v1/tokens", json={"name": name})
    if not context.answers_json(made):
        click.echo(made["token"])


def _list_tokens(context: Context) -> None:
    found = list(context.client.pages("/v1/tokens"))
    if not context.answers_json(found):
        context.printer.table(["NAME", "CREATED"], [[item["name"], item["created_at"]] for item in found])


@click.command(cls=Command)
@click.pass_obj
def version(context: Context) -> None:
    """Print the versions of Homeport and, where it runs, of the API."""
    shape: dict[str, Any] = {"homeport": __version__, "python": platform.python_version(), "api": None}
    # A version is asked for most often where something does not work.
    with suppress(ApiUnreachableError, ApiProblemError, HomeportError):
        shape["api"] = context.client.call("GET", "/v1/system")["version"]
    if not context.answers_json(shape):
        context.printer.fields(list(shape.items()))


@click.command(cls=Command)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print a shell's completion script; try: eval "$(homeport completion bash)"."""
    found = get_completion_class(shell)
    if found is None:
        raise InvalidInputError(f"There is no completion for {shell}.", remedy="Use bash, zsh or fish.")
    click.echo(found(cli, {}, "homeport", "_HOMEPORT_COMPLETE").source())


COMMANDS = (up, doctor, settings, token, version, completion)
