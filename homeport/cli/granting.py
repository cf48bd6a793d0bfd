"""Asking the owner for the permissions that a definition needs, in plain words."""

import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

import click

from homeport.cli.client import ApiProblemError
from homeport.cli.main import EXIT_FAILED, Context
from homeport.cli.output import is_interactive
from homeport.errors import PermissionsNotGrantedError, Problem
from homeport.risks import Risk

RISK_WORDS: Final = {
    Risk.NONE: "none: it stays within its containers",
    Risk.LOW: "low: it sees or uses a piece of this box that does little harm",
    Risk.HIGH: "high: it could read or change what is yours, or disturb other apps and the network",
    Risk.FULL: "full: it could take over this box",
}

Send = Callable[[Sequence[str]], Any]
"""Sends the request with what is granted."""


def send_granting(context: Context, send: Send, granted: Sequence[str], *, grants_all: bool) -> Any:
    """Sends a request; what it lacks in permissions is asked for on a terminal, and then granted.

    Raises:
        ApiProblemError: the API refused; nobody could be asked.
        Exit: whoever was asked did not grant it.
    """
    try:
        return send(granted)
    except ApiProblemError as error:
        problem = error.problem
        if problem.code != PermissionsNotGrantedError.code:
            raise
        missing = [asked["permission"] for asked in problem.facts["missing"]]
        if not grants_all and (context.is_json or not is_interactive()):
            raise ApiProblemError(_with_the_way_out(problem, missing)) from error
        _tell(context, problem, missing)
        if not grants_all:
            _ask(context, problem)
        return send([*granted, *missing])


def grant_options(permissions: Iterable[str]) -> str:
    """The options that grant these, as a shell takes them."""
    return " ".join(f"--grant {shlex.quote(permission)}" for permission in permissions)


def _tell(context: Context, problem: Problem, missing: Sequence[str]) -> None:
    facts = problem.facts
    context.printer.remark(f"{_line(facts.get('title') or _name(problem))} asks for permissions.")
    context.printer.remark(f"Risk: {RISK_WORDS[Risk(facts['rating']['risk'])]}.")
    for reason in facts["rating"]["reasons"]:
        context.printer.remark(f"  - {_line(reason)}")
    context.printer.remark(f"To be granted: {', '.join(map(_line, missing))}")


def _ask(context: Context, problem: Problem) -> None:
    if not click.confirm(f"Grant this to {_name(problem)}?", err=True):
        context.printer.remark("Nothing was granted, and nothing installed.")
        raise click.exceptions.Exit(EXIT_FAILED)


def _with_the_way_out(problem: Problem, missing: Sequence[str]) -> Problem:
    rating = problem.facts["rating"]
    told = [problem.why, f"Risk: {RISK_WORDS[Risk(rating['risk'])]}."]
    told += [f"- {_line(reason)}" for reason in rating["reasons"]]
    remedy = f"If that is what you want, add: {grant_options(missing)}"
    return replace(problem, why="\n".join(told), remedy=remedy)


def _name(problem: Problem) -> str:
    return _line(problem.facts.get("name") or "it")


def _line(text: str) -> str:
    """The text on one line: a title must not pass for lines of ours."""
    return " ".join(text.split())
