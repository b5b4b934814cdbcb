"""What the workers of a pool are told to do, and who follows them."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from tuner.workers.lifetime import MAX_SLOTS

if TYPE_CHECKING:
    from tuner.studies.database.storage import Storage


@dataclass(frozen=True, kw_only=True)
class Work:
    """What each worker of a pool is told to do."""

    #: Names of existing studies; empty means all studies.
    studies: Sequence[str] = ()
    #: End when the studies are done or stopped.
    until_done: bool = False
    #: See `Lifetime`; None: in a pool `MAX_SLOTS`.
    max_slots: int | None = None
    #: Further options of `tuner worker`.
    options: Sequence[str] = ()

    @property
    def arguments(self) -> list[str]:
        """The arguments of `tuner worker`."""
        until_done = ["--until-done"] if self.until_done else []
        # Options first: `ps` cuts long lists of studies off, and an option may be by what a worker is recognized.
        return ["--max-slots", str(self.max_slots or MAX_SLOTS), *until_done, *self.options, *self.studies]


class Follow(Protocol):
    """Opens a function that the pool calls about twice a second while workers run."""

    def __call__(
        self, storage: "Storage", studies: Sequence[str], *, n_workers: int
    ) -> AbstractContextManager[Callable[[], None]]: ...


def follow_silently(*_: object, **__: object) -> AbstractContextManager[Callable[[], None]]:
    """Show nothing."""
    return nullcontext(lambda: None)


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """Where a pool serves metrics for Prometheus."""

    host: str
    port: int
    #: Called with the port once it is served, as port 0 takes any free one.
    on_serving: Callable[[int], None]


@dataclass(frozen=True, kw_only=True)
class Watch:
    """How a pool shows what its workers are doing."""

    follow: Follow = follow_silently
    #: What people type to continue after a signal; None: the command of a pool.
    again: str | None = None
    #: None: no metrics are served.
    metrics: Metrics | None = None
