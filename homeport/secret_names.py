"""Which variables hold what is for nobody's eyes, told by their names. Pure."""

import re
from collections.abc import Mapping
from typing import Final

HIDDEN: Final = "***"
"""What is shown in place of a secret value."""

_SECRET: Final = re.compile(
    r"(?:^|_)PASS(?:_|$)|PASSWORD|PASSWD|PASSPHRASE|PASSCODE|SECRET|TOKEN|CREDENTIAL"
    r"|(?:API|AUTH|PRIVATE|ENCRYPTION)_?KEY|(?:^|_)(?:KEY|PW|JWT)$|_PWD$",
    re.IGNORECASE,
)
_NO_SECRET: Final = re.compile(
    r"_FILE$|_PATH$|EXPIR|LIFETIME|TTL|ALLOW|DISABLE|ENABLE|RESET|LENGTH"
    r"|_(?:REALM|USER|USERNAME|NAME|URL|HOST|TYPE)$",
    re.IGNORECASE,
)
_IN_ADDRESS: Final = re.compile(r"(?<=://)[^/@\s:]*+:[^/@\s]++(?=@)")
"""Name and password in an address, such as a variable DATABASE_URL has."""


def names_a_secret(variable: str) -> bool:
    """Whether the value of a variable of this name is a password, a token, or a key."""
    return bool(_SECRET.search(variable)) and not _NO_SECRET.search(variable)


def without_secrets(variables: Mapping[str, str]) -> dict[str, str]:
    """The variables as they may be shown; an empty value hides nothing."""
    return {
        name: HIDDEN if value and names_a_secret(name) else _IN_ADDRESS.sub(HIDDEN, value)
        for name, value in variables.items()
    }
