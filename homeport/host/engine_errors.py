"""Translating what docker-py raises, once, by its type and the engine's status."""

from collections.abc import Iterator
from contextlib import contextmanager

import requests
import urllib3
from docker.errors import APIError, DockerException, NotFound

from homeport.errors import EngineRefusedError, EngineUnavailableError, NotFoundError


@contextmanager
def translated(what: str, *, kind: str = "object", name: str = "") -> Iterator[None]:
    """Around a call to docker-py: raises our errors instead of its own.

    Args:
        what: what was to be done, as in "Docker could not <what>".
        kind: of the thing that is named: container, image, network, volume.
        name: the thing's name.

    Raises:
        NotFoundError: the engine has no such thing.
        EngineRefusedError: the engine answered with another error.
        EngineUnavailableError: it did not answer.
    """
    try:
        yield
    except NotFound as error:
        raise NotFoundError(
            f"Docker has no {kind} {name}.", why=str(error.explanation), kind=kind, name=name
        ) from error
    except APIError as error:
        raise EngineRefusedError(
            f"Docker could not {what}.",
            why=str(error.explanation or error),
            remedy="Look at the reason; Docker's own log may say more.",
            status=error.status_code or 0,
        ) from error
    except (DockerException, requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        raise unavailable(error) from error


def unavailable(error: BaseException) -> EngineUnavailableError:
    """The error for an engine that does not answer, or no longer."""
    return EngineUnavailableError(
        "The Docker Engine does not answer.",
        why=_root_cause(error),
        remedy="Start it (`systemctl start docker`), or see what `homeport doctor` says.",
    )


def _root_cause(error: BaseException) -> str:
    """The innermost cause: docker-py, requests and urllib3 each wrap what the socket said."""
    seen: BaseException = error
    while (inner := seen.__cause__ or seen.__context__) is not None:
        seen = inner
    return f"{type(seen).__name__}: {seen}"
