"""What a build says of its downloads, as the lines that end its log. Pure."""

from collections.abc import Iterable

from homeport.caches import BuildReport, CacheTraffic, DirectHost

_LEAST_S = 0.1  # what is saved below this is not worth a word
_MOST_HOSTS = 20  # of those that are named in a line; the job's result has all


def report_lines(report: BuildReport, *, line_mbit_s: float) -> list[str]:
    """The report in words: what came from the caches, what went round them, and what had none.

    Args:
        report: what the build found.
        line_mbit_s: the line's speed, by which the saved time is reckoned.
    """
    return [
        *_traffic_lines(report, line_mbit_s),
        f"Went round the caches: {_direct_words(report)}.",
        *(f"Without a cache: {sentence}" for sentence in report.left_alone),
        *(f"Warning: {sentence}" for sentence in report.warnings),
    ]


def _traffic_lines(report: BuildReport, line_mbit_s: float) -> list[str]:
    used = {ecosystem: traffic for ecosystem, traffic in report.traffic.items() if traffic.requests}
    if not used:
        return ["Through the caches: nothing was asked for."]
    all_of_it = sum(used.values(), CacheTraffic())
    seconds = all_of_it.seconds_saved(line_mbit_s)
    saved = f", saved about {_duration(seconds)} at {line_mbit_s:g} Mbit/s" if seconds >= _LEAST_S else ""
    words = (
        f"From the caches: {_from_store(all_of_it)} of {_size(all_of_it.bytes_served)}{saved}; "
        f"fetched {_size(all_of_it.bytes_fetched)}."
    )
    if len(used) == 1:
        return [words]
    return [words, *(f"  {ecosystem}: {_traffic_words(traffic)}" for ecosystem, traffic in used.items())]


def _traffic_words(traffic: CacheTraffic) -> str:
    return (
        f"{_from_store(traffic)} of {_size(traffic.bytes_served)}, "
        f"{traffic.hits} of {_count(traffic.requests, 'request')}"
    )


def _from_store(traffic: CacheTraffic) -> str:
    return _size(max(0, traffic.bytes_served - traffic.bytes_fetched))


def _direct_words(report: BuildReport) -> str:
    if report.direct is None:
        return "not known; the engine's bridge could not be watched"
    if not report.direct:
        return "nothing"
    named = report.direct[:_MOST_HOSTS]
    rest = report.direct[_MOST_HOSTS:]
    words = [f"{seen.host} ({_count(seen.connections, 'connection')})" for seen in named]
    if rest:
        words.append(f"{len(rest)} more ({_count(_connections(rest), 'connection')})")
    return ", ".join(words)


def _connections(hosts: Iterable[DirectHost]) -> int:
    return sum(seen.connections for seen in hosts)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _size(bytes_count: int) -> str:
    """In binary units, as the command line has them."""
    if bytes_count < 1024:
        return f"{bytes_count} B"
    if bytes_count < 2**20:
        return f"{bytes_count / 2**10:.1f} KiB"
    if bytes_count < 2**30:
        return f"{bytes_count / 2**20:.1f} MiB"
    return f"{bytes_count / 2**30:.1f} GiB"


def _duration(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds:.1f} s"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
