"""A worker's sign of life: renews its lease in the background, however long an epoch takes."""

import logging
import threading
from types import TracebackType
from typing import Self

from tuner.studies.fleet import update_worker
from tuner.studies.slots import LEASE_TTL_S, Lease, LeaseLostError, StudyStoppedError, renew_lease
from tuner.studies.storage import Storage
from tuner.workers.interruptions import STORAGE_ERRORS

_log = logging.getLogger(__name__)


class Heartbeat:
    """Renews one lease at a time from a thread; use it as a context manager."""

    def __init__(self, storage: Storage, worker_id: str, *, ttl_s: float = LEASE_TTL_S) -> None:
        self._storage = storage
        self._worker_id = worker_id
        self._ttl_s = ttl_s
        self._lease: Lease | None = None
        self._epoch = 0
        self._refusal: LeaseLostError | StudyStoppedError | None = None
        #: Held while a lease is renewed or exchanged, so that no renewal comes after the lease was given up.
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def watch(self, lease: Lease | None) -> None:
        """Renew this lease from now on, or none."""
        with self._lock:
            self._lease, self._epoch, self._refusal = lease, 0, None

    def finish_epoch(self, epoch: int) -> None:
        """Note the epoch and renew at once.

        Raises:
            LeaseLostError: Another worker has the slot.
            StudyStoppedError: The study gives out no more work.
        """
        with self._lock:
            self._epoch = epoch
            if self._refusal is not None:
                raise self._refusal
            if self._lease is not None:
                renew_lease(self._storage.engine, self._lease, epoch=epoch, ttl_s=self._ttl_s)

    def _beat(self) -> None:
        while not self._ended.wait(self._ttl_s / 3):
            try:
                self._renew()
            except (LeaseLostError, StudyStoppedError) as refusal:
                self._refusal = refusal
            except STORAGE_ERRORS as error:
                _log.warning("the database did not take the renewal, trying again: %s", error.__class__.__name__)

    def _renew(self) -> None:
        with self._lock:
            lease = self._lease
            update_worker(
                self._storage,
                self._worker_id,
                state="training" if lease else "waiting",
                slot_id=lease.slot_id if lease else None,
            )
            if lease is not None and self._refusal is None:
                renew_lease(self._storage.engine, lease, epoch=self._epoch, ttl_s=self._ttl_s)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join(timeout=self._ttl_s)
