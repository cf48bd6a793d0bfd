"""Fetching added catalogs anew: what is complete takes the place of what was, the rest stays as it was.

Every refresh has a folder of its own, a generation, named by its job and attempt. It is filled beside its
place, moved there, and in force once the catalog's row names it; what no row names is swept.
"""

import errno
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection

from homeport.catalog.catalog import read_entries
from homeport.catalog.sources import copy_folder, put_in_place
from homeport.errors import (
    ArchiveRefusedError,
    CatalogUnavailableError,
    CeilingReachedError,
    DefinitionInvalidError,
    DiskFullError,
    HomeportError,
    NotFoundError,
    Problem,
    ProgramMissingError,
    StalledError,
)
from homeport.events import EventKind
from homeport.host.files import remove_tree
from homeport.models import Catalog, CatalogFolder
from homeport.names import is_label
from homeport.plans import Plan, Step, StepRun
from homeport.state import events
from homeport.state.catalogs import find_catalog, no_such_catalog, record_refresh, record_refresh_failure
from workers.catalogs import Fetched
from workers.operation import OperationContext, RunningJob
from workers.tools import Tools

_FAILURES: Final = (
    ArchiveRefusedError,
    CatalogUnavailableError,
    CeilingReachedError,
    DefinitionInvalidError,
    DiskFullError,
    ProgramMissingError,
    StalledError,
)
_STEP: Final = "fetch catalogs"


class RefreshContext:
    """A refresh on its way."""

    def __init__(self, tools: Tools, running: RunningJob) -> None:
        job = running.job
        self.tools = tools
        self.running = running
        self.names = tuple(str(name) for name in job.parameters["catalogs"])
        self.generation = f"{job.id}.{job.attempt}"

    def result(self) -> Mapping[str, Any]:
        """See `OperationContext.result`."""
        return {"catalogs": dict((self.running.record_of(_STEP) or {}).get("catalogs", {}))}

    def give_up(self, connection: Connection) -> None:
        """See `OperationContext.give_up`: acceptance took nothing."""

    def folder(self, name: str) -> Path:
        """Where the catalog's generations lie."""
        return self.tools.settings.catalogs_dir / name

    def find(self, name: str) -> Catalog | None:
        """The catalog's row."""
        with self.tools.database.read() as connection:
            return find_catalog(connection, name)


def plan_refresh(tools: Tools, running: RunningJob) -> tuple[Plan[RefreshContext], OperationContext]:
    """The plan of a refresh, and what its steps share."""
    plan = Plan(
        Step(name=_STEP, do=fetch_catalogs, undo=remove_rest, weight=98),
        Step[RefreshContext](name="sweep", do=remove_rest, weight=2),
    )
    return plan, RefreshContext(tools, running)


def fetch_catalogs(context: RefreshContext, run: StepRun) -> None:
    """Fetches one catalog after the other; one that fails keeps none of the others from it.

    Raises:
        HomeportError: why a catalog could not be fetched; the others are.
    """
    ended: dict[str, Any] = dict(run.record.get("catalogs", {}))
    for number, name in enumerate(context.names):
        if name not in ended:
            run.progress(number / len(context.names), f"fetching {name}")
            ended[name] = _fetch(context, run, name)
            run.save(catalogs=ended)
    if not context.names:
        run.log("There is no added catalog to fetch")
    failed = {name: Problem.from_json(end["failed"]) for name, end in ended.items() if "failed" in end}
    if failed:
        raise _failure(failed, len(ended))


def remove_rest(context: RefreshContext, run: StepRun) -> None:
    """Removes what was fetched and is not in force; no other refresh runs meanwhile."""
    root = context.tools.settings.catalogs_dir
    for folder in root.iterdir() if root.is_dir() else ():
        catalog = context.find(folder.name)
        for generation in folder.iterdir():
            if catalog is None or generation.name != catalog.generation:
                remove_tree(generation, within=root)
        if catalog is None:
            remove_tree(folder, within=root)


def _fetch(context: RefreshContext, run: StepRun, name: str) -> dict[str, Any]:
    """Fetches a catalog and puts it in force; what is to be said of it."""
    catalog = context.find(name)
    if catalog is None:
        return {"failed": no_such_catalog(name).problem().as_json()}
    if catalog.generation.startswith(f"{context.running.job.id}."):
        return _ended(catalog)  # put in force just before a crash
    try:
        with _in_our_words(catalog):
            fetched = _gather(context, run, catalog)
        return _put_in_force(context, run, catalog, fetched)
    except NotFoundError as error:  # removed meanwhile
        return {"failed": error.problem().as_json()}
    except _FAILURES as error:
        problem = error.problem()
    run.log(f"{name}: {problem.what} {problem.why}")
    _record_failure(context, catalog, problem)
    return {"failed": problem.as_json()}


def _record_failure(context: RefreshContext, catalog: Catalog, problem: Problem) -> None:
    facts = {"catalog": catalog.name, "problem": problem.as_json()}
    job, now = context.running.job.id, context.tools.now()
    with context.running.writing() as connection:
        if find_catalog(connection, catalog.name) == catalog:
            record_refresh_failure(connection, catalog, problem)
            events.append(connection, EventKind.CATALOG_FAILED, app=None, job=job, facts=facts, now=now)


def _gather(context: RefreshContext, run: StepRun, catalog: Catalog) -> Fetched:
    """Fetches into a folder beside the generation's place, and moves it there when it is complete."""
    tools, folder = context.tools, context.folder(catalog.name)
    settings = tools.settings
    begun = folder / f".{context.generation}.new"
    remove_rest(context, run)
    target, work = begun / "definitions", begun / "work"
    for made in (target, work):
        made.mkdir(parents=True, mode=0o755)
    tools.require_space(folder, settings.spare_bytes)
    fetch = tools.fetchers[catalog.kind]
    fetched = fetch(
        catalog.source,
        target,
        work,
        settings=settings,
        control=run.waiting(f"fetching {catalog.name}"),
        log=run.log,
    )
    if not any(target.iterdir()):
        raise _nothing(catalog, fetched)
    for name in fetched.problems:
        run.log(f"{catalog.name}/{name} could not be fetched: {fetched.problems[name].what}")
        if catalog.generation and is_label(name):
            _keep_last(folder / catalog.generation / name, target / name)
    _make_readable(target)
    put_in_place(target, folder / context.generation)
    shutil.rmtree(begun)
    return fetched


@contextmanager
def _in_our_words(catalog: Catalog) -> Iterator[None]:
    """What the disk refuses, as an error of the catalog."""
    try:
        yield
    except OSError as error:
        is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        kind = DiskFullError if is_full else CatalogUnavailableError
        raise kind(
            f"What was fetched of the catalog {catalog.name!r} cannot be stored.",
            why=str(error),
            remedy="Make room on the disk, then refresh it again." if is_full else "Look at the disk.",
            catalog=catalog.name,
        ) from error


def _make_readable(target: Path) -> None:
    """Gives the API's user the right to read all of it."""
    for path in (target.parent.parent, target, *target.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)


def _put_in_force(
    context: RefreshContext, run: StepRun, catalog: Catalog, fetched: Fetched
) -> dict[str, Any]:
    now = context.tools.now()
    place = CatalogFolder(name=catalog.name, path=context.folder(catalog.name) / context.generation)
    entries = read_entries(place)
    for entry in entries:
        if entry.problem is not None:
            run.log(f"{entry.qualified} cannot be installed: {entry.problem.what}")
    problem = _missing(catalog, fetched) if fetched.problems else None
    facts = {"catalog": catalog.name, "definitions": len(entries), "revision": fetched.revision}
    with context.running.writing() as connection:
        record_refresh(
            connection,
            catalog,
            generation=context.generation,
            revision=fetched.revision,
            definitions=len(entries),
            problem=problem,
            now=now,
        )
        events.append(
            connection,
            EventKind.CATALOG_REFRESHED,
            app=None,
            job=context.running.job.id,
            facts={**facts, "problem": problem.as_json() if problem else None},
            now=now,
        )
    run.log(f"{catalog.name}: {len(entries)} definitions of {fetched.revision[:12]}")
    return {key: facts[key] for key in ("definitions", "revision")}


def _ended(catalog: Catalog) -> dict[str, Any]:
    return {"definitions": catalog.definitions, "revision": catalog.revision}


def _keep_last(last: Path, target: Path) -> None:
    """Takes over what the last refresh had of a definition that cannot be had now."""
    if last.is_dir() and not target.exists():
        copy_folder(last, target)


def _nothing(catalog: Catalog, fetched: Fetched) -> CatalogUnavailableError:
    name, first = next(iter(fetched.problems.items()))
    return CatalogUnavailableError(
        f"No definition of the catalog {catalog.name!r} could be fetched.",
        why=f"{name}: {first.what} {first.why}",
        remedy=first.remedy,
        catalog=catalog.name,
    )


def _missing(catalog: Catalog, fetched: Fetched) -> Problem:
    told = "\n".join(f"{name}: {problem.what} {problem.why}" for name, problem in fetched.problems.items())
    count = len(fetched.problems)
    counted = f"{count} definition{'' if count == 1 else 's'}"
    error = CatalogUnavailableError(
        f"{counted} of the catalog {catalog.name!r} could not be fetched.",
        why=told[:4000],
        remedy="What was fetched of them before stays, if anything was.",
        catalog=catalog.name,
    )
    return error.problem()


def _failure(failed: Mapping[str, Problem], count: int) -> HomeportError:
    """One error for all that failed; what was in force stays so."""
    listed = ", ".join(repr(name) for name in failed)
    first = next(iter(failed.values()))
    several = f"{len(failed)} of {count} catalogs could not be fetched: {listed}."
    what = several if count > 1 else f"The catalog {listed} could not be fetched."
    return CatalogUnavailableError(
        what,
        why=f"{first.what} {first.why}".strip(),
        remedy=f"{first.remedy} What was fetched before stays in force.".strip(),
        catalog=next(iter(failed)),
        catalogs=[{"catalog": name, "problem": problem.as_json()} for name, problem in failed.items()],
    )
