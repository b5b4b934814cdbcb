"""Files into which the callbacks of a HyperModel's own `fit` write weights, and which every run would write to."""

from typing import Any

from tuner.training.fit_call import WEIGHT_CALLBACKS, flatten_callbacks

#: Where a callback keeps the name of its file or folder.
_ATTRIBUTES = ("filepath", "backup_dir")

#: What the runs of this process have written to.
_written: set[str] = set()


class WeightFiles:
    """The files and folders of one run."""

    def __init__(self) -> None:
        self._own: set[str] = set()

    def describe_shared(self, callbacks: Any) -> str | None:
        """Return a sentence about those of a call's callbacks that an earlier run has written to; None without any."""
        paths = [
            str(getattr(callback, name))
            for callback in flatten_callbacks(callbacks)
            if isinstance(callback, WEIGHT_CALLBACKS)
            for name in _ATTRIBUTES
            if getattr(callback, name, None)
        ]
        files = set(paths) - self._own
        shared = sorted(files & _written)
        _written.update(files)
        self._own |= files
        if not shared:
            return None
        return (
            f"The space's fit writes weights to {', '.join(shared)} in every training: workers on one machine would "
            "read each other's. Write to a new folder in each call, such as tempfile.mkdtemp()."
        )
