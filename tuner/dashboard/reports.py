"""Reports on demand: rendered in a separate process and kept until their studies change."""

import gzip
import hashlib
import json
import logging
import subprocess
import sys
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from tuner.errors import TunerError
from tuner.studies.database.storage import Storage
from tuner.studies.lifecycle import find_study
from tuner.studies.records.reading import read_version

_log = logging.getLogger(__name__)

#: Compressed pages kept, of 1.5 to 4 MB each.
_KEPT = 6
#: Visitors that may wait for reports at a time; the other threads of the server stay free for other pages.
_WAITING = 3
_TIMEOUT_S = 180.0


class ReportNotRenderedError(TunerError):
    """The process that renders a report failed, or took too long."""


class RendererBusyError(TunerError):
    """Too many reports are being rendered."""


@dataclass(frozen=True, kw_only=True)
class RenderedReport:
    """A report as it goes to a browser."""

    #: Changes whenever the page does.
    version: str
    #: UTF-8 HTML, compressed by gzip.
    compressed: bytes


@dataclass(kw_only=True)
class Reports:
    """Renders reports, one at a time, and keeps the last few; used by several threads."""

    storage: Storage
    storage_url: str
    artifacts_url: str
    _kept: OrderedDict[str, RenderedReport] = field(default_factory=OrderedDict)
    _rendering: threading.Lock = field(default_factory=threading.Lock)
    _places: threading.BoundedSemaphore = field(default_factory=lambda: threading.BoundedSemaphore(_WAITING))

    def version_of(self, names: Sequence[str]) -> str:
        """Return a text that changes whenever one of the studies does.

        Raises:
            StudyNotFoundError: A name is unknown.
        """
        versions = [(name, read_version(self.storage, find_study(self.storage, name))) for name in names]
        return hashlib.sha256(repr(versions).encode()).hexdigest()[:32]

    def render(self, names: Sequence[str]) -> RenderedReport:
        """Return the report of these studies as they are now.

        Raises:
            StudyNotFoundError: A name is unknown.
            RendererBusyError: Enough visitors wait for reports.
            ReportNotRenderedError: Rendering failed.
        """
        version = self.version_of(names)
        if (kept := self._kept.get(version)) is not None:
            return kept
        if not self._places.acquire(blocking=False):
            raise RendererBusyError("Other reports are being rendered. Try again in a few seconds.")
        try:
            with self._rendering:
                # Another visitor may have requested the same report meanwhile.
                if (kept := self._kept.get(version)) is not None:
                    return kept
                # The study may change meanwhile: the page is then newer than its version and will be rendered again.
                report = RenderedReport(version=version, compressed=gzip.compress(self._run(names), 3, mtime=0))
                self._kept[version] = report
                while len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
                return report
        finally:
            self._places.release()

    def _run(self, names: Sequence[str]) -> bytes:
        wanted = {"storage": self.storage_url, "artifacts": self.artifacts_url, "studies": list(names)}
        try:
            done = subprocess.run(
                [sys.executable, "-m", "tuner.dashboard.rendering"],
                input=json.dumps(wanted).encode(),
                capture_output=True,
                timeout=_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise ReportNotRenderedError(
                f"The report was not ready after {_TIMEOUT_S:.0f} s. Write it with: tuner report {' '.join(names)}"
            ) from error
        if done.returncode == 0:
            return done.stdout
        # Not shown to visitors: it may hold paths or the address of the database.
        printed = done.stderr.decode(errors="replace").strip()
        _log.warning("The report of %s could not be rendered (status %d): %s", names, done.returncode, printed)
        raise ReportNotRenderedError(
            f"The report could not be rendered. The dashboard's log says why; so does: tuner report {' '.join(names)}"
        )
