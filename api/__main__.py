"""`python -m api`: serves the API until SIGTERM."""

import gc
import signal
import sys
from typing import Any, Final

from aiohttp import web

from api.app import create_app
from homeport.errors import HomeportError
from homeport.logs import set_up_logging
from homeport.names import split_address
from homeport.parent import die_with_parent
from homeport.settings import load_settings
from homeport.state.health import check_database

_DRAIN_S: Final = 5.0  # requests under way at SIGTERM have so long
_LINGER_S: Final = 2.0  # a body that is refused is read for so long, in which its sender gets the answer
_LINE_BYTES: Final = 64 * 1024  # of a request's line: settings stand there beside an archive
_COLLECTIONS: Final = (50_000, 50, 100)  # seldom: requests make few circles, and each look costs a few ms


def main() -> int:
    """Serves until it is told to stop; 0 after a clean stop, 1 where it cannot start."""
    die_with_parent(signal.SIGKILL)
    try:
        settings = load_settings()
        set_up_logging(settings.log_format, process="api")
        check_database(settings.database)
        host, port = split_address(settings.listen)
        app = create_app(settings)
        gc.freeze()  # else every full collection walks through all of it: 40 ms in which nobody is answered
        gc.set_threshold(*_COLLECTIONS)
    except HomeportError as error:
        print(f"The API cannot start. {error}", file=sys.stderr)
        return 1
    further: dict[str, Any] = {
        "lingering_time": _LINGER_S,
        "max_line_size": _LINE_BYTES,
    }  # no types know them
    web.run_app(app, host=host, port=port, shutdown_timeout=_DRAIN_S, access_log=None, print=None, **further)
    return 0


if __name__ == "__main__":
    sys.exit(main())
