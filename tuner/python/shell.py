"""IPython, where this process runs it: a notebook, or its prompt in a terminal."""

import sys
from collections.abc import Callable
from typing import Any


def find_shell() -> Any:
    """Return IPython's shell of this process; None where there is none. It imports nothing."""
    find: Callable[[], Any] = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)
    return find()
