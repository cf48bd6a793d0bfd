"""The command that looks a definition over, from its files to its web page on this box: check."""

import signal
from collections.abc import Callable, Iterable, Mapping
from itertools import groupby
from pathlib import Path
from typing import Final

import click
from rich.markup import escape

from homeport.cli.check_box import heeding_signals
from homeport.cli.check_stages import AFTER, BEFORE, Stage
from homeport.cli.check_verdicts import Asked, Checkup, Level, Verdict, bad, of_problem
from homeport.cli.choices import grant_all_option, grant_option, set_option
from homeport.cli.client import ApiProblemError, ApiUnreachableError
from homeport.cli.main import EXIT_FAILED, EXIT_INTERRUPTED, Command, Context
from homeport.cli.output import STATE_STYLES, Printer, harmless
from homeport.errors import HomeportError
from homeport.permissions import parse_permissions

Judged = dict[str, Verdict]
Tell = Callable[[str, Verdict], None]

_STYLES: Final = {**STATE_STYLES, Level.SKIPPED.value: "dim"}
_INDENT: Final = " " * 8


@click.command(cls=Command)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, exists=True, file_okay=False))
@grant_option
@grant_all_option
@set_option
@click.option("--keep", is_flag=True, help="Leave the app installed, to look at.")
@click.option("--remove-images", is_flag=True, help="Remove what was built, too; the next check builds anew.")
@click.pass_obj
def check(
    context: Context,
    *,
    folder: Path,
    granted: list[str],
    grant_all: bool,
    settings: Mapping[str, str],
    keep: bool,
    remove_images: bool,
) -> None:
    """Look a definition over: its files, its build, and its app, which is installed and removed again."""
    asked = Asked(
        folder=folder,
        settings=settings,
        granted=parse_permissions(granted),
        grants_all=grant_all,
        keeps_app=keep,
        removes_images=remove_images,
    )
    checkup = Checkup(context=context, asked=asked)
    judged: Judged = {}
    try:
        with heeding_signals(signal.default_int_handler):
            _run(checkup, judged, lambda name, verdict: _tell(context.printer, name, verdict))
    except KeyboardInterrupt:
        _conclude(checkup, judged, "interrupted")
        raise click.exceptions.Exit(EXIT_INTERRUPTED) from None
    worst = max((verdict.level for verdict in judged.values()), key=_ORDER.index)
    _conclude(checkup, judged, worst.value)
    if worst is Level.BAD:
        raise click.exceptions.Exit(EXIT_FAILED)


_ORDER: Final = (Level.SKIPPED, Level.OK, Level.WARN, Level.BAD)


def _run(checkup: Checkup, judged: Judged, tell: Tell) -> None:
    """Runs all stages; those that put things back run whatever happens before them."""
    try:
        _run_stages(BEFORE, checkup, judged, tell)
    except KeyboardInterrupt:
        if checkup.may_be_installed:
            checkup.context.printer.remark(f"Interrupted; {checkup.identifier} is being removed.")
        raise
    finally:
        try:
            _run_stages(AFTER, checkup, judged, tell)
        except KeyboardInterrupt:
            if checkup.may_be_installed:
                name = checkup.identifier
                checkup.context.printer.remark(f"{name} may be left: homeport uninstall {name} --purge --yes")
            raise


def _run_stages(stages: Iterable[Stage], checkup: Checkup, judged: Judged, tell: Tell) -> None:
    for stage in stages:
        judged[stage.name] = _judge(stage, checkup, judged)
        tell(stage.name, judged[stage.name])


def _judge(stage: Stage, checkup: Checkup, judged: Judged) -> Verdict:
    for need in stage.needs:
        if need not in judged or judged[need].level in (Level.BAD, Level.SKIPPED):
            return Verdict(level=Level.SKIPPED, found=f"{need} comes first")
    try:
        return stage.run(checkup)
    except ApiProblemError as error:
        return of_problem(error.problem)
    except HomeportError as error:
        return of_problem(error.problem())
    except ApiUnreachableError as error:
        mend = "Start Homeport with 'homeport up' (or scripts/up), or give its address with --url."
        if checkup.may_be_installed:
            name = checkup.identifier
            mend += f" What may be left goes with: homeport uninstall {name} --purge --yes"
        return bad(str(error), mend=mend)


def _tell(printer: Printer, name: str, verdict: Verdict) -> None:
    """Prints a stage's line, and below it what was found where, last lines, and the way out."""
    if printer.is_json:
        return
    level = verdict.level.value
    printer.out.print(f"[{_STYLES.get(level, '')}]{level:<7}[/] {name:<11} {escape(harmless(verdict.found))}")
    for finding in verdict.findings:
        place = f"{finding.file}:{finding.line}" if finding.line else finding.file
        printer.say(f"{_INDENT}{place}: {finding.key} ({finding.rule}): {finding.what}")
        printer.say(f"{_INDENT}  -> {finding.remedy}")
    for line, same in groupby(verdict.lines):
        times = len(list(same))
        printer.say(f"{_INDENT}| {line}{f'   ({times} times)' if times > 1 else ''}")
    if verdict.mend:
        printer.say(f"{_INDENT}-> {verdict.mend}")


def _conclude(checkup: Checkup, judged: Judged, verdict: str) -> None:
    """The last line, or the one document."""
    printer, loaded = checkup.context.printer, checkup.loaded
    if printer.is_json:
        stages = [{"stage": name, **one.as_json()} for name, one in judged.items()]
        printer.json(
            {
                "folder": str(checkup.asked.folder),
                "definition": loaded.definition.name if loaded else None,
                "version": loaded.definition.version if loaded else None,
                "verdict": verdict,
                "stages": stages,
            }
        )
        return
    name = loaded.definition.name if loaded else str(checkup.asked.folder)
    printer.say(f"{name}: {_CONCLUSIONS[verdict]}")


_CONCLUSIONS: Final = {
    "ok": "all is well.",
    "warn": "it works; what could be better stands above.",
    "bad": "it is not ready; what is bad stands above, with the way out.",
    "interrupted": "the check was interrupted.",
}

COMMANDS = (check,)
