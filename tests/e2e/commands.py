"""The installed command, as tests start it: by itself, or forked from a process that has imported TensorFlow."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from support.warm_commands import CommandServer, WarmCommand

from tuner.studies.database.storage import open_storage
from tuner.studies.lifecycle import find_study

#: A callback that ends the third epoch, and later ones, of one training of a process only when there is a file `go`.
_HOLD = """
import time
from pathlib import Path

import keras


class Hold(keras.callbacks.Callback):
    trainings = 0

    def on_train_begin(self, logs=None):
        Hold.trainings += 1

    def on_epoch_end(self, epoch, logs=None):
        while epoch >= 2 and Hold.trainings == {training} and not Path("go").exists():
            time.sleep(0.02)
"""

Run = Callable[..., subprocess.CompletedProcess[str]]
RunHere = Callable[..., str]

#: Trials differ in what asks for no program of their own, and in one of two widths.
TINY = """
name = "tiny"
dataset = "digits"

[space]
name = "mlp"

[space.units]
values = [8, 16]

[search]
trials = 4
epochs = 3
startup_trials = 2

[fixed]
batch_size = 64
loss = "sparse_categorical_crossentropy"
optimizer = "adam"
activation = "relu"
hidden_layers = 1
batch_normalization = false
dropout = 0.1

[finals]
top = 2
candidates = 2
confirm_repeats = 1
repeats = 2
epochs = 3
compare_augmentation = true
"""


#: Hides JAX, which the plain installation has not, and which TensorFlow imports where it finds it: 0.6 s a process.
_WITHOUT_JAX = Path(__file__).with_name("without_jax")

#: What the tests of this process have started; `conftest.py` ends what they leave.
started: list[subprocess.Popen[str] | WarmCommand] = []
_servers: list[CommandServer] = []


def artifacts_of(folder: Path, name: str) -> Path:
    """Return where the files of a study of this folder are, which may have none yet."""
    with open_storage(f"sqlite:///{folder / '.tuner' / 'tuner.db'}") as storage:
        return folder / ".tuner" / "artifacts" / find_study(storage, name).folder


def holding(folder: Path, *, training: int = 1) -> list[str]:
    """Return the options of a study whose workers wait in the third epoch of their n-th training for `let_go`."""
    (folder / "holding.py").write_text(_HOLD.format(training=training))
    return ["--set", 'callbacks=["holding:Hold"]']


def let_go(folder: Path) -> None:
    """Let them go on, from now on."""
    (folder / "go").touch()


def start(folder: Path, *arguments: str, settings: Mapping[str, str] = {}) -> subprocess.Popen[str]:
    """Start the installed command in a folder, with nothing of this shell's settings but these."""
    process = subprocess.Popen(
        [Path(sys.executable).with_name("tuner"), *arguments],
        cwd=folder,
        env=_environment(folder, settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    started.append(process)
    return process


def start_warm(folder: Path, *arguments: str, settings: Mapping[str, str] = {}) -> WarmCommand:
    """Start the command as `start` does, in a process that need not import TensorFlow, which takes six seconds.

    What a command starts itself, such as a pool's workers, imports everything.
    """
    return _start_warm(folder, arguments, settings, script=None)


def start_script(folder: Path, name: str) -> WarmCommand:
    """Start a Python script in its folder, as `start_warm` starts the command."""
    return _start_warm(folder, (), {}, script=folder / name)


def _start_warm(
    folder: Path, arguments: Sequence[str], settings: Mapping[str, str], *, script: Path | None
) -> WarmCommand:
    if not _servers:
        _servers.append(CommandServer(_environment(folder, {})))
    process = _servers[0].start(folder, arguments, _environment(folder, settings), script=script)
    started.append(process)
    return process


def end_server() -> None:
    """End the process that forks commands, if there is one."""
    while _servers:
        _servers.pop().close()


def _environment(folder: Path, settings: Mapping[str, str]) -> dict[str, str]:
    return {
        **{key: value for key, value in os.environ.items() if not key.startswith(("TUNER_", "KERAS_"))},
        "PYTHONPATH": os.pathsep.join([str(_WITHOUT_JAX), os.environ["PYTHONPATH"]]),
        "TUNER_DATA": str(folder / "data"),
        "COLUMNS": "200",
        **settings,
    }
