"""The source of an object that was written in a script or in a notebook's cells, with everything that it needs.

Workers are processes of their own: they cannot import a notebook, and nothing is pickled. So the text of the object's
definition is taken, the names that it uses are found in that text, and for each of them the text that brings it:

| a name's value in the script or notebook | what is written |
|---|---|
| a function or a class that was defined there | its source, with what it needs in turn |
| a module, or what was imported by name | the import statement |
| numbers, text, None, and lists, tuples, sets and dictionaries of these | the value as it is now |
| a number or a short array of NumPy's | the value as it is now |
| anything else | the statement `name = …` that made it, with what that needs |

A name that nothing brings is an error, and so is what was changed since: nothing is guessed.
"""

import __future__

import ast
import builtins
import inspect
import linecache
import symtable
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from tuner.errors import TunerError, shorten
from tuner.python.changes import changes, find_stale
from tuner.spaces.handed_over import first_line

#: What IPython adds to Python's own names.
_OF_NOTEBOOKS = frozenset({"get_ipython", "display"})
#: Every module has them.
_OF_MODULES = frozenset({"__name__", "__doc__", "__file__", "__builtins__"})
_SIMPLE = (bool, int, float, complex, str, bytes, type(None))
_FUTURE = "from __future__ import annotations"
_POSTPONED: int = __future__.annotations.compiler_flag
#: Characters of the longest value that is written as it is.
_LONGEST_VALUE = 100_000


class SourceUnavailableError(TunerError):
    """The source of a builder, or of something that it needs, cannot be had."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"Workers cannot be given this builder: {problem}. {remedy}")


@dataclass(frozen=True, kw_only=True)
class Text:
    """A piece of source that has run: a script, or one cell."""

    #: As a person finds it: `In [3]`, or the script's name.
    origin: str
    content: str


@dataclass(frozen=True, kw_only=True)
class _Binding:
    """A statement at the top level of a text that gives a name its value."""

    statement: ast.stmt
    source: str
    text: Text


def write_module(name: str, namespace: Mapping[str, Any], texts: Sequence[Text], *, heading: str = "") -> str:
    """Return the source of a module for workers that defines `name` as the namespace does.

    Equal definitions give equal sources, whichever cell they were in.

    Args:
        name: A name in the namespace.
        namespace: Of the script or notebook, as it is now.
        texts: What has run there, oldest first.
        heading: The module's docstring.

    Raises:
        SourceUnavailableError: A source cannot be found, or a name has no value.
    """
    collected = _Collected(namespace=namespace, texts=texts)
    collected.need(name, needed_by="")
    future = [_FUTURE] if collected.postpones_annotations else []
    docstring = [f'"""{heading}"""'] if heading else []
    imports = ["\n".join([*future, *collected.imports])] if future or collected.imports else []
    return "\n\n".join([*docstring, *imports, *collected.pieces]) + "\n"


def find_place(definition: str, line: int, texts: Sequence[Text]) -> str | None:
    """Return where a line of a definition stands in what has run, as in `In [3], line 2`; None where it is nowhere.

    Args:
        definition: The source of a statement, as `write_module` writes it.
        line: Within it, from 1.
        texts: What has run, oldest first; the last one with that definition is told.
    """
    for text in reversed(texts):
        for statement in _top_level(text.content):
            if source_of(text.content, statement) == definition:
                return f"{text.origin}, line {first_line(statement) + line - 1}"
    return None


@dataclass(kw_only=True)
class _Collected:
    namespace: Mapping[str, Any]
    texts: Sequence[Text]
    imports: list[str] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)
    postpones_annotations: bool = False
    _seen: set[str] = field(default_factory=set)

    def need(self, name: str, *, needed_by: str) -> None:
        """Write what brings a name, after what that needs."""
        if name in self._seen or name in _OF_MODULES:
            return
        self._seen.add(name)
        if name not in self.namespace or name in _OF_NOTEBOOKS:
            if hasattr(builtins, name) and name not in _OF_NOTEBOOKS:
                return
            raise _no_value(name, needed_by)
        value = self.namespace[name]
        if self._is_defined_here(value):
            self._write(name, self._find_definition(name, value))
            return
        bindings = self._find_bindings(name)
        if bindings and all(isinstance(one.statement, ast.Import | ast.ImportFrom) for one in bindings):
            self._import(*(one.source for one in bindings))
        elif isinstance(value, ModuleType):
            self._import(f"import {value.__name__} as {name}")
        elif _is_literal(value) and len(repr(value)) <= _LONGEST_VALUE:
            self.pieces.append(f"{name} = {value!r}")
        elif (array := _source_of_array(value)) is not None:
            self._import("import numpy")
            self.pieces.append(f"{name} = {array}")
        elif bindings:
            piece = _find_assignment(name, value, bindings, needed_by)
            self._refuse_changed(name, value, bindings[0], needed_by)
            self._write(name, piece)
        else:
            self._import(_import_of(name, value, needed_by))

    def _is_defined_here(self, value: Any) -> bool:
        is_definition = isinstance(value, FunctionType | type)
        return is_definition and value.__module__ == self.namespace.get("__name__") and value.__name__ != "<lambda>"

    def _import(self, *statements: str) -> None:
        self.imports += [one for one in dict.fromkeys(statements) if one not in self.imports and one != _FUTURE]

    def _write(self, name: str, piece: str) -> None:
        for needed in free_names(piece):
            self.need(needed, needed_by=name)
        self.pieces.append(piece)

    def _refuse_changed(self, name: str, value: Any, made_by: _Binding, needed_by: str) -> None:
        """Refuse an object that a later statement has changed."""
        first = next(index for index, text in enumerate(self.texts) if text is made_by.text)
        for text in self.texts[first:]:
            for statement in _top_level(text.content):
                is_later = text is not made_by.text or statement.lineno > made_by.statement.lineno
                if is_later and changes(statement, name):
                    changed = shorten(source_of(text.content, statement))
                    raise SourceUnavailableError(
                        f"{_used(name, needed_by)}, {_describe(value)} that was changed after `{name} = …` made it: "
                        f"`{changed}` ({text.origin})",
                        "Make it whole in one statement or in a function, or make it inside the builder.",
                    )

    def _find_definition(self, name: str, value: Any) -> str:
        """Return the source of a function or class."""
        functions = [value] if isinstance(value, FunctionType) else _methods_of(value)
        codes = [inspect.unwrap(one).__code__ for one in functions]
        self.postpones_annotations |= any(code.co_flags & _POSTPONED for code in codes)
        for code in codes:
            content = "".join(linecache.getlines(code.co_filename))
            for found in _definitions(content):
                if found.name == value.__name__ and first_line(found) <= code.co_firstlineno <= (found.end_lineno or 0):
                    self._refuse_stale(name, found, value)
                    return source_of(content, found)
        # A class without a method of its own.
        bindings = [one for one in self._find_bindings(name) if isinstance(one.statement, ast.ClassDef)]
        if isinstance(value, type) and bindings:
            return bindings[-1].source
        raise SourceUnavailableError(
            f"the source of {name} is not known here",
            "Define it in a file, a notebook or a script, at the top level; not with exec, nor at Python's prompt.",
        )

    def _refuse_stale(self, name: str, definition: Any, value: Any) -> None:
        """Refuse a function or class that was made with another value of a constant than the present one."""
        stale = find_stale(definition, inspect.unwrap(value), self.namespace)
        if stale is not None:
            raise SourceUnavailableError(
                f"{name} was defined when {stale} had another value than now", f"Run the definition of {name} again."
            )

    def _find_bindings(self, name: str) -> list[_Binding]:
        """Return what gave the name its value: the different statements of the last text that has any.

        Of `import a.b` and `import a.c`, each brings a part of `a`: those of all texts are returned.
        """
        found = [
            [_Binding(statement=one, source=source_of(text.content, one), text=text) for one in _binding(text, name)]
            for text in self.texts
        ]
        having = [one for one in found if one]
        if not having:
            return []
        last = list({one.source: one for one in having[-1]}.values())
        if all(_imports_parts(one.statement) for one in last):
            return [one for bindings in having for one in bindings if _imports_parts(one.statement)]
        return last


def free_names(source: str) -> list[str]:
    """Return the names that a statement takes from its module or from Python, in order of their first appearance."""
    tables = [symtable.symtable(source, "<builder>", "exec")]
    names: list[str] = []
    while tables:
        table = tables.pop(0)
        tables += table.get_children()
        is_module = table.get_type() == "module"
        names += [
            one.get_name()
            for one in table.get_symbols()
            if (one.is_global() or (is_module and not one.is_assigned() and not one.is_namespace()))
            and (one.is_referenced() or one.is_declared_global())
        ]
    bound = {
        one.get_name() for one in symtable.symtable(source, "<builder>", "exec").get_symbols() if one.is_assigned()
    }
    return [name for name in dict.fromkeys(names) if name not in bound]


def _find_assignment(name: str, value: Any, bindings: Sequence[_Binding], needed_by: str) -> str:
    statement = bindings[0].statement
    is_plain = isinstance(statement, ast.Assign | ast.AnnAssign) and all(
        isinstance(target, ast.Name)
        for target in (statement.targets if isinstance(statement, ast.Assign) else [statement.target])
    )
    if len(bindings) > 1 or not is_plain:
        raise SourceUnavailableError(
            f"{_used(name, needed_by)}, {_describe(value)} that no single statement `{name} = …` makes",
            "Make it so, or make it inside the builder.",
        )
    return bindings[0].source


def _import_of(name: str, value: Any, needed_by: str) -> str:
    """Return an import statement for an object that came by `from … import *`, or otherwise unseen."""
    module, qualified = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if not module or not qualified or "." in qualified or "<" in qualified or module == "__main__":
        raise SourceUnavailableError(
            f"{_used(name, needed_by)}, {_describe(value)} of which it is not known how it was made",
            f"Make it by a statement `{name} = …` of its own, or inside the builder.",
        )
    return f"from {module} import {qualified} as {name}"


def _binding(text: Text, name: str) -> Iterator[ast.stmt]:
    """Yield the statements of a text, outside of functions and classes, that give the name a value."""
    for statement in _top_level(text.content):
        if isinstance(statement, ast.Import | ast.ImportFrom):
            bound = {alias.asname or alias.name.partition(".")[0] for alias in statement.names}
        elif isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            bound = {statement.name}
        else:
            own = [statement] if not hasattr(statement, "body") else _headers(statement)
            bound = {
                node.id
                for part in own
                for node in ast.walk(part)
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
            }
        if name in bound:
            yield statement


def _headers(statement: ast.stmt) -> list[ast.AST]:
    """Return what `for` and `with` bind before their blocks, whose own statements are looked at by themselves."""
    if isinstance(statement, ast.For | ast.AsyncFor):
        return [statement.target]
    if isinstance(statement, ast.With | ast.AsyncWith):
        return list(statement.items)
    return []


def _top_level(content: str) -> Iterator[ast.stmt]:
    """Yield the statements outside of functions and classes, also those in the blocks of `if`, `try`, `for`, `with`."""
    try:
        waiting: list[Any] = list(ast.parse(content).body)
    except SyntaxError:
        # A cell that did not run.
        return
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, ast.stmt):
            yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inner = [one for one in ast.iter_child_nodes(node) if isinstance(one, ast.stmt | ast.ExceptHandler)]
            waiting = inner + waiting


def _definitions(content: str) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    for statement in _top_level(content):
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield statement


def _methods_of(cls: type) -> list[FunctionType]:
    bare = [getattr(one, "__func__", getattr(one, "fget", one)) for one in vars(cls).values()]
    return [one for one in bare if isinstance(one, FunctionType) and one.__module__ == cls.__module__]


def source_of(content: str, statement: ast.stmt) -> str:
    """Return the source of one statement of a text; of a definition without the indent that it has there."""
    lines = content.splitlines()[first_line(statement) - 1 : statement.end_lineno]
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return textwrap.dedent("\n".join(lines))
    # Several may share a line.
    return ast.get_source_segment(content, statement) or ""


def _imports_parts(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Import) and any("." in one.name and not one.asname for one in statement.names)


def _is_literal(value: Any) -> bool:
    """Say whether the value's text makes an equal one."""
    if type(value) in {list, tuple, set}:
        return bool(value or type(value) is not set) and all(map(_is_literal, value))
    if type(value) is dict:
        return all(map(_is_literal, (*value.keys(), *value.values())))
    return type(value) in _SIMPLE and not (isinstance(value, float | complex) and not _is_finite(value))


def _source_of_array(value: Any) -> str | None:
    """Return an expression that makes an equal number or array of NumPy's; None for what is long or something else."""
    is_array = type(value) is np.ndarray and value.size > 0
    if (
        not (is_array or isinstance(value, np.generic))
        or value.dtype.kind not in "biuf"
        or not np.isfinite(value).all()
    ):
        return None
    text = repr(value.tolist())
    if len(text) > _LONGEST_VALUE:
        return None
    return f"numpy.array({text}, {value.dtype.name!r})" if is_array else f"numpy.{value.dtype.name}({text})"


def _is_finite(value: complex) -> bool:
    return abs(value) < float("inf")


def _no_value(name: str, needed_by: str) -> SourceUnavailableError:
    if name in _OF_NOTEBOOKS:
        return SourceUnavailableError(
            f"{_used(name, needed_by)}, which only notebooks have", "Leave magics and `display` out of it."
        )
    return SourceUnavailableError(
        f"{_used(name, needed_by)}, which has no value here",
        "Define it first, at the top level of the script or a cell.",
    )


def _used(name: str, needed_by: str) -> str:
    return f"{needed_by} uses {name}" if needed_by else f"it is {name}"


def _describe(value: Any) -> str:
    return f"{'an' if type(value).__name__[0] in 'aeiou' else 'a'} {shorten(type(value).__name__)}"
