"""`python -m proxy`: the box's own reverse proxy, until SIGTERM."""

import sys

from homeport.errors import HomeportError
from homeport.host.low_ports import with_ports
from homeport.logs import set_up_logging
from homeport.settings import load_settings
from proxy.haproxy_process import run_haproxy


def main() -> int:
    """Becomes HAProxy; 1 where that cannot be."""
    try:
        settings = load_settings()
        set_up_logging(settings.log_format, process="proxy")
        run_haproxy(with_ports(settings))
    except HomeportError as error:
        print(f"The reverse proxy cannot start. {error}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
