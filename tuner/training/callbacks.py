"""A person's own Keras callbacks, which watch a training run, alike for every way of training.

| called | with |
|---|---|
| `set_params` | `epochs`, `steps`, `initial_epoch`, and what the job says of itself |
| `set_model` | the model |
| `on_train_begin`, `on_train_end` | before the first epoch here, and however the run ends, unless its process dies |
| `on_epoch_begin`, `on_epoch_end` | the epoch from 0; its logs, `val_` included, after its checkpoint is begun |

No other method is called: a whole epoch is one call into the backend, so there are no batches to tell of. Epochs that a
checkpoint held were told to the callbacks of the process that trained them, and are not told again.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras

from tuner.errors import TunerError, shorten

_log = logging.getLogger(__name__)

#: Most characters of what a callback raised.
_MAX_WORDS = 300


class CallbackError(TunerError):
    """A callback raised."""

    def __init__(self, path: str, method: str, error: Exception) -> None:
        words = shorten(" ".join(str(error).split()), width=_MAX_WORDS)
        super().__init__(f"The callback {path} raised {type(error).__name__} in {method}: {words}")


class RunCallbacks:
    """The callbacks of one run.

    One that raises is left out from then on, and a note says so: a tracker that does not answer costs no trial.

    Args:
        callbacks: By import path.
        params: What `set_params` is given beside Keras' own keys.
        is_trial_of_them: Raise what they raise, as `CallbackError`, because they are being tried.
    """

    def __init__(
        self,
        callbacks: Mapping[str, keras.callbacks.Callback] | None = None,
        params: Mapping[str, Any] | None = None,
        *,
        is_trial_of_them: bool = False,
    ) -> None:
        self._callbacks = dict(callbacks or {})
        self._params = dict(params or {})
        self._raises = is_trial_of_them
        self._has_begun = False

    def begin_epoch(
        self, epoch: int, *, model: keras.Model, params: Mapping[str, Any], note: Callable[[str], None]
    ) -> None:
        """Tell of an epoch (from 1) that begins, and of the run before the first one."""
        if not self._has_begun:
            self._has_begun = True
            everything = {**params, "initial_epoch": epoch - 1, **self._params}
            self._call("set_params", [everything], note)
            self._call("set_model", [model], note)
            self._call("on_train_begin", [], note)
        self._call("on_epoch_begin", [epoch - 1], note)

    def end_epoch(self, epoch: int, logs: Mapping[str, float], note: Callable[[str], None]) -> None:
        """Tell of an epoch (from 1) that is over."""
        self._call("on_epoch_end", [epoch - 1, dict(logs)], note)

    @property
    def has_begun(self) -> bool:
        """Whether they know of the run."""
        return self._has_begun

    def end(self, logs: Mapping[str, float], note: Callable[[str], None]) -> None:
        """Tell that the run is over, if they know of it."""
        if self._has_begun:
            self._call("on_train_end", [dict(logs)], note)

    def _call(self, method: str, arguments: Sequence[Any], note: Callable[[str], None]) -> None:
        for path, callback in list(self._callbacks.items()):
            try:
                getattr(callback, method)(*arguments)
            except Exception as error:
                if self._raises:
                    raise CallbackError(path, method, error) from error
                del self._callbacks[path]
                _log.debug("The callback %s raised", path, exc_info=error)
                note(f"{CallbackError(path, method, error)}. It was not called any more in this training.")
