"""The stages of `homeport check`: each looks at one thing and gives a verdict."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import click

from homeport.catalog.advice import advise
from homeport.catalog.owner_settings import settle_settings
from homeport.catalog.reader import read_definition
from homeport.cli.check_box import (
    build_images,
    find_leftover,
    install_app,
    is_port_open,
    read_log,
    remove_app,
)
from homeport.cli.check_verdicts import Checkup, Level, Verdict, bad, of_problem, ok, warn
from homeport.cli.check_web import Answer, ask, ask_patiently
from homeport.cli.client import ApiProblemError
from homeport.cli.granting import RISK_WORDS, grant_options
from homeport.cli.output import is_interactive, size
from homeport.errors import Finding, Problem
from homeport.permissions import missing_permissions
from homeport.risks import Rating, Risk, describe, rate

WATCH_S: Final = 5.0
"""How long an app is left alone to see whether it stays up, and how much it logs meanwhile."""

_BUSY_LINES_PER_S: Final = 10
_FEW_STARTS: Final = 3
_QUOTED_LINES: Final = 20


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One look; it is skipped where one of those that it needs has not ended well."""

    name: str
    run: Callable[[Checkup], Verdict]
    needs: tuple[str, ...] = ()


def validate(checkup: Checkup) -> Verdict:
    """Reads the definition as an install does."""
    loaded = read_definition(checkup.asked.folder)
    checkup.loaded = loaded
    keys = len(loaded.definition.model_fields_set)
    return ok(f"{_count(keys, 'key')}, {_count(len(loaded.services), 'service')}")


def take_settings(checkup: Checkup) -> Verdict:
    """Looks whether the settings given fit the definition's."""
    definition = checkup.definition.definition
    checkup.settings = settle_settings(definition, checkup.asked.settings)
    if checkup.settings:
        checkup.loaded = read_definition(checkup.asked.folder, settings=checkup.settings)
    if not definition.settings:
        return ok("none")
    return ok(f"{_count(len(definition.settings), 'setting')}, {len(checkup.settings)} given")


def rate_permissions(checkup: Checkup) -> Verdict:
    """Says what the definition may do beyond the default, and whether that is granted for the check."""
    needed = checkup.definition.permissions
    if not needed:
        return ok(RISK_WORDS[Risk.NONE])
    rating = rate(needed)
    missing = () if checkup.asked.grants_all else missing_permissions(needed, checkup.asked.granted)
    if missing and not _is_granted_now(checkup, rating):
        words = tuple(f"{one}: {describe(one).words}" for one in missing)
        mend = "Nothing is installed without them. If that is what you want, add: "
        mend += grant_options(map(str, missing))
        return bad(f"not granted: {', '.join(map(str, missing))}", mend=mend, lines=words)
    return ok(f"granted: {', '.join(map(str, needed))}; risk {RISK_WORDS[rating.risk]}", lines=rating.reasons)


def _is_granted_now(checkup: Checkup, rating: Rating) -> bool:
    """Whether somebody at a terminal grants all that the definition needs."""
    if checkup.context.is_json or not is_interactive():
        return False
    checkup.context.printer.remark(f"Risk: {RISK_WORDS[rating.risk]}.")
    for reason in rating.reasons:
        checkup.context.printer.remark(f"  - {reason}")
    return click.confirm("Grant this for the check?", err=True)


def give_advice(checkup: Checkup) -> Verdict:
    """Says what could be better, though nothing forbids it."""
    findings = tuple(advise(checkup.definition))
    if not findings:
        return ok("nothing that should be better")
    return warn(f"{_count(len(findings), 'thing')} could be better", findings=findings)


def build(checkup: Checkup) -> Verdict:
    """Builds the images on the box."""
    loaded = checkup.definition
    if not loaded.built_services:
        return ok(f"nothing to build: {_count(len(set(loaded.pulled_services.values())), 'image')} to pull")
    began = time.monotonic()
    try:
        result = build_images(checkup)
    except ApiProblemError as error:
        return _failed_build(checkup, error.problem)
    checkup.images = result["images"]
    sizes = result.get("sizes", {})
    references = {image["image"]: sizes.get(service, 0) for service, image in checkup.images.items()}
    checkup.image_bytes = sum(references.values())
    shown = ", ".join(f"{service} {size(sizes.get(service))}" for service in checkup.images)
    how = f"in {time.monotonic() - began:.0f} s" if result.get("builds") else "as built before"
    return ok(f"{shown}, {how}")


def _failed_build(checkup: Checkup, problem: Problem) -> Verdict:
    """The failure with the line of the Dockerfile where it stands."""
    verdict = of_problem(problem)
    service, line = problem.facts.get("service"), problem.facts.get("line")
    spec = checkup.definition.built_services.get(str(service))
    if spec is None or verdict.findings:
        return verdict
    finding = Finding(
        file=(spec.context / spec.dockerfile).relative_to(checkup.definition.folder).as_posix(),
        key=str(problem.facts.get("instruction") or "document"),
        line=line,
        rule=problem.code.replace("_", "-"),
        what=" ".join(problem.why.split("\n")) or problem.what,
        remedy=problem.remedy,
    )
    return bad(problem.what, findings=(finding,), lines=verdict.lines[-_QUOTED_LINES:])


def install(checkup: Checkup) -> Verdict:
    """Installs the app on the box, under an identifier of the check's own."""
    before = ""
    if find_leftover(checkup):
        remove_app(checkup)
        before = ", after what an earlier check had left was removed"
    began = time.monotonic()
    checkup.app = install_app(checkup)
    where = checkup.context.address_of(checkup.app) or "no web page"
    return ok(f"{checkup.identifier} is healthy after {time.monotonic() - began:.0f} s ({where}){before}")


def probe(checkup: Checkup) -> Verdict:
    """Asks the web page, and the health path where there is one, from this machine."""
    web, address = checkup.definition.definition.web, _address(checkup)
    if web is None or not address:
        return ok("headless: it has no web page to ask")
    paths = dict.fromkeys(path for path in (web.path, web.health) if path)
    answers = [ask_patiently(address, path) for path in paths]
    found = "; ".join(map(str, answers))
    if any(answer.has_failed for answer in answers):
        return _failed_probe(checkup, found, answers)
    if answers[0].is_missing:
        return warn(found, mend=f"There is no page at {web.path}: say in `web.path` where people begin.")
    if answers[0].left_to:
        return warn(found, mend="A page that sends on to another host is not reached through every name.")
    return ok(found)


def _failed_probe(checkup: Checkup, found: str, answers: Sequence[Answer]) -> Verdict:
    if any(answer.status for answer in answers):
        mend = "The app itself says that it failed; its last lines stand above."
        return bad(found, mend=mend, lines=tuple(read_log(checkup)[-_QUOTED_LINES:]))
    mend = "Where the box publishes on loopback only, run the check on the box; else mend `web.port`."
    return bad(found, mend=mend)


def watch_log(checkup: Checkup) -> Verdict:
    """Leaves the app alone for a moment: does it stay up, and how much does it log?"""
    before = len(read_log(checkup))
    time.sleep(WATCH_S)
    lines = read_log(checkup)
    logged = sum(len(line.encode()) + 1 for line in lines)
    found = f"{_count(len(lines), 'line')}, {size(logged)}" if lines else "it logs nothing"
    address, web = _address(checkup), checkup.definition.definition.web
    if web and address and ask(address, web.path).status == 0:
        last = tuple(lines[-_QUOTED_LINES:])
        return bad(f"{found}; it does not answer any more", mend="See why it ended.", lines=last)
    if starts := _starts(lines):
        mend = "See whether it begins again and again; an app that ends is started anew."
        return warn(f"{found}; its first lines stand there {starts} times", mend=mend, lines=tuple(lines[:2]))
    more = len(lines) - before
    if more > _BUSY_LINES_PER_S * WATCH_S:
        mend = "Log less while nobody asks: a box's disk may be a memory card."
        return warn(f"{found}; {more} lines in {WATCH_S:g} s while nobody asked", mend=mend)
    return ok(found)


def _starts(lines: Iterable[str]) -> int:
    """How often a service's first two lines come in its log, where that is suspicious; else 0."""
    services: dict[str, list[str]] = {}
    for line in lines:
        services.setdefault(line.partition(" | ")[0], []).append(line)
    most = 0
    for own in services.values():
        pairs = Counter(pairwise(own))
        first = (own[0], own[1]) if len(own) > 1 and own[0] != own[1] else None
        most = max(most, pairs[first] if first else 0)
    return most if most >= _FEW_STARTS else 0


def uninstall(checkup: Checkup) -> Verdict:
    """Removes the app with its data, and looks that it is gone."""
    address = _address(checkup)
    if checkup.asked.keeps_app and checkup.app is not None:
        mend = f"To remove it: homeport uninstall {checkup.identifier} --purge. The next check does, too."
        return ok(f"{checkup.identifier} was kept{f', at {address}' if address else ''}", mend=mend)
    if not checkup.may_be_installed:
        return Verdict(level=Level.SKIPPED, found="nothing was installed")
    remove_app(checkup)
    if address and is_port_open(address):
        return bad(f"{checkup.identifier} is gone, but something still answers at {address}")
    return ok(f"{checkup.identifier} and its data are gone")


def tell_images(checkup: Checkup) -> Verdict:
    """Says which images stay behind."""
    names = sorted({image["image"] for image in checkup.images.values()})
    if not names:
        return ok("none were built")
    if checkup.asked.removes_images and not checkup.asked.keeps_app and checkup.app is not None:
        return ok(f"removed, unless another app needs them: {', '.join(names)}")
    found = f"stay, so that the next check is quick ({size(checkup.image_bytes)}): {', '.join(names)}"
    return ok(found, mend="To have them removed: --remove-images.")


def _address(checkup: Checkup) -> str | None:
    return checkup.context.address_of(checkup.app) if checkup.app is not None else None


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


BEFORE: Final = (
    Stage(name="validate", run=validate),
    Stage(name="settings", run=take_settings, needs=("validate",)),
    Stage(name="permissions", run=rate_permissions, needs=("validate",)),
    Stage(name="advice", run=give_advice, needs=("validate",)),
    Stage(name="build", run=build, needs=("validate", "settings", "permissions")),
    Stage(name="install", run=install, needs=("build",)),
    Stage(name="probe", run=probe, needs=("install",)),
    Stage(name="logs", run=watch_log, needs=("install",)),
)
"""What is looked at, in this order."""

AFTER: Final = (
    Stage(name="uninstall", run=uninstall),
    Stage(name="images", run=tell_images, needs=("build",)),
)
"""What is done in any case, also after an interrupt."""
