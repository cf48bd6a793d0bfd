"""`python -m workers.steward`: the small duties beside the workers."""

import signal

from homeport.logs import set_up_logging
from homeport.parent import die_with_parent
from homeport.settings import load_settings
from workers.process import end_now, stop_on_signals


def main() -> None:
    """Runs until SIGTERM or SIGINT; ends with 0 within seconds."""
    stopping = stop_on_signals()
    die_with_parent(signal.SIGTERM)
    settings = load_settings()
    set_up_logging(settings.log_format, process="steward")
    from workers.steward.run import run_steward

    run_steward(settings, stopping)
    end_now(0)


if __name__ == "__main__":
    main()
