"""What builds say of their downloads, as lines of the command line."""

from collections.abc import Mapping, Sequence
from typing import Any

from homeport.cli.output import Printer, size


def print_reports(printer: Printer, result: Mapping[str, Any]) -> None:
    """Prints the report of each service that a job's result says was built."""
    for service, report in result.get("builds", {}).items():
        _print_report(printer, service, report)


def _print_report(printer: Printer, service: str, report: Mapping[str, Any]) -> None:
    """What the build of a service fetched: from the caches, from upstream, and round them."""
    for ecosystem, traffic in report["caches"].items():
        if traffic["requests"]:
            printer.say(f"{service}: {_traffic(ecosystem, traffic)}")
    printer.say(f"{service}: round the caches: {_direct(report['direct'])}")
    for line in report["left_alone"]:
        printer.say(f"{service}: without a cache: {line}")
    for line in report["warnings"]:
        printer.remark(f"{service}: warning: {line}")


def _traffic(ecosystem: str, traffic: Mapping[str, Any]) -> str:
    saved = max(0, traffic["bytes_served"] - traffic["bytes_fetched"])
    return (
        f"{ecosystem}: {traffic['hits']} of {traffic['requests']} requests from the cache, {size(saved)} not "
        f"downloaded ({traffic['seconds_saved']:g} s), {size(traffic['bytes_fetched'])} fetched"
    )


def _direct(hosts: Sequence[Mapping[str, Any]] | None) -> str:
    if hosts is None:
        return "not known"
    return ", ".join(f"{seen['host']} ({seen['connections']})" for seen in hosts) or "nothing"
