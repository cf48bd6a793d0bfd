"""The command about the certificates that HTTPS is served with."""

from pathlib import Path

import click

from homeport.cli.client import path_of
from homeport.cli.complete import complete_certificates
from homeport.cli.main import Command, Context, Group

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.group(cls=Group)
def certificate() -> None:
    """List, give and remove the certificates that HTTPS is served with."""


@certificate.command(cls=Command, name="list")
@click.pass_obj
def list_certificates(context: Context) -> None:
    """List them, with the host names that each covers."""
    found = list(context.client.pages("/v1/certificates"))
    if context.answers_json(found):
        return
    rows = [
        [one["name"], ", ".join(one["names"]), one["not_after"], one["problem"] or "served"] for one in found
    ]
    context.printer.table(["NAME", "COVERS", "VALID UNTIL", "STATE"], rows)
    if not rows:
        context.printer.remark("There is none: apps are served over HTTP alone.")


@certificate.command(cls=Command)
@click.argument("name")
@click.option("--chain", required=True, type=_FILE, help="PEM: the host's, then those above it.")
@click.option("--key", required=True, type=_FILE, help="PEM: its private key, without a passphrase.")
@click.pass_obj
def add(context: Context, *, name: str, chain: Path, key: Path) -> None:
    """Give a certificate with its key, or put it in the place of one of its name; nothing is restarted."""
    body = {
        "name": name,
        "chain": chain.read_text(encoding="utf-8", errors="replace"),
        "key": key.read_text(encoding="utf-8", errors="replace"),
    }
    made = context.client.call("POST", "/v1/certificates", json=body)
    if not context.answers_json(made):
        context.printer.say(f"{name} is kept for {', '.join(made['names'])}.")
        context.printer.remark("Whether it is served: homeport certificate list")


@certificate.command(cls=Command)
@click.argument("name", shell_complete=complete_certificates)
@click.pass_obj
def remove(context: Context, name: str) -> None:
    """Remove a certificate: its names are served over HTTP alone."""
    context.client.call("DELETE", path_of("certificates", name))
    context.printer.say(f"The certificate {name} is removed.")


COMMANDS = (certificate,)
