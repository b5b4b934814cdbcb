"""The head node that a driver has joined: whether it is still there, and still the same one.

Ray itself says nothing while a head is away, and after a minute ends the driver's process. A head that was started
again without Ray's own fault tolerance is the head of another cluster, which knows neither driver nor actors.
"""

import socket
import time
from typing import Any

from tuner.errors import RestartNeededError

#: For how long a head may be away: Ray's own limit for a driver is 60 s.
_AWAY_S = 45.0
_CONNECT_S = 2.0


class HeadLostError(RestartNeededError):
    """The cluster's head node is gone, and its actors end with it."""

    def __init__(self, address: str, *, is_another: bool) -> None:
        what = "has another head node now" if is_another else "has lost its head node"
        super().__init__(
            f"The Ray cluster at {address} {what}: these workers end with the old one. Nothing is lost: type the same "
            "command to continue, once the cluster is up."
        )


class Head:
    """Looks at the head of the cluster that this process has joined."""

    def __init__(self, ray: Any, address: str) -> None:
        self._address = address
        #: Where its own port can be reached; None for a driver outside of the cluster, whom Ray tells of a loss.
        self._place: str | None = None if address.startswith("ray://") else ray.get_runtime_context().gcs_address
        self._identity = self._read_identity() if self._place else None
        self._away_since: float | None = None

    def is_there(self) -> bool:
        """Say whether it answers.

        Raises:
            HeadLostError: It has been away for too long, or is another one.
        """
        if self._place is None:
            return True
        host, _, port = self._place.rpartition(":")
        try:
            socket.create_connection((host, int(port)), timeout=_CONNECT_S).close()
        except OSError as error:
            self._away_since = self._away_since or time.monotonic()
            if time.monotonic() - self._away_since > _AWAY_S:
                raise HeadLostError(self._address, is_another=False) from error
            return False
        self._away_since = None
        if self._read_identity() != self._identity:
            raise HeadLostError(self._address, is_another=True)
        return True

    def _read_identity(self) -> str:
        # Nothing public tells two clusters at one address apart.
        from ray._raylet import GcsClient  # type: ignore[attr-defined] # a compiled module

        return str(GcsClient(address=self._place).cluster_id.hex())
