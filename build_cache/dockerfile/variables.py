"""What a Dockerfile's variables hold where an instruction stands. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from homeport.catalog.dockerfile.bases import global_arguments, plain_flag, require_bounded, stage_of
from homeport.catalog.dockerfile.parse import Dockerfile, Instruction, split_words
from homeport.catalog.dockerfile.shell_words import substitute

_ENTRY = 100  # about what a name with its place in a table takes beside its value, in characters


@dataclass
class _Stage:
    """The variables of one stage, by both rules that BuildKit has had.

    `env_first`: what ENV sets wins over every ARG; `latest`: what was set last wins. `set_by_env` has the
    names that ENV has set; `characters` is how much there is.
    """

    env_first: dict[str, str] = field(default_factory=dict)
    latest: dict[str, str] = field(default_factory=dict)
    set_by_env: set[str] = field(default_factory=set)
    characters: int = 0

    def copy(self) -> "_Stage":
        return _Stage(dict(self.env_first), dict(self.latest), set(self.set_by_env), self.characters)


class Variables:
    """Follows the variables of a file through its stages; `enter` every instruction in turn.

    Raises:
        ShellError: here and in every method: they are beyond all bounds.
    """

    def __init__(self, parsed: Dockerfile, given: Mapping[str, str]) -> None:
        self._given = given
        self._escape = parsed.escape
        self._global = global_arguments(parsed, given)
        self._stage = _Stage()
        self._stages: dict[str, _Stage] = {}
        self._kept = 0

    def enter(self, instruction: Instruction) -> None:
        """Takes note of what the instruction sets for those after it."""
        match instruction.keyword:
            case "FROM":
                base, name = stage_of(instruction, self._global, escape=self._escape)
                self._stage = self._stages.get(base.lower(), _Stage()).copy()
                self._keep(self._stage.characters)
                self._stages[name] = self._stage
            case "ARG":
                for word in split_words(instruction.arguments, self._escape) or ():
                    self._declare(*word.partition("="))
            case "ENV":
                for name, value in self._assigned(instruction.arguments):
                    self._set(self.unquote(name), *self._replaced(value), by_env=True)

    def replace(self, text: str) -> list[str]:
        """What the text may be with its variables replaced, without quotes."""
        return list(dict.fromkeys(self.unquote(replaced) for replaced in self._replaced(text)))

    def unquote(self, text: str) -> str:
        """The text without quotes and escape characters."""
        return plain_flag(text, self._escape)

    def _replaced(self, text: str) -> tuple[str, str]:
        return (
            substitute(text, self._stage.env_first, self._escape),
            substitute(text, self._stage.latest, self._escape),
        )

    def _declare(self, name: str, has_default: str, default: str) -> None:
        if name in self._given:
            values = (self._given[name], self._given[name])
        elif has_default:
            values = self._replaced(default)
        elif name in self._global:
            values = (self._global[name], self._global[name])
        else:
            return
        self._set(name, *values)

    def _set(self, name: str, env_first: str, latest: str, *, by_env: bool = False) -> None:
        if by_env:
            self._stage.set_by_env.add(name)
        if by_env or name not in self._stage.set_by_env:
            self._stage.env_first[name] = env_first
        self._stage.latest[name] = latest
        added = len(name) + len(env_first) + len(latest) + _ENTRY
        self._stage.characters += added
        self._keep(added)

    def _keep(self, characters: int) -> None:
        self._kept += characters
        require_bounded(self._kept)

    def _assigned(self, arguments: str) -> Iterator[tuple[str, str]]:
        words = split_words(arguments, self._escape) or []
        if words and "=" not in words[0]:  # the older form, `ENV NAME value`
            name, _, value = arguments.strip().partition(" ")
            yield name, value.strip()
            return
        for word in words:
            name, _, value = word.partition("=")
            yield name, value
