"""Modules that `tuner.create_study` writes of builders in scripts and notebooks: their lines as the person knows them.

Equal definitions give equal modules, whichever cell they were in, so that a worker knows no cell: it names the
function, its line, and the text of that line.
"""

import ast
import linecache
from pathlib import Path

from tuner.errors import shorten

#: How the docstring of such a module ends.
WRITTEN_BY = "written by `tuner.create_study`."
#: Longest part of a line that is repeated.
_LONGEST_LINE = 80


def is_handed_over(file: str) -> bool:
    """Say whether a file is such a module."""
    return linecache.getline(file, 1).rstrip().endswith(f'{WRITTEN_BY}"""')


def describe_line(file: str, line: int) -> str | None:
    """Return a line of such a module in words, as in ``function build, line 2, `return 1 / 0` ``; None for other files.

    Args:
        file: Of the module, as tracebacks name it.
        line: From 1.
    """
    if not is_handed_over(file):
        return None
    statement = _find_statement("".join(linecache.getlines(file)), line)
    if statement is None:
        return None
    within = line - first_line(statement) + 1
    text = shorten(linecache.getline(file, line), width=_LONGEST_LINE)
    return f"{describe_statement(statement)}, line {within}, `{text}`"


def first_line(statement: ast.stmt) -> int:
    """Return the first line of a statement, its decorators included."""
    decorators: list[ast.expr] = getattr(statement, "decorator_list", [])
    return min([statement.lineno, *(one.lineno for one in decorators)])


def _find_statement(source: str, line: int) -> ast.stmt | None:
    statements = ast.parse(source).body
    return next((one for one in statements if first_line(one) <= line <= (one.end_lineno or 0)), None)


def describe_statement(statement: ast.stmt) -> str:
    """Return what a statement defines, as in `function build`."""
    if isinstance(statement, ast.ClassDef):
        return f"class {statement.name}"
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
        return f"function {statement.name}"
    if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
        return f"definition of {statement.targets[0].id}"
    return "imports"


def describe_place(file: str, line: int) -> str:
    """Return a line of a person's own code in words: of a handed-over builder, or as in `nets.py, line 41`."""
    return describe_line(file, line) or f"{Path(file).name}, line {line}"
