"""Which settings' values nobody is shown."""

import pytest

from homeport.secret_names import names_a_secret, without_secrets


@pytest.mark.parametrize(
    "name",
    [
        "DB_PASSWORD",
        "MYSQL_ROOT_PASS",
        "API_KEY",
        "SECRET_KEY_BASE",
        "BOT_TOKEN",
        "wg_key",
        "TS_AUTHKEY",
        "MYSQL_PWD",
        "ROOT_PW",
        "PRIVATE_KEY_PEM",
    ],
)
def test_passwords_tokens_and_keys_are_secret(name: str) -> None:
    assert names_a_secret(name)


@pytest.mark.parametrize(
    "name", ["PUID", "TZ", "PASSWORD_FILE", "TOKEN_LIFETIME", "KEYBOARD", "COMPASS", "API_KEY_NAME", "PWD"]
)
def test_other_variables_are_not(name: str) -> None:
    assert not names_a_secret(name)


def test_a_secret_is_hidden_where_there_is_one() -> None:
    given = {"DB_PASSWORD": "hunter2", "OLD_PASSWORD": "", "TZ": "UTC"}

    assert without_secrets(given) == {"DB_PASSWORD": "***", "OLD_PASSWORD": "", "TZ": "UTC"}


def test_a_password_in_an_address_is_hidden_whatever_its_variable_is_called() -> None:
    given = {
        "DATABASE_URL": "postgres://me:hunter2@db:5432/app",
        "CACHE_URL": "redis://:a:b@cache",
        "HOME_URL": "https://example.org:8443/@me",
    }

    assert without_secrets(given) == {
        "DATABASE_URL": "postgres://***@db:5432/app",
        "CACHE_URL": "redis://***@cache",
        "HOME_URL": "https://example.org:8443/@me",
    }
