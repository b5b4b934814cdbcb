"""What workers are told of a builder that a person gives as an object: where they import it.

| the builder is | workers import |
|---|---|
| a name or an import path, as text | as from the command line |
| a function, a class or an instance in a module of its own | that module, from its file |
| defined in the script itself, at its top level, or in a notebook's cells | a module that is written for it |

The module lies in `TUNER_HOME`, its name ends with the hash of its text, and it stays: bundles are rebuilt by it.
"""

import ast
import hashlib
import inspect
import linecache
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType
from typing import Any

from tuner.artifacts import ArtifactNotWrittenError, ArtifactStore
from tuner.errors import TunerError
from tuner.python.shell import find_shell
from tuner.python.source import SourceUnavailableError, Text, find_place, source_of, write_module
from tuner.spaces.handed_over import WRITTEN_BY, describe_statement, is_handed_over
from tuner.spaces.own_code import is_installed

#: Folder in `TUNER_HOME`.
FOLDER = "builders"
_NAME_LENGTH = 12
_MAIN = "__main__"
#: As `tuner.spaces.handed_over` describes a line.
_PLACE = re.compile(r"(?P<what>(?:function|class|definition of) \w+), line (?P<line>\d+)")


class BuilderGivenError(TunerError):
    """What was given as space is no builder."""

    def __init__(self, value: Any) -> None:
        super().__init__(
            f"space: received {type(value).__name__}. Expected a function build(hp) or build(hp, images), a "
            "keras_tuner.HyperModel (class or instance), or text: a family such as 'cnn', or package.module:Object."
        )


@dataclass(frozen=True, kw_only=True)
class PlacedBuilder:
    """Where workers find a builder."""

    #: As a definition takes it.
    space: str
    #: What was given, where it was an object.
    found: Any = None
    #: Said to people: what was done so that workers find it; empty where nothing was.
    told: str = ""


def place_builder(space: Any, *, home: Path) -> PlacedBuilder:
    """Return where workers find the builder; one of a script or a notebook is written to `home`.

    Raises:
        BuilderGivenError: It is no builder.
        SourceUnavailableError: Its source, or that of something that it needs, cannot be had.
    """
    if isinstance(space, str):
        return PlacedBuilder(space=space)
    if not callable(space) and not _is_hypermodel(space):
        raise BuilderGivenError(space)
    module, name = _find(space)
    if module == _MAIN:
        return _hand_over(name, vars(sys.modules[_MAIN]), home=home, found=space)
    return PlacedBuilder(space=f"{_importable(module)}:{name}", found=space)


def _hand_over(name: str, namespace: Mapping[str, Any], *, home: Path, found: Any) -> PlacedBuilder:
    where = "the notebook" if is_notebook() else "the script"
    content = _write(name, namespace).encode()
    file = home / FOLDER / f"{name}_{hashlib.sha256(content).hexdigest()[:_NAME_LENGTH]}.py"
    if not file.is_file():
        try:
            # It appears whole: a worker may import it at any time, and it is never written again.
            ArtifactStore(str(file.parent)).write(file.name, content)
        except ArtifactNotWrittenError as error:
            raise SourceUnavailableError(
                f"{file} cannot be written: {error.reason}", "Free some space, or set TUNER_HOME."
            ) from error
    told = f"{name} is defined in {where}: workers import it, with what it needs, from {file}"
    return PlacedBuilder(space=f"{file}:{name}", found=found, told=told)


def _write(name: str, namespace: Mapping[str, Any]) -> str:
    heading = f"`{name}` with what it needs, as a script or notebook defined it: {WRITTEN_BY}"
    return write_module(name, namespace, read_texts(namespace), heading=heading)


def tell_cells(text: str, space: str) -> str:
    """Return an error's text with lines of a study's builder as lines of this script, or of a cell that has run here.

    Workers know only functions and their lines, which stay in the text where the definition is not found here.

    Args:
        text: Of an error.
        space: Of the study.
    """
    file = space.rpartition(":")[0]
    if not is_handed_over(file):
        return text
    content = Path(file).read_text(encoding="utf-8")
    sources = {describe_statement(one): source_of(content, one) for one in ast.parse(content).body}
    texts = read_texts(vars(sys.modules[_MAIN]))

    def find(found: re.Match[str]) -> str:
        source = sources.get(found["what"])
        return (source and find_place(source, int(found["line"]), texts)) or found[0]

    return _PLACE.sub(find, text)


def is_redefined(space: str) -> bool:
    """Say whether this script or notebook defines a study's builder otherwise by now than when it was created."""
    file, _, name = space.rpartition(":")
    namespace = vars(sys.modules[_MAIN])
    if name not in namespace or not is_handed_over(file):
        return False
    try:
        return _write(name, namespace) != Path(file).read_text(encoding="utf-8")
    except SourceUnavailableError:
        # What workers could not be given is another builder.
        return True


def _find(space: Any) -> tuple[str, str]:
    """Return the module that holds the builder, and its name there."""
    if isinstance(space, type | FunctionType):
        own = space.__module__, space.__qualname__
        if vars(sys.modules.get(own[0], object)).get(own[1]) is space:
            return own
    # An instance, a partial, a lambda, or what another name was given to.
    home = type(space).__module__ if _is_hypermodel(space) and not isinstance(space, type) else _module_of(space)
    for module in dict.fromkeys((_MAIN, home)):
        if (name := _name_in(module, space)) is not None:
            return module, name
    if not isinstance(space, type) and _is_hypermodel(space) and _is_as_made(space):
        return _find(type(space))
    raise _not_named(space)


def _not_named(space: Any) -> SourceUnavailableError:
    name = getattr(space, "__qualname__", "")
    if "<locals>" in name:
        return SourceUnavailableError(
            f"{name} is defined within another function", "Define it at the top level of the script or of a cell."
        )
    if name == "<lambda>":
        return SourceUnavailableError("it is a lambda without a name", "Define it by `def build(hp): …`.")
    if isinstance(space, type | FunctionType):
        return SourceUnavailableError(
            f"the name {name} means something else by now", f"Give space={name}, as it is now."
        )
    kind = type(space).__name__
    return SourceUnavailableError(
        f"the {kind} has no name, so that it is not known how it was made",
        f"Give it one, as in `builder = {kind}(…)`, and space=builder.",
    )


def _module_of(space: Any) -> str:
    return str(getattr(space, "__module__", None) or _MAIN)


def _name_in(module: str, value: Any) -> str | None:
    # IPython keeps the last results as _, _1 and so on.
    names = [name for name, one in vars(sys.modules.get(module, object)).items() if one is value]
    return next((name for name in names if not name.startswith("_")), None)


def _is_hypermodel(space: Any) -> bool:
    keras_tuner = sys.modules.get("keras_tuner")
    if keras_tuner is None:
        return False
    return isinstance(space, keras_tuner.HyperModel) or (
        isinstance(space, type) and issubclass(space, keras_tuner.HyperModel)
    )


def _is_as_made(instance: Any) -> bool:
    """Say whether an instance is as its class makes one without arguments: then the class tells all of it."""
    try:
        fresh = type(instance)()
        return _state(instance) == _state(fresh)
    except Exception:  # noqa: BLE001 - a person's class: it needs arguments, or its values cannot be compared
        return False


def _state(instance: Any) -> dict[str, Any]:
    # KerasTuner wraps `build` in each instance.
    return {name: value for name, value in vars(instance).items() if not inspect.ismethod(value)}


def _importable(module: str) -> str:
    """Return the module's name, or its file where workers would not find the name."""
    file = getattr(sys.modules[module], "__file__", None)
    if file is None:
        return module
    path = Path(file).resolve()
    is_beside = path.is_relative_to(Path.cwd())
    if is_beside or is_installed(path) or "." in module or path.name == "__init__.py":
        return module
    return str(path)


def read_texts(namespace: Mapping[str, Any]) -> list[Text]:
    """Return what has run in the script or notebook so far, oldest first."""
    shell = find_shell()
    if shell is not None:
        cells = shell.history_manager.input_hist_parsed
        return [Text(origin=f"In [{number}]", content=cell) for number, cell in enumerate(cells) if cell.strip()]
    file = namespace.get("__file__")
    if not isinstance(file, str):
        return []
    return [Text(origin=Path(file).name, content="".join(linecache.getlines(file)))]


def is_notebook() -> bool:
    """Say whether this process runs IPython: a notebook, or its prompt."""
    return find_shell() is not None
