"""Find an object of a person's own code by its import path, `package.module:name` or `folder/file.py:name`."""

import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from tuner.errors import TunerError, did_you_mean, shorten
from tuner.logs import stdout_as_stderr
from tuner.spaces.own_code import text_of

#: Most characters of what an import raised.
_MAX_WORDS = 500
#: What the name of a file ends with.
_PYTHON = ".py"

#: Makes the error for an import path and the reason why it leads nowhere.
Refuse = Callable[[str, str], TunerError]


def find_own_object(path: str, *, expected: str, what: str, refuse: Refuse) -> tuple[ModuleType, Any]:
    """Return the module and the object at an import path.

    The current folder is put on `sys.path` and stays there, and so does the folder of a file.

    Args:
        path: The import path.
        expected: What it should look like, for the error.
        what: What is looked for, in the plural.
        refuse: Makes the error.

    Raises:
        TunerError: The module cannot be imported or has no such object; what `refuse` makes.
    """
    module_name, _, attribute = path.partition(":")
    if not module_name or not attribute:
        raise refuse(path, f"expected {expected}.")
    module = _import_module(path, module_of(path, refuse=refuse), refuse)
    if module_name.endswith(_PYTHON):
        _refuse_other_file(path, module, refuse)
    if hasattr(module, attribute):
        return module, getattr(module, attribute)
    public = [name for name, value in vars(module).items() if not name.startswith("_") and callable(value)]
    hint = did_you_mean(attribute, public) or f" It has {', '.join(public) or f'no {what}'}."
    raise refuse(path, f"{module.__name__} ({module.__file__}) has no {attribute!r}.{hint}")


def module_of(path: str, *, refuse: Refuse) -> str:
    """Return the name of the module that an import path names; the folder of a file is put at the end of `sys.path`.

    Raises:
        TunerError: It names a file, and there is none; what `refuse` makes.
    """
    name = path.partition(":")[0]
    if not name.endswith(_PYTHON):
        return name
    file = _find_file(path, refuse)
    folder = str(file.parent)
    if folder not in sys.path:
        sys.path.append(folder)
    return file.stem


def _find_file(path: str, refuse: Refuse) -> Path:
    """Return the file that a path names: where it says, or of that name in the current folder."""
    named = Path(path.partition(":")[0]).expanduser()
    # On another machine, a person copies the file to the current folder.
    for file in (named, Path(named.name)):
        if os.path.isfile(file):  # noqa: PTH113 - False for names that no file can have, where pathlib raises
            return file.resolve()
    raise refuse(
        path, f"there is no file {named}. Copy it to the current folder; a bundle has it in its folder source/."
    )


def _refuse_other_file(path: str, module: ModuleType, refuse: Refuse) -> None:
    file = _find_file(path, refuse)
    if module.__file__ is None or not file.samefile(module.__file__):
        raise refuse(
            path, f"Python finds another module {module.__name__!r} first, {module.__file__}. Rename {file.name}."
        )


def _import_module(path: str, name: str, refuse: Refuse) -> ModuleType:
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        with stdout_as_stderr():
            return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            raise refuse(
                path,
                f"no module named {error.name!r} in {folder} nor installed. Check its spelling (dots, no slashes, "
                "no .py), or start tuner in the folder that holds it.",
            ) from error
        raise refuse(path, f"{name} itself imports {error.name!r}, which is not installed.") from error
    except (Exception, SystemExit) as error:
        said = shorten(text_of(error), width=_MAX_WORDS)
        raise refuse(
            path, f"importing {name} raised {type(error).__name__}: {said}. Try `python -c 'import {name}'`."
        ) from error
