"""Installing an app: all of it, or nothing."""

import shutil
from contextlib import suppress
from pathlib import Path
from typing import Final

from compose.data import create_data_folders, missing_folders, purge_folders, remove_project_files
from compose.project import write_project
from compose.values import SNAPSHOT
from homeport.catalog.sources import MAX_FILES, MAX_FOLDER_BYTES, put_in_place
from homeport.errors import NotPossibleNowError
from homeport.events import EventKind
from homeport.host.files import remove_tree
from homeport.models import App, AppState, DesiredState, WebPort
from homeport.plans import Plan, Step, StepRun
from homeport.state import apps, claims, events
from workers.operation import OperationContext, RunningJob
from workers.operations.conflicts import check_conflicts, ports_of
from workers.operations.engine_wait import wait_for_engine
from workers.operations.fetch import fetch_images, require_space_for_images
from workers.operations.install_context import InstallContext
from workers.operations.port_wait import wait_for_ports
from workers.operations.route import publish_route, tell_proxy, withdraw_route
from workers.tools import Tools

_BRIEF_STOP_S: Final = 5  # an app that never ran has nothing to save


def plan_install(tools: Tools, running: RunningJob) -> tuple[Plan[InstallContext], OperationContext]:
    """The plan of an install, and what its steps share."""
    plan = Plan(
        Step(name="read definition", do=read_sources, undo=remove_sources, weight=1),
        Step(name="reserve", do=reserve, undo=release, weight=1),
        Step[InstallContext](name="fetch images", do=fetch_images, weight=80),
        Step(name="render project", do=render, undo=remove_rendered, weight=1),
        Step(name="create", do=create, undo=remove_project, weight=4),
        Step[InstallContext](name="start", do=start, weight=4),
        Step(name="wait until healthy", do=wait_until_healthy, weight=9),
        Step[InstallContext](name="publish route", do=publish_route, undo=withdraw_route, weight=1),
        Step(name="record", do=record_installed, weight=1),
    )
    return plan, InstallContext(tools, running)


def read_sources(context: InstallContext, run: StepRun) -> None:
    """Copies the definition, or unpacks the one that was sent, and judges it and what was granted.

    Raises:
        HomeportError: see `OwnCopy.make` and `OwnCopy.read`.
        PermissionsNotGrantedError: it needs more than was granted, since it was accepted.
    """
    context.copy.make(run, max_bytes=MAX_FOLDER_BYTES, max_files=MAX_FILES)
    run.record["permissions"] = [str(permission) for permission in context.granted]


def remove_sources(context: InstallContext, run: StepRun) -> None:
    """Removes what was copied or unpacked."""
    context.copy.remove()


def reserve(context: InstallContext, run: StepRun) -> None:
    """Finds every conflict, keeps the host port, and records the app as being installed."""
    tools, facts = context.tools, context.facts
    check_conflicts(tools, facts, context.rendered, web_port=context.web_port)
    require_space_for_images(context)
    run.save(reserved_port=facts.host_port)
    if not tools.reserve_port(facts.host_port):
        run.log(
            f"Port {facts.host_port} is not kept out of the ephemeral ports: the kernel's list is read-only"
        )
    web_port = context.web_port
    wait_for_ports(tools, ports_of(context.rendered, web_port=web_port), run, web_port=web_port)
    with context.running.writing() as connection:
        if apps.find_app(connection, facts.identifier) is None:
            apps.add_app(connection, _new_app(context))
    tell_proxy(context, run)  # its names say that it is starting


def release(context: InstallContext, run: StepRun) -> None:
    """Forgets the app, unless Docker still has something of it that could not be removed."""
    tools, identifier, job_id = context.tools, context.facts.identifier, context.running.job.id
    with tools.database.read() as connection:
        if not claims.holds_claims(connection, job_id):
            return  # undone before a crash: port and names may be another install's by now
    if context.running.record_of("create") is not None:
        left = tools.engine.project_containers(context.facts.project)
        if left:
            raise NotPossibleNowError(
                f"{identifier!r} is kept in the list of apps, since containers of it are left.",
                remedy=f"Uninstall it: `homeport uninstall {identifier}`.",
            )
    if "reserved_port" in run.record:
        tools.drop_port(int(run.record["reserved_port"]))
    with context.running.writing() as connection:
        apps.remove_app(connection, identifier)
        claims.release_claims_of(connection, job_id)
    tell_proxy(context, run)


def render(context: InstallContext, run: StepRun) -> None:
    """Writes the definition's snapshot and the compose file, and makes the data folders."""
    project_dir, rendered = context.facts.project_dir, context.rendered
    project_dir.mkdir(parents=True, exist_ok=True)
    if not run.record.get("snapshot"):
        _take_snapshot(context.copy.folder, project_dir)
        run.save(snapshot=True)
    missing = missing_folders(project_dir, rendered)
    run.save(folders=sorted({*run.record.get("folders", ()), *missing}), summary=rendered.summary())
    create_data_folders(project_dir, rendered)
    write_project(project_dir, rendered)


def remove_rendered(context: InstallContext, run: StepRun) -> None:
    """Removes what the step wrote and made; data that was there before stays."""
    project_dir = context.facts.project_dir
    if not project_dir.is_dir():
        return
    purge_folders(project_dir, only=list(run.record.get("folders", ())))
    remove_project_files(project_dir, (SNAPSHOT, f"{SNAPSHOT}.new"))


def create(context: InstallContext, run: StepRun) -> None:
    """Makes containers, networks and volumes, and has them judged before anything of the app runs."""
    facts, projects = context.facts, context.tools.projects
    if "volumes_before" not in run.record:
        run.save(volumes_before=list(projects.volumes(facts.project)))
    projects.create(
        facts.project_dir,
        facts.project,
        rendered=context.rendered,
        granted=context.granted,
        control=run,
        log=run.log,
    )


def start(context: InstallContext, run: StepRun) -> None:
    """Starts the project."""
    facts, projects = context.facts, context.tools.projects
    projects.up(
        facts.project_dir,
        facts.project,
        control=run,
        on_progress=run.progress,
        on_wait=run.wait,
        log=run.log,
        objects=context.rendered.objects,
        expectation=context.expectation,
    )


def remove_project(context: InstallContext, run: StepRun) -> None:
    """Removes containers, networks, and the volumes that were not there before."""
    tools, facts = context.tools, context.facts
    wait_for_engine(tools, run)
    before = set(run.record.get("volumes_before", ()))
    tools.projects.down(
        facts.project_dir,
        facts.project,
        control=run,
        stop_s=None if before else _BRIEF_STOP_S,
        log=run.log,
        anonymous_volumes=True,
    )
    if "volumes_before" in run.record:
        made = [name for name in tools.projects.volumes(facts.project) if name not in before]
        tools.projects.remove_volumes(facts.project, only=made)


def wait_until_healthy(context: InstallContext, run: StepRun) -> None:
    """Waits until every service is healthy."""
    context.tools.await_health(
        context.facts.project,
        context.expectation,
        settings=context.tools.settings,
        run_check=run,
        on_progress=lambda fraction, detail: run.wait(detail, fraction),
    )


def record_installed(context: InstallContext, run: StepRun) -> None:
    """Records the app as running, and says so; what it was installed from is not needed any more."""
    tools, facts = context.tools, context.facts
    context.copy.remove()
    context.copy.remove_upload()
    now = tools.now()
    with context.running.writing() as connection:
        app = apps.find_app(connection, facts.identifier)
        if app is not None and app.state is AppState.RUNNING:
            return
        apps.update_app(
            connection,
            facts.identifier,
            state=AppState.RUNNING,
            version=context.app_facts.version,
            images=dict(context.images),
            updated_at=now,
        )
        events.append(
            connection,
            EventKind.APP_INSTALLED,
            app=facts.identifier,
            job=context.running.job.id,
            facts={
                "app_id": facts.app_id,
                "host_name": facts.host_name,
                "host_port": context.web_port or facts.host_port,
                "version": context.app_facts.version,
            },
            now=now,
        )


def _new_app(context: InstallContext) -> App:
    facts, rendered, definition = context.facts, context.rendered, context.loaded.definition
    now = context.tools.now()
    return App(
        app_id=facts.app_id,
        identifier=facts.identifier,
        definition=definition.name,
        title=definition.title,
        version=definition.version,
        host_name=facts.host_name,
        aliases=tuple(context.running.job.parameters.get("aliases", ())),
        host_port=facts.host_port,
        state=AppState.INSTALLING,
        desired=DesiredState.RUNNING,
        limits=rendered.limits_sum,
        web=_web(context),
        data=rendered.data_folders,
        ports=tuple(port.as_json() for port in rendered.ports),
        catalog=context.catalog,
        permissions=tuple(str(permission) for permission in context.granted),
        settings=dict(context.copy.settings),
        created_at=now,
        updated_at=now,
    )


def _web(context: InstallContext) -> WebPort | None:
    web = context.loaded.definition.web
    if web is None:
        return None
    return WebPort(path=web.path, port=context.web_port if context.loaded.web_on_host else None)


def _take_snapshot(definition: Path, project_dir: Path) -> None:
    """Copies the definition beside its place, then moves it there: a crash leaves no half of one."""
    fresh = project_dir / f"{SNAPSHOT}.new"
    remove_tree(fresh, within=project_dir)
    shutil.copytree(definition, fresh, symlinks=True)
    remove_tree(project_dir / SNAPSHOT, within=project_dir)
    put_in_place(fresh, project_dir / SNAPSHOT)
    with suppress(OSError):
        (project_dir / SNAPSHOT).chmod(0o755)
