"""What modules set in Keras when they are imported, kept for every builder that imports them.

Python runs a module once in a process: if two builders share a module that sets the precision, only the import for the
first builder sets it. So while a builder's module is imported, and while a model is built, the changes of each module
that runs are recorded, and an import statement for a module that ran earlier repeats its changes. Each builder thus
finds the settings that it would find in a process of its own.

Not covered: a call of `importlib.import_module` for a module that another builder has imported, a setting that a module
sets to the value that it has already, and what is imported during training.
"""

import builtins
import importlib.util
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial, wraps
from importlib.machinery import ModuleSpec, SourceFileLoader, SourcelessFileLoader
from types import ModuleType
from typing import Any

from tuner.spaces.keras_settings import KerasSettings, read_keras_settings

_Build = Callable[..., Any]


@dataclass(frozen=True, kw_only=True)
class _Imported:
    """A builder's module after its import."""

    settings: KerasSettings
    #: What was imported for it: the changes of these modules are among the settings.
    modules: frozenset[str]


#: Before the first builder's module was imported.
_initial: KerasSettings | None = None
#: Module → what it did when it ran, in this order: the modules it imported, by name, and the settings it changed.
_recorded: dict[str, list[str | KerasSettings]] = {}
_builders: dict[str, _Imported] = {}


def with_initial_settings(build: _Build) -> _Build:
    """Return `build` with the settings of before any builder's import in place before each call."""
    initial = _initial_settings()

    @wraps(build)
    def build_with_settings(*args: Any, **kwargs: Any) -> Any:
        initial.apply()
        return build(*args, **kwargs)

    return build_with_settings


def with_settings_of(module: str, build: _Build) -> _Build:
    """Return `build` with the settings that its module left in place before each call."""
    imported = _builders[module]

    @wraps(build)
    def build_with_settings(*args: Any, **kwargs: Any) -> Any:
        imported.settings.apply()
        with _watched_imports(imported.modules):
            return build(*args, **kwargs)

    return build_with_settings


@contextmanager
def keep_settings_of(module: str) -> Iterator[None]:
    """Remember what holds when the block that imports a builder's module ends, if it is not known yet.

    A module that was imported without being recorded, as in a notebook, is taken to have set what holds now.
    """
    initial = _initial_settings()
    is_imported = module in sys.modules
    if is_imported and module in _builders:
        yield
        return
    if not is_imported or module in _recorded:
        initial.apply()
    with _watched_imports() as watch:
        if is_imported:
            watch.repeat(module)
        yield
    _builders[module] = _Imported(settings=read_keras_settings(), modules=frozenset(watch.imported))


def _initial_settings() -> KerasSettings:
    """Return the settings of before any builder's module was imported; the first call takes those of now."""
    global _initial  # noqa: PLW0603 - as Keras' own settings are
    if _initial is None:
        _initial = read_keras_settings()
    return _initial


@contextmanager
def _watched_imports(imported: Iterable[str] = ()) -> Iterator["_Watch"]:
    """Watch the imports of this thread.

    Args:
        imported: Modules whose changes hold already and are not repeated.
    """
    watch = _Watch(imported)
    python_import = builtins.__import__
    builtins.__import__ = watch.wrap(python_import)
    sys.meta_path.insert(0, watch)
    try:
        yield watch
    finally:
        sys.meta_path.remove(watch)
        builtins.__import__ = python_import


class _Watch:
    """Records what modules change that run now, and repeats what others changed when they ran."""

    def __init__(self, imported: Iterable[str]) -> None:
        self.imported = set(imported)
        self._thread = threading.get_ident()
        self._settings = read_keras_settings()
        #: The records of the modules that are running, the innermost last; the first belongs to no module.
        self._running: list[list[str | KerasSettings]] = [[]]

    def wrap(self, python_import: Callable[..., Any]) -> Callable[..., Any]:
        """Return what an import statement calls instead of Python's own `__import__`."""

        def watched_import(
            name: str,
            globals: Mapping[str, Any] | None = None,  # noqa: A002 - Python's names
            locals: Mapping[str, Any] | None = None,  # noqa: A002
            fromlist: Sequence[str] | None = (),
            level: int = 0,
        ) -> Any:
            if threading.get_ident() == self._thread:
                for module in _named_modules(name, globals or {}, fromlist or (), level):
                    self._running[-1].append(module)
                    if module in sys.modules:
                        self.repeat(module)
            return python_import(name, globals, locals, fromlist, level)

        return watched_import

    def repeat(self, module: str) -> None:
        """Change what the module changed when it ran, once."""
        if module in self.imported or module not in _recorded:
            return
        self._record_changes()
        self._repeat(module)
        self._settings = read_keras_settings()

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return what Python's other finders find, so that this object sees the module run."""
        if threading.get_ident() != self._thread:
            return None
        finders = [finder for finder in sys.meta_path if finder is not self and hasattr(finder, "find_spec")]
        spec = next((spec for finder in finders if (spec := finder.find_spec(name, path, target)) is not None), None)
        if spec is not None and isinstance(spec.loader, SourceFileLoader | SourcelessFileLoader):
            # This loader belongs to this module alone.
            spec.loader.exec_module = partial(self._run, spec.loader.exec_module)  # type: ignore[method-assign]
        return spec

    def _run(self, execute: Callable[[ModuleType], None], module: ModuleType) -> None:
        name = module.__name__
        self._record_changes()
        self.imported.add(name)
        self._running.append([])
        try:
            execute(module)
            self._record_changes()
        finally:
            done = self._running.pop()
        # Of `from helper import size`, `helper.size` is no module.
        _recorded[name] = [deed for deed in done if isinstance(deed, KerasSettings) or deed in sys.modules]

    def _repeat(self, module: str) -> None:
        if module in self.imported:
            return
        self.imported.add(module)
        for deed in _recorded.get(module, ()):
            if isinstance(deed, KerasSettings):
                deed.apply()
            else:
                self._repeat(deed)

    def _record_changes(self) -> None:
        """Ascribe what has changed since the last look to the module that is running."""
        now = read_keras_settings()
        changed = now.changes_since(self._settings)
        if changed.values:
            self._running[-1].append(changed)
            self._settings = now


def _named_modules(name: str, importing: Mapping[str, Any], fromlist: Sequence[str], level: int) -> Iterator[str]:
    """Yield the modules that an import statement may run, packages before what they hold."""
    try:
        base = importlib.util.resolve_name("." * level + name, _package_of(importing)) if level else name
    except ImportError:
        # Python says so itself.
        return
    parts = base.split(".")
    yield from (".".join(parts[:n_parts]) for n_parts in range(1, len(parts) + 1))
    yield from (f"{base}.{each}" for each in fromlist)


def _package_of(importing: Mapping[str, Any]) -> str | None:
    package: str | None = importing.get("__package__")
    if package is not None:
        return package
    name: str = importing.get("__name__", "")
    return name if "__path__" in importing else name.rpartition(".")[0]
