"""What a compose file takes from elsewhere: build contexts, files, labels, variables of the environment."""

import re
from collections.abc import Iterator
from typing import Final

from homeport.catalog.fields import CONTEXT_NAME, SERVICE_CONTEXT
from homeport.catalog.policy_rules import RESERVED_LABELS
from homeport.catalog.scope import Scope, check_keys
from homeport.errors import Finding
from homeport.placeholders import ORDER

_REMOTE_CONTEXT: Final = re.compile(r"[a-z0-9+.-]+:|git@|github\.com/", re.IGNORECASE)


def check_build(build: Scope) -> Iterator[Finding]:
    """`build`, as a folder or as a mapping."""
    context = build.get("context") if isinstance(build.value, dict) else build
    if isinstance(build.value, dict):
        yield from check_keys(build, "build")
        if arguments := build.get("args"):
            yield from check_valued(arguments)
        if labels := build.get("labels"):
            yield from check_labels(labels)
        if further := build.get("additional_contexts"):
            yield from _check_further_contexts(further)
    yield from _check_context(context or build, context.value if context else ".")


def _check_further_contexts(contexts: Scope) -> Iterator[Finding]:
    named = [(name, inner, inner.value) for name, inner in contexts.entries()]
    named += [
        (parts[0], item, parts[2]) for item in contexts.items() for parts in [item.value.partition("=")]
    ]
    for name, inner, text in named:
        if not isinstance(text, str) or not text or not CONTEXT_NAME.fullmatch(name):
            what = f"{name[:60]!r} is no name of a build context, or names nothing."
            yield inner.finding("build-context", what, "Write `name: ./folder` or `name: service:web`.")
        elif not text.startswith(SERVICE_CONTEXT):
            yield from _check_context(inner, text)


def _check_context(context: Scope, text: str) -> Iterator[Finding]:
    if _REMOTE_CONTEXT.match(text) or text.endswith(".git"):
        what = f"The build context {text[:80]} is not in the definition."
        yield context.finding("build-remote-context", what, "Put its files into the definition: `./app`.")
    elif text.startswith(("/", "~")) or ".." in text.split("/"):
        what = f"The build context {text[:80]} is outside the definition."
        yield context.finding("build-context", what, "Use a folder of the definition: `./app`.")


def check_extends(extends: Scope) -> Iterator[Finding]:
    """`extends` of a service of this file, or of one beside it."""
    yield from check_keys(extends, "extends")
    if file := extends.get("file"):
        yield from check_file_inside(file, "extends")


def check_env_files(files: Scope) -> Iterator[Finding]:
    """`env_file`, each a file of the definition."""
    for item in files.items():
        yield from check_keys(item, "env_file item")
        path = item.get("path") if isinstance(item.value, dict) else item
        if path:
            yield from check_file_inside(path, "env_file")


def check_file_inside(file: Scope, key: str) -> Iterator[Finding]:
    """A file that `key` names must be the definition's."""
    text = file.value
    if text.startswith(("/", "~", "$")) or ".." in text.split("/") or ":" in text or "WEBAPP_PATH" in text:
        what = f"`{key}` names {text[:80]}, which is outside the definition."
        yield file.finding(
            f"{key.replace('_', '-')}-outside", what, "Name a file of the definition: `./name`."
        )


def check_labels(labels: Scope) -> Iterator[Finding]:
    """Labels, but for those by which Homeport and Compose know what is theirs."""
    keys = [(key, inner) for key, inner in labels.entries()]
    keys += [(item.value.partition("=")[0], item) for item in labels.items()]
    for key, inner in keys:
        if _may_be_reserved(key.strip()):
            yield inner.finding(
                "label-reserved", f"The label {key[:60]!r} is not for templates.", "Leave it out."
            )


def _may_be_reserved(label: str) -> bool:
    """Whether it begins as a reserved one does, or may do so once its placeholders are filled."""
    if label.startswith(RESERVED_LABELS):
        return True
    filled_at = min((label.find(name) for name in ORDER if name in label), default=-1)
    return filled_at >= 0 and any(prefix.startswith(label[:filled_at]) for prefix in RESERVED_LABELS)


def check_valued(variables: Scope) -> Iterator[Finding]:
    """Variables without a value would be taken from the environment of the host."""
    names = [inner for _, inner in variables.entries() if inner.value is None]
    names += [item for item in variables.items() if "=" not in item.value]
    for inner in names:
        what = "A variable without a value is taken from the environment of the host."
        yield inner.finding(
            "environment-from-host", what, 'Give it a value, "" perhaps, or name it in app.yml\'s settings.'
        )
