"""Whether a statement, run by a worker, makes what a script or notebook has now, or what it had before a change."""

import ast
from collections.abc import Iterator, Mapping
from types import FunctionType
from typing import Any

#: Methods that change what they are called of: Keras', scikit-learn's, and those of Python's own kinds.
_CHANGING = frozenset({
    "adapt", "add", "append", "assign", "build_from_config", "clear", "compile", "extend", "fill", "fit",
    "fit_transform", "insert", "load_state_dict", "load_weights", "partial_fit", "pop", "remove", "reverse",
    "set_state", "set_weights", "setdefault", "sort", "train_on_batch", "update",
})  # fmt: skip

#: Kinds of values that can be compared beyond doubt.
_COMPARED = (bool, int, float, complex, str, bytes, type(None))


def changes(statement: ast.stmt, name: str) -> bool:
    """Say whether a statement outside of functions and classes changes the object of that name.

    That is a part that it sets or deletes, as `name.part = …` and `name[0] = …` do, or a call such as `name.fit(…)`.
    What a function does to its arguments is not seen. A statement with a block is looked at without it.
    """
    if hasattr(statement, "body"):
        return False
    for node in ast.walk(statement):
        if isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del):
            is_change = _root(node) == name
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            is_change = node.func.attr in _CHANGING and _root(node.func) == name
        else:
            continue
        if is_change:
            return True
    return False


def _root(node: ast.expr) -> str | None:
    """Return the name that a chain such as `name.layers[0].weights` begins with; None where it is no name."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def find_stale(
    definition: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, value: Any, namespace: Mapping[str, Any]
) -> str | None:
    """Return a name that had another value when a function's defaults, or a class' parts, were made; None without one.

    Args:
        definition: The statement that defines the value.
        value: The function or class.
        namespace: Where the statement ran, as it is now.
    """
    for expression, made in _made_with(definition, value):
        if isinstance(expression, ast.Name) and expression.id in namespace:
            now = namespace[expression.id]
            if all(type(one) in _COMPARED for one in (made, now)) and made != now:
                return expression.id
    return None


def _made_with(definition: ast.stmt, value: Any) -> Iterator[tuple[ast.expr | None, Any]]:
    """Yield the expressions that Python computed when it ran a definition, each with what it came to."""
    if isinstance(definition, ast.FunctionDef | ast.AsyncFunctionDef) and isinstance(value, FunctionType):
        yield from zip(definition.args.defaults, value.__defaults__ or (), strict=False)
        only_by_name = zip(definition.args.kwonlyargs, definition.args.kw_defaults, strict=True)
        yield from ((one, (value.__kwdefaults__ or {}).get(argument.arg)) for argument, one in only_by_name if one)
    elif isinstance(definition, ast.ClassDef) and isinstance(value, type):
        parts = vars(value)
        for statement in definition.body:
            if isinstance(statement, ast.FunctionDef):
                yield from _made_with(statement, parts.get(statement.name))
            elif isinstance(statement, ast.Assign):
                targets = [one for one in statement.targets if isinstance(one, ast.Name)]
                yield from ((statement.value, parts[one.id]) for one in targets if one.id in parts)
            elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                yield statement.value, parts.get(statement.target.id)
