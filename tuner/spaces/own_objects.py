"""Find an object of a person's own code by its import path, `package.module:name`."""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from tuner.errors import TunerError, did_you_mean, shorten
from tuner.logs import stdout_as_stderr

#: Most characters of what an import raised.
_MAX_WORDS = 500

#: Makes the error for an import path and the reason why it leads nowhere.
Refuse = Callable[[str, str], TunerError]


def find_own_object(path: str, *, expected: str, what: str, refuse: Refuse) -> tuple[ModuleType, Any]:
    """Return the module and the object at an import path; the current folder is put on `sys.path` and stays there.

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
    module = _import_module(path, module_name, refuse)
    if hasattr(module, attribute):
        return module, getattr(module, attribute)
    public = [name for name, value in vars(module).items() if not name.startswith("_") and callable(value)]
    hint = did_you_mean(attribute, public) or f" It has {', '.join(public) or f'no {what}'}."
    raise refuse(path, f"{module.__name__} ({module.__file__}) has no {attribute!r}.{hint}")


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
        raise refuse(
            path,
            f"importing {name} raised {type(error).__name__}: {shorten(str(error), width=_MAX_WORDS)}. Try `python -c "
            f"'import {name}'`.",
        ) from error
