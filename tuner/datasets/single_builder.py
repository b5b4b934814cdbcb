"""One process of a machine builds what all of them use, while the others wait for it.

The lock is the system's: when its holder dies, however it does, the next one has it.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

#: Seconds between two lines of one who waits.
_TELL_EVERY_S = 30.0
_POLL_S = 0.1

_log = logging.getLogger(__name__)


@contextmanager
def building_alone(lock_file: Path, *, what: str) -> Iterator[None]:
    """Run the block in one process at a time; look in it whether another one has built the thing in the meantime.

    Args:
        lock_file: In a folder that all of them can write to; it is left there.
        what: What is built, for those who wait.

    Raises:
        OSError: The file cannot be written, or its system has no locks: let everybody build his own.
    """
    lock = FileLock(lock_file)
    patience_s = 0.0
    while not lock.is_locked:
        try:
            lock.acquire(timeout=patience_s, poll_interval=_POLL_S)
        except Timeout:
            patience_s = _TELL_EVERY_S
            _log.info("Waiting for another process of this machine, which makes %s.", what)
        except NotImplementedError as error:
            raise OSError(f"{lock_file.parent} has no locks") from error
    try:
        yield
    finally:
        lock.release()
