"""Figures of a benchmark: a table for people, JSON for programs. A missed aim is shown and fails nothing."""

import json
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One measured value; `aim` is the largest (or smallest) value wanted, None where it is only reported."""

    figure: str
    value: float
    unit: str
    aim: float | None = None
    better: Literal["lower", "higher"] = "lower"

    @property
    def met(self) -> bool | None:
        """Whether the aim is met; None without one."""
        if self.aim is None:
            return None
        return self.value <= self.aim if self.better == "lower" else self.value >= self.aim


def publish(figures: Sequence[Figure]) -> None:
    """Prints the figures: a table, or with `--json` a list of `{figure, value, unit, aim, met}`."""
    if "--json" in sys.argv[1:]:
        rows = [{**asdict(figure), "value": round(figure.value, 4), "met": figure.met} for figure in figures]
        for row in rows:
            del row["better"]
        print(json.dumps(rows, indent=2))
        return
    width = max(len(figure.figure) for figure in figures)
    print(f"{'figure':<{width}}  {'value':>12}  {'unit':<5}  {'aim':>8}  met")
    for figure in figures:
        aim = "-" if figure.aim is None else f"{figure.aim:g}"
        met = {True: "yes", False: "NO", None: "-"}[figure.met]
        print(f"{figure.figure:<{width}}  {figure.value:>12.3f}  {figure.unit:<5}  {aim:>8}  {met}")


def median(values: Sequence[float]) -> float:
    """The middle of the values."""
    return statistics.median(values)


def spread(values: Sequence[float]) -> float:
    """The distance between the quarter points: how much single runs differ."""
    quarters = statistics.quantiles(values, n=4)
    return quarters[2] - quarters[0]


def percentile(values: Sequence[float], percent: int) -> float:
    """The value that so many of a hundred stay below."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]
