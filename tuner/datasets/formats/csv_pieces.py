"""What was read of a large table, kept piece by piece: the next process goes on where a killed one stopped.

A folder for each file, named after its path, size and time of change and how it is read: `NNNNNN.npz` with the arrays
of some thousand rows, and `state.json`, which is replaced after each of them. It is below the folder of decoded
pictures, from which `tuner gc` removes what nobody has read for a week.
"""

import hashlib
import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.datasets.single_builder import building_alone

_log = logging.getLogger(__name__)

#: Raised when tables are read in another way.
_VERSION = 1
#: Bytes of a table's text from which on it is kept: less is read in seconds.
FEWEST_BYTES = 2**28
#: Bytes of the arrays of a piece, which some seconds of reading give.
_PIECE_BYTES = 2**26
_STATE = "state.json"


class KeptPieces:
    """The pieces of one table; without a folder, none are kept."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._new: list[Mapping[str, NDArray[Any]]] = []
        self._n_pieces = 0
        #: Where the file is read on, as its `tell` says it; None from the line after the first.
        self.position: int | None = None
        #: The number of the line there.
        self.next_line = 2

    def load(self) -> Iterator[Mapping[str, NDArray[Any]]]:
        """Yield the arrays of each piece that was kept, in their order; a damaged one ends them."""
        if self._folder is None or not (self._folder / _STATE).exists():
            return
        try:
            states = json.loads((self._folder / _STATE).read_text())
            for number, state in enumerate(states):
                with np.load(self._folder / f"{number:06}.npz", allow_pickle=False) as arrays:
                    piece = {name: arrays[name] for name in arrays.files}
                self._n_pieces, self.position, self.next_line = number + 1, state["position"], state["next_line"]
                yield piece
            os.utime(self._folder)
        except (OSError, ValueError, KeyError, TypeError) as error:
            _log.warning("%s is damaged and is made again from piece %d on: %s", self._folder, self._n_pieces, error)

    def add(self, arrays: Mapping[str, NDArray[Any]], *, position: int, next_line: int, is_last: bool = False) -> None:
        """Keep arrays of the rows that follow, once there are enough of them.

        Args:
            arrays: By name.
            position: Of the file behind these rows.
            next_line: The number of the line there.
            is_last: Nothing follows: keep what there is.
        """
        if self._folder is None:
            return
        if arrays:
            self._new.append(arrays)
        n_bytes = sum(array.nbytes for piece in self._new for array in piece.values())
        if self._new and (is_last or n_bytes >= _PIECE_BYTES):
            self._write(self._folder, {"position": position, "next_line": next_line})

    def _write(self, folder: Path, state: Mapping[str, int]) -> None:
        joined = {name: np.concatenate([piece[name] for piece in self._new]) for name in self._new[0]}
        try:
            written = folder / ".piece"
            with written.open("wb") as file:
                np.savez(file, **joined)  # type: ignore[arg-type] # no array is named allow_pickle
            written.replace(folder / f"{self._n_pieces:06}.npz")
            known = json.loads((folder / _STATE).read_text())[: self._n_pieces] if self._n_pieces else []
            temporary = folder / f".{_STATE}"
            temporary.write_text(json.dumps([*known, state]))
            temporary.replace(folder / _STATE)
        except OSError as error:
            _log.info("%s cannot be written, so that nothing more is kept of the table: %s", folder, error)
            self._folder = None
        self._n_pieces, self._new = self._n_pieces + 1, []


@contextmanager
def open_pieces(path: Path, keep_in: Path | None, how: tuple[Any, ...]) -> Iterator[KeptPieces]:
    """Yield the pieces of a table, while other processes that read the same one wait.

    Args:
        path: The table.
        keep_in: The folder that holds them; None: nothing is kept. Neither is anything of a small table.
        how: What else the arrays depend on.
    """
    status = path.stat()
    if keep_in is None or status.st_size < FEWEST_BYTES:
        yield KeptPieces(None)
        return
    described = (_VERSION, np.__version__, os.fsencode(path.absolute()), status.st_size, status.st_mtime_ns, how)
    folder = keep_in / f".table-{hashlib.sha256(repr(described).encode()).hexdigest()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        _log.info("%s cannot be written, so that nothing is kept of %s: %s", folder, path, error)
        yield KeptPieces(None)
        return
    with building_alone(folder.with_name(f"{folder.name}.lock"), what=f"the rows of {path}"):
        yield KeptPieces(folder)
