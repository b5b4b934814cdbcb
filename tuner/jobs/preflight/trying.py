"""Run one stage and collect its duration, its warnings, and its failure in one line."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tuner.jobs.preflight.report import StageReport


def try_stage(name: str, run: Callable[[], None], *, explain: Callable[[BaseException], str]) -> StageReport:
    """Run a stage and report on it; any exception, even `SystemExit`, becomes its problem."""
    started = time.perf_counter()
    problem = None
    with collected_warnings() as warnings:
        try:
            run()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - the user's code may raise anything
            problem = explain(error)
    return StageReport(stage=name, duration_s=time.perf_counter() - started, problem=problem, warnings=tuple(warnings))


@contextmanager
def collected_warnings() -> Iterator[list[str]]:
    """Collect the warnings that this package logs, one line each and without repetitions, instead of showing them."""
    collected: list[str] = []
    logger = logging.getLogger("tuner")
    handlers, propagated = list(logger.handlers), logger.propagate
    logger.handlers[:] = [_Collector(collected)]
    logger.propagate = False
    try:
        yield collected
    finally:
        logger.handlers[:] = handlers
        logger.propagate = propagated


class _Collector(logging.Handler):
    def __init__(self, collected: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._collected = collected

    def emit(self, record: logging.LogRecord) -> None:
        line = " ".join(record.getMessage().split())
        if line not in self._collected:
            self._collected.append(line)
