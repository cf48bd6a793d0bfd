"""An app's virtual host for Apache, from Amahi's template. Pure.

Each placeholder is filled with something that was looked at for its place: names and aliases are host names,
the port is a number, the folder is one of ours. The owner's own options alone are text; no definition has a
way to them.
"""

import re
from pathlib import Path
from typing import Final

from homeport.errors import InvalidInputError
from homeport.names import is_label
from proxy.own_files import is_plain
from proxy.routes import Route

TEMPLATE: Final = Path(__file__).with_name("app-container.conf")

_PLACEHOLDER: Final = re.compile(
    r"\b(HDA_APP_NAME|HDA_DOMAIN|APP_ALIASES|APP_CUSTOM_OPTIONS|APP_PORT|APP_ROOT_DIR)\b"
)
_SECTION: Final = re.compile(r"^\s*</?\s*VirtualHost\b", re.IGNORECASE | re.MULTILINE)


def render_virtual_host(
    template: str, route: Route, *, log_dir: Path, rotatelogs: str = "rotatelogs", options: str = ""
) -> str:
    """The file of an app.

    Args:
        template: with Amahi's placeholders; one may stand several times.
        route: the app's.
        log_dir: where Apache's log of the app goes.
        rotatelogs: where that program of Apache's is; the template names it without a folder.
        options: the owner's own directives for it.

    Raises:
        InvalidInputError: something cannot stand in its place.
    """
    first, *further = route.names
    name, _, domain = first.partition(".")
    for host in route.names:
        if not all(is_label(label) for label in host.split(".")):
            raise _unfit(f"the host name {host!r}", "it consists of other than labels")
    filled = {
        "HDA_APP_NAME": name,
        "HDA_DOMAIN": domain,
        "APP_ALIASES": " ".join(further) or first,  # Apache takes no alias for a mistake
        "APP_PORT": str(int(route.port)),
        "APP_ROOT_DIR": _folder(log_dir),
        "APP_CUSTOM_OPTIONS": _options(options),
    }
    text = template.replace('"|rotatelogs ', f'"|{rotatelogs} ')
    return _PLACEHOLDER.sub(lambda found: filled[found[1]], text)


def _folder(path: Path) -> str:
    if is_plain(path):
        return str(path)
    raise _unfit(f"the folder {path}", "it has other characters than Apache's configuration may have")


def _options(text: str) -> str:
    """What would end this virtual host, and begin something that is not this app's, is refused."""
    if _SECTION.search(text) or text.rstrip().endswith("\\"):
        raise _unfit("what the owner adds", "it begins or ends a virtual host, or its last line goes on")
    return text.strip().replace("\n", "\n    ")


def _unfit(what: str, why: str) -> InvalidInputError:
    return InvalidInputError(
        f"No virtual host can be written: {what} cannot stand in it.",
        why=f"{why[0].upper()}{why[1:]}.",
        remedy="Correct it; the other apps are served as before.",
    )
