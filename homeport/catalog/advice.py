"""What a definition could do better though nothing forbids it: only what is certain, and what mends it."""

import posixpath
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from homeport.catalog.advice_dockerfile import (
    DockerfileUse,
    advise_dockerfile,
    has_health_check,
    health_often,
    is_brisk,
    is_moving,
    is_secret,
    secret_written,
)
from homeport.catalog.composition import as_variables
from homeport.catalog.definition import APP_FILE
from homeport.catalog.loaded import BuildSpec, LoadedDefinition
from homeport.catalog.sources import read_text
from homeport.catalog.yaml12 import MAX_BYTES, KeyPath, YamlDocument, load_yaml
from homeport.errors import Finding
from homeport.permissions import Permission
from homeport.risks import Risk, describe, rate

_ROOT: Final = frozenset({"root", "0"})
_CHANGE_USER: Final = (
    b"setpriv",
    b"gosu",
    b"su-exec",
    b"runuser",
    b"s6-setuidgid",
    b"chpst",
    b"start-stop-daemon",
)
_SCRIPT_BYTES: Final = 64 * 1024
_SCRIPTS: Final = 200  # files of a context that are looked through for a change of user


def advise(loaded: LoadedDefinition) -> list[Finding]:
    """Advice on app.yml, on the compose file, and on each Dockerfile, in this order. Reads their files.

    Raises:
        DefinitionInvalidError: one of the files is not what it was when the definition was read.
    """
    app = _load(loaded.folder, APP_FILE)
    document = _load(loaded.folder, loaded.definition.compose)
    return [
        *_about_app(app, loaded),
        *_about_limits(app, loaded),
        *_about_settings(app, loaded),
        *_about_permissions(app, loaded),
        *_about_health(app, loaded),
        *_about_images(document, loaded),
        *_about_volumes(document, loaded),
        *_about_services(document, loaded),
        *_about_builds(loaded),
    ]


def _load(folder: Path, name: str) -> YamlDocument:
    return load_yaml(read_text(folder, name, limit_bytes=MAX_BYTES), file=name)


def _about_app(app: YamlDocument, loaded: LoadedDefinition) -> Iterator[Finding]:
    if not loaded.definition.description.strip():
        what = "The owner is not told what the app is."
        yield app.finding(
            ("description",), "description-missing", what, "Add `description:`, a sentence or two."
        )


def _about_limits(app: YamlDocument, loaded: LoadedDefinition) -> Iterator[Finding]:
    limits = loaded.definition.limits
    without = [name for name in loaded.services if limits.of(name).memory_bytes is None]
    if without:
        what = f"Nothing says how much memory {', '.join(without)} may use; the box's default counts."
        yield app.finding(("limits", "memory"), "limits-missing", what, "Add `limits: {memory: 512M}`, say.")


def _about_settings(app: YamlDocument, loaded: LoadedDefinition) -> Iterator[Finding]:
    for name, setting in loaded.definition.settings.items():
        if is_secret(name, setting.default):
            what, _ = secret_written(name)
            remedy = "Write `required: true` in place of the default."
            yield app.finding(("settings", name, "default"), "secret-written", what, remedy)
        if not setting.description.strip():
            what = f"The owner is asked for {name}, and not told what it is for."
            yield app.finding(("settings", name), "setting-undescribed", what, "Add `description:`.")


def _about_permissions(app: YamlDocument, loaded: LoadedDefinition) -> Iterator[Finding]:
    remedy = "Look for a way without; few owners will grant it."
    told = [describe(Permission.parse(text)) for text in loaded.definition.permissions]
    for index, one in enumerate(told):
        if one.risk is Risk.FULL:
            yield app.finding(("permissions", index), "permission-full", one.words, remedy)
    rating = rate(loaded.permissions)
    if rating.risk is Risk.FULL and all(one.risk is not Risk.FULL for one in told):
        yield app.finding(("permissions",), "permission-full", rating.reasons[0], remedy)


def _about_health(app: YamlDocument, loaded: LoadedDefinition) -> Iterator[Finding]:
    web = loaded.definition.web
    if web is None or web.health is not None or _has_check(loaded, web.service):
        return
    what = "Nobody asks the web page after a start: that its port takes a connection is enough."
    remedy = f"Add `health: {web.path}` to `web`; an answer below 500 is healthy then."
    yield app.finding(("web", "health"), "health-missing", what, remedy)


def _has_check(loaded: LoadedDefinition, service: str) -> bool:
    check = loaded.template["services"][service].get("healthcheck")
    if check is not None:
        return not check.get("disable")
    build = loaded.built_services.get(service)
    return build is not None and has_health_check(_dockerfile(build))


def _about_images(document: YamlDocument, loaded: LoadedDefinition) -> Iterator[Finding]:
    for service, image in loaded.pulled_services.items():
        if is_moving(image):
            what = f"{image} is another image next month, with the same version in app.yml."
            remedy = f"Name one: `{image.removesuffix(':latest')}:VERSION`, or its digest."
            yield document.finding(("services", service, "image"), "image-moving", what, remedy)


def _about_volumes(document: YamlDocument, loaded: LoadedDefinition) -> Iterator[Finding]:
    for service, given in loaded.template["services"].items():
        for index, item in enumerate(given.get("volumes") or ()):
            kind, source, target = _mount(item)
            path: KeyPath = ("services", service, "volumes", index)
            if kind == "volume" and not source:
                folder = posixpath.basename(target) or "data"
                what = (
                    f"What is kept in {target} is in a nameless volume, which the next install does not find."
                )
                remedy = f"Write `./{folder}:{target}`, and `data: [{folder}]` in app.yml."
                yield document.finding(path, "volume-nameless", what, remedy)
            elif (inside := _undeclared(loaded, source)) and not _is_read_only(item):
                what = f"The folder {inside} is nowhere said to be the owner's data."
                remedy = f"Add it to `data` in app.yml: `data: [{inside}]`."
                yield document.finding(path, "data-undeclared", what, remedy)


def _mount(item: Any) -> tuple[str, str, str]:
    """Kind, source and target of a mount in either form."""
    if isinstance(item, dict):
        return str(item.get("type")), str(item.get("source") or ""), str(item.get("target") or "")
    parts = str(item).split(":")
    if len(parts) == 1:
        return "volume", "", parts[0]
    is_path = parts[0].startswith((".", "/", "~", "WEBAPP_PATH"))
    return ("bind" if is_path else "volume"), parts[0], parts[1]


def _is_read_only(item: Any) -> bool:
    if isinstance(item, dict):
        return bool(item.get("read_only"))
    return "ro" in str(item).rpartition(":")[2].split(",")


def _undeclared(loaded: LoadedDefinition, source: str) -> str:
    """The folder of the project that is mounted, if `data` neither has it, nor one around or within it."""
    plain = posixpath.normpath(source.removeprefix("WEBAPP_PATH").lstrip("/"))
    if plain not in loaded.bind_folders or (loaded.folder / plain).exists():
        return ""
    declared = loaded.definition.data
    related = any(f"{one}/".startswith(f"{plain}/") or f"{plain}/".startswith(f"{one}/") for one in declared)
    return "" if related else plain


def _about_services(document: YamlDocument, loaded: LoadedDefinition) -> Iterator[Finding]:
    for service, given in loaded.template["services"].items():
        path = ("services", service)
        if str(given.get("user", "")).partition(":")[0] in _ROOT:
            what = "It runs as root by the compose file's own word."
            yield document.finding((*path, "user"), "user-root", what, "Name another user, or leave it out.")
        interval = str((given.get("healthcheck") or {}).get("interval") or "")
        if is_brisk(interval):
            what, remedy = health_often(interval)
            yield document.finding((*path, "healthcheck", "interval"), "health-often", what, remedy)
        for name, value in as_variables(given.get("environment")).items():
            if name not in loaded.definition.settings and is_secret(name, str(value or "")):
                what, remedy = secret_written(name)
                yield document.finding((*path, "environment", name), "secret-written", what, remedy)


def _about_builds(loaded: LoadedDefinition) -> Iterator[Finding]:
    seen: set[tuple[Path, str, str]] = set()
    for service, build in loaded.built_services.items():
        place = (build.context, build.dockerfile, build.target)
        if place not in seen:
            seen.add(place)
            yield from advise_dockerfile(_dockerfile(build), _use(loaded, service, build))


def _use(loaded: LoadedDefinition, service: str, build: BuildSpec) -> DockerfileUse:
    user: Mapping[str, Any] = loaded.template["services"].get(service, {})
    return DockerfileUse(
        file=(build.context / build.dockerfile).relative_to(loaded.folder).as_posix(),
        args=build.args,
        target=build.target,
        upon=(*build.upon, *build.folders),
        drops_root=bool(user.get("user")) or _changes_user(build.context),
    )


def _dockerfile(build: BuildSpec) -> bytes:
    return read_text(build.context, build.dockerfile, limit_bytes=MAX_BYTES)


def _changes_user(context: Path) -> bool:
    """Whether a file of the context names a program that goes on as another user."""
    files = [path for path in sorted(context.rglob("*")) if path.is_file() and not path.is_symlink()]
    for path in files[:_SCRIPTS]:
        with path.open("rb") as file:
            text = file.read(_SCRIPT_BYTES)
        if any(program in text for program in _CHANGE_USER):
            return True
    return False
