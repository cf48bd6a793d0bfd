"""`python -m workers`: takes jobs and carries them out."""

import logging
import signal

from homeport.logs import set_up_logging
from homeport.parent import die_with_parent
from homeport.settings import load_settings
from workers.process import end_now, stop_on_signals


def main() -> None:
    """Runs until SIGTERM or SIGINT; ends with 0, within seconds, also while Redis is away."""
    stopping = stop_on_signals()
    die_with_parent(signal.SIGTERM)
    settings = load_settings()
    set_up_logging(settings.log_format, process="worker")
    from workers.run import create_runner, run_workers, warm_up

    runner = create_runner(settings, stopping)
    warm_up(settings)
    if not run_workers(settings, runner):
        logging.getLogger("workers").warning("not every thread ended in time; leases of their jobs expire")
    end_now(0)


if __name__ == "__main__":
    main()
