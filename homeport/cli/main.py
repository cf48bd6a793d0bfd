"""The `homeport` command: its options, its errors and its exit codes.

Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 the API cannot be reached, 130 interrupted.
"""

import ipaddress
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import click

from homeport import __version__
from homeport.cli.client import ApiClient, ApiProblemError, ApiUnreachableError
from homeport.cli.output import Printer
from homeport.errors import HomeportError, Problem
from homeport.settings import Settings, load_settings

EXIT_FAILED = 1
EXIT_UNREACHABLE = 3
EXIT_INTERRUPTED = 130  # 128 and SIGINT's number, as shells count


@dataclass(kw_only=True)
class Context:
    """What every command is given."""

    url: str | None
    token: str | None
    is_json: bool

    @cached_property
    def settings(self) -> Settings:
        """The box's settings."""
        return load_settings()

    @cached_property
    def printer(self) -> Printer:
        """Where results go."""
        return Printer(is_json=self.is_json)

    @cached_property
    def client(self) -> ApiClient:
        """The API, at `--url` or where the settings say."""
        return ApiClient(self._api_url, self.token or self._stored_token())

    def address_of(self, app: Mapping[str, Any]) -> str | None:
        """Where an app's pages open: by its name, else its port on the host whose API is asked.

        None for a headless app. A name within `localhost` is this machine's alone: there the port is told.
        """
        if app["host_port"] is None:
            return None
        if app["url"] and not app["host_name"].endswith(".localhost"):
            return str(app["url"])
        return f"http://{_openable(urlsplit(self._api_url).hostname)}:{app['host_port']}{app['path'] or '/'}"

    @property
    def _api_url(self) -> str:
        return self.url or f"http://{self.settings.listen}"

    def answers_json(self, shape: Any) -> bool:
        """Prints the shape where JSON was asked for; whether it was, so that nothing more is to be said."""
        if self.is_json:
            self.printer.json(shape)
        return self.is_json

    def _stored_token(self) -> str:
        path = self.settings.token_file
        try:
            return path.read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return ""
        except PermissionError as error:
            raise HomeportError(
                f"The token in {path} is not readable for you.",
                why="It belongs to the user who started Homeport.",
                remedy="Run the command as that user (sudo), or set HOMEPORT_TOKEN.",
            ) from error


def _openable(host: str | None) -> str:
    """The host as a browser takes it: `localhost` for this machine."""
    try:
        address = ipaddress.ip_address(host or "127.0.0.1")
    except ValueError:
        return host or "localhost"
    if address.is_loopback or address.is_unspecified:
        return "localhost"
    return f"[{address}]" if address.version == 6 else str(address)


def _check_url(_context: click.Context, _parameter: click.Parameter, url: str | None) -> str | None:
    if not url:
        return url
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address:
        raise click.UsageError(f"{url} is no address: give http://host:port")
    return url


def _set_json(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value:
        context.find_root().meta["homeport.json"] = True


json_option = click.option(
    "--json", is_flag=True, expose_value=False, callback=_set_json, is_eager=True, help="Print JSON."
)
"""`--json`, which may stand before a command's name and after it."""


class Command(click.Command):
    """A command that knows `--json` and hands its context over as a `Context`."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        json_option(self)

    def invoke(self, context: click.Context) -> Any:
        """Runs the command; by now it is known whether `--json` stood before or after its name."""
        given = context.find_object(Context)
        if given is not None:
            given.is_json = bool(context.find_root().meta.get("homeport.json"))
        return super().invoke(context)


class Group(Command, click.Group):
    """A command with commands of its own."""


class _Root(click.Group):
    """A group whose commands are `Command`s."""

    command_class = Command
    group_class = type


@click.group(cls=_Root, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="homeport")
@click.option(
    "--url",
    envvar="HOMEPORT_URL",
    callback=_check_url,
    help="The API's address; default: from the settings.",
)
@click.option("--token", envvar="HOMEPORT_TOKEN", help="The bearer token; default: from the token file.")
@json_option
@click.pass_context
def cli(context: click.Context, url: str | None, token: str | None) -> None:
    """Install, look at and remove the apps of this home server."""
    context.obj = Context(url=url, token=token, is_json=False)


def main() -> None:
    """Runs the command line; every error becomes words on standard error and an exit code."""
    from homeport.cli.commands import COMMANDS

    for command in COMMANDS:
        cli.add_command(command)
    wants_json = "--json" in sys.argv  # what click makes of it is lost with an error
    try:
        sys.exit(cli(standalone_mode=False))
    except click.Abort:
        sys.exit(EXIT_INTERRUPTED)
    except click.ClickException as error:
        if wants_json:
            _tell(Problem(code="usage", what=error.format_message()), wants_json)
        else:
            error.show()
        sys.exit(error.exit_code)
    except ApiProblemError as error:
        _tell(error.problem, wants_json)
        sys.exit(EXIT_FAILED)
    except HomeportError as error:
        _tell(error.problem(), wants_json)
        sys.exit(EXIT_FAILED)
    except ApiUnreachableError as error:
        remedy = "Start it with 'homeport up' (or scripts/up), or give its address with --url."
        _tell(Problem(code="api_unreachable", what=str(error), remedy=remedy), wants_json)
        sys.exit(EXIT_UNREACHABLE)


def _tell(problem: Problem, is_json: bool) -> None:
    Printer(is_json=is_json).problem(problem)
