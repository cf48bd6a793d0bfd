"""What Compose's last words mean, as errors of ours. Pure.

Compose passes the engine's refusals on as text alone, so here the text has to be read: its words were seen
with Engine 26.1 and Compose 5.6.
"""

import re
from collections.abc import Sequence

from homeport.errors import ForeignObjectError, HomeportError, PortInUseError, StartFailedError

_PORT = re.compile(r"(?:Bind for|listen (?:tcp|udp)[46]?|exposing port (?:TCP|UDP)) \S*?:(\d{1,5})\b")
_PORT_WORDS = ("port is already allocated", "address already in use")
_NAME = re.compile(r'container name "/?([^"]+)" is already in use')
_DEPENDENCY = re.compile(r"dependency failed to start: container (\S+)")
_NO_IMAGE = re.compile(r"No such image: (\S+)")


def port_in_the_way(message: str) -> int | None:
    """The host port that something else holds, if that is what the message says."""
    if not any(words in message for words in _PORT_WORDS):
        return None
    found = _PORT.search(message)
    return int(found[1]) if found else None


def failed_dependency(message: str) -> str | None:
    """The container that others waited for in vain, if that is what the message says."""
    found = _DEPENDENCY.search(message)
    return found[1] if found else None


def start_failure(project: str, message: str, tail: Sequence[str], *, holder: str = "") -> HomeportError:
    """The error for a start that failed.

    Args:
        project: the compose project.
        message: Compose's last message; "" if it gave none.
        tail: the last lines that it wrote.
        holder: who listens on the port in the way, where that is known.
    """
    port = port_in_the_way(message)
    if port is not None:
        return PortInUseError(
            f"Port {port} of this machine is in use.",
            why=f"{holder or 'Something else'} holds it.",
            remedy="Stop that program, or install the app under another app_id.",
            port=port,
        )
    if found := _NAME.search(message):
        return foreign_container(found[1])
    if found := _NO_IMAGE.search(message):
        return StartFailedError(
            f"{project} could not be started.",
            why=f"The image {found[1]} is not on this machine any more.",
            remedy="Install the app again: its images are fetched anew.",
            last_lines=list(tail),
        )
    return StartFailedError(
        f"{project} could not be started.",
        why=message or "Compose gave no reason.",
        remedy="Look at the job's log: it has all that Compose said.",
        last_lines=list(tail),
    )


def foreign_container(name: str) -> ForeignObjectError:
    """The error for a container of a name that the app needs, and that is not the app's."""
    return ForeignObjectError(
        f"A container named {name!r} exists, and it is not this app's.",
        why="Two containers cannot have one name, and Homeport touches none that it did not make.",
        remedy=f"Rename or remove it (docker rename {name} …), or choose another identifier.",
        kind="container",
        name=name,
    )
