"""`homeport explain`: what an error's code means and what to do, and what definitions may say."""

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final

import click

from homeport.catalog.reference import Table, compose_tables, definition_tables, permission_tables
from homeport.cli.main import Command, Context
from homeport.errors import HomeportError, InvalidInputError

WHAT_TO_DO: Final[Mapping[str, str]] = {
    "archive_refused": "Pack the folder anew with `tar -cz -C FOLDER .`, or let `homeport build FOLDER` "
    "and `homeport install FOLDER` pack it; `facts.entry` names the entry that was refused.",
    "build_failed": "Read the failing line that is quoted, and the lines before it in `homeport job ID "
    "--log`. The same Dockerfile fails with `docker build`, too, where it is the Dockerfile's fault.",
    "build_out_of_memory": "Have the build do less at a time (fewer parallel compilers), or raise "
    "`build_memory_bytes`.",
    "cancelled": "Somebody asked for it: ask again when you want it after all.",
    "catalog_unavailable": "Look whether the address is right and answers: `homeport catalog list` "
    "shows it. What was fetched before stays in force; `homeport catalog refresh NAME` tries again.",
    "ceiling_reached": "Find out what takes so long in `homeport job ID --log`; raise `ceiling_s` where "
    "it honestly needs it.",
    "component_unavailable": "`homeport doctor` says which component is down and what mends it; it is "
    "started again by itself as a rule.",
    "container_exited": "Read its last lines in the problem: a setting or a file that it misses is "
    "named there as a rule.",
    "context_too_large": "Put what the build does not need into `.dockerignore`; `facts.largest` lists "
    "the largest. Or raise `context_max_bytes`.",
    "definition_invalid": "Each finding names file, line, key and what would be right; `homeport check "
    "FOLDER` shows them all again.",
    "disk_full": "Make room: `homeport caches trim`, `homeport uninstall APP --remove-images`, or a "
    "larger disk. Or lower `spare_bytes`.",
    "engine_refused": "The engine's own words are in the problem; `docker info` and the engine's log "
    "say more.",
    "engine_unavailable": "Start the Docker Engine (`systemctl start docker`); `homeport doctor` looks "
    "whether it answers. Jobs wait for it.",
    "foreign_object": "Something of that name exists which Homeport did not make: rename or remove it, "
    "or take another identifier.",
    "idempotency_key_reused": "Make up a new key for each thing that is to be done, and send it again only "
    "with the very same request; `facts.job` is what the key became.",
    "internal_error": "A mistake of Homeport's: the log has its trace under `facts.request`. Please "
    "report it.",
    "invalid_input": "`facts.errors` names each field and what it should be.",
    "lease_lost": "Nothing: another worker has taken the job over and goes on with it.",
    "not_convertible": "Give a `docker run` line, a compose file, or an install script with its here-"
    "document; the line that could not be read is named.",
    "not_found": "The problem lists near names; `homeport apps`, `homeport catalog` and `homeport jobs` "
    "list what there is.",
    "not_possible_now": "Wait until what is going on has ended: `homeport jobs` shows it.",
    "payload_too_large": "Send less; for archives, `upload_max_bytes` is the limit.",
    "permissions_not_granted": "Read what the app wants to do. Then grant it (`--grant`, or answer `y` "
    "on a terminal), or leave the app alone.",
    "policy_refused": "Each finding names the key and what to write in its place. What no permission "
    "opens is not to be had: see [permissions](permissions.md).",
    "port_in_use": "Stop what listens there (it is named), or install with another `--app-id`.",
    "program_failed": "Its last lines are in the problem.",
    "program_missing": "Install it: `homeport doctor` names the package.",
    "pull_failed": "Look at the image's name and tag, and whether its registry answers: `docker pull IMAGE`.",
    "queue_full": "Wait: `facts.retry_after_s`, or the answer's `Retry-After`, says how long at least. "
    "`homeport jobs --state queued` lists what waits; `homeport job ID --cancel` makes room.",
    "stalled": "Nothing moved for `stall_s`: look at the line and at the other side, and try again.",
    "start_failed": "Compose's own words are in the problem. The compose file that it was given lies in "
    "the project's folder while it is installed.",
    "state_unavailable": "Look at the disk and at who owns the state folder: `homeport doctor`.",
    "taken": "Choose another, or uninstall the app that holds it; it is named.",
    "unauthorized": "Give a token: `--token`, HOMEPORT_TOKEN, or run as the user who started Homeport.",
    "unhealthy": "The app runs and does not answer: its last lines are in the problem. Look whether "
    "`web.port` and `web.health` are right, and raise `healthy_s` for an app that is slow to start.",
    "worker_lost": "It has brought its worker down several times; the worker's log says how. Please "
    "report it.",
}
"""For each error's code."""


def meanings() -> dict[str, str]:
    """Each error's code with what it means, sorted by code."""
    found = {error.code: _first_sentences(error.__doc__ or "") for error in _errors(HomeportError)}
    found["internal_error"] = "Homeport made a mistake."
    return dict(sorted(found.items()))


def markdown_table() -> str:
    """The table of docs/troubleshooting.md."""
    rows = [f"| `{code}` | {meaning} | {WHAT_TO_DO[code]} |\n" for code, meaning in meanings().items()]
    return "| code | what it means | what to do |\n|---|---|---|\n" + "".join(rows)


TOPICS: Final[Mapping[str, Callable[[], list[Table]]]] = {
    "app.yml": definition_tables,
    "compose": compose_tables,
    "permissions": permission_tables,
}
"""What else can be explained: what a definition may say."""


def topic_markdown(topic: str) -> str:
    """The tables of a topic, as its page has them."""
    return "\n".join(table.as_markdown() for table in TOPICS[topic]())


@click.command(cls=Command)
@click.argument("word", metavar="[CODE|app.yml|compose|permissions]", required=False)
@click.option("--markdown", is_flag=True, help="Print the table as it stands in the documentation.")
@click.pass_obj
def explain(context: Context, *, word: str | None, markdown: bool) -> None:
    """Say what an error's code means and what to do about it; without one, list all codes.

    With `app.yml`, `compose` or `permissions` it lists what a definition may say.
    """
    if word is not None and word in TOPICS:
        _explain_topic(context, word, markdown=markdown)
    elif markdown:
        click.echo(markdown_table(), nl=False)
    else:
        _explain_codes(context, word)


def _explain_topic(context: Context, topic: str, *, markdown: bool) -> None:
    tables = TOPICS[topic]()
    if markdown:
        click.echo(topic_markdown(topic), nl=False)
        return
    shape = [
        {
            "title": _plain(table.title),
            "words": _plain(table.words),
            "rows": [dict(zip(table.heads, map(_plain, row), strict=True)) for row in table.rows],
        }
        for table in tables
    ]
    if context.answers_json(shape):
        return
    for table in tables:
        for line in filter(None, (table.title, table.words)):
            context.printer.say(_plain(line))
        if table.rows:
            rows = [[_plain(cell) for cell in row] for row in table.rows]
            context.printer.table([head.upper() for head in table.heads], rows)


def _plain(text: str) -> str:
    """Without what marks words in a page."""
    return _unlinked(text.replace("`", ""))


def _unlinked(text: str) -> str:
    """With a page's name in brackets in place of a link to it."""
    return re.sub(r"\[([^]]+)\]\((\w[\w-]*\.md)[^)]*\)", r"\1 (docs/\2)", text)


def _explain_codes(context: Context, code: str | None) -> None:
    known = meanings()
    if code is not None and code not in known:
        raise _unknown(code, known)
    told = [
        {"code": one, "meaning": meaning, "remedy": WHAT_TO_DO[one]}
        for one, meaning in known.items()
        if code in (None, one)
    ]
    if context.answers_json(told[0] if code else told):
        return
    if code is None:
        context.printer.table(["CODE", "WHAT IT MEANS"], [[one["code"], one["meaning"]] for one in told])
        return
    context.printer.say(told[0]["meaning"])
    context.printer.say(_unlinked(told[0]["remedy"]))


def _errors(root: type[HomeportError]) -> Iterator[type[HomeportError]]:
    for error in root.__subclasses__():
        if not error.__name__.startswith("_") and "code" in vars(error):
            yield error
        yield from _errors(error)


def _first_sentences(words: str) -> str:
    """What an error's docstring says before it comes to its facts."""
    text = " ".join(words.split())
    for end in ("; facts:", "; `facts[", "; the facts of", " Facts:"):
        text = text.partition(end)[0]
    return text.rstrip(".") + "."


def _unknown(code: str, known: Mapping[str, str]) -> InvalidInputError:
    near = difflib.get_close_matches(code, known, n=1)
    remedy = f"Did you mean {near[0]!r}?" if near else "'homeport explain' lists all codes."
    if "-" in code:  # as rules are written, which stand in brackets in every finding
        remedy = (
            "A word with hyphens is the rule of a finding, which itself says what is wrong and what to do. "
            "What a definition may say: 'homeport explain app.yml', 'compose' or 'permissions'."
        )
    return InvalidInputError(
        f"There is no error {code[:60]!r}.",
        remedy=remedy,
        errors=[{"pointer": "CODE", "detail": "no error has this code"}],
    )


COMMANDS = (explain,)
