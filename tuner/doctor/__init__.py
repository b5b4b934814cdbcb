"""Check that this machine has what a worker needs: packages, devices, database, data and a place for artifacts.

A check is a function that returns a `Finding`, listed in `examine`. It imports what it tests by itself: a package that
is missing or broken is a finding here, not a crash.
"""

from collections.abc import Iterator

from tuner.doctor.database import check_database
from tuner.doctor.files import check_artifacts, check_data
from tuner.doctor.finding import Finding
from tuner.doctor.packages import check_devices, check_epoch_caps, check_versions
from tuner.settings import Settings


def examine(settings: Settings) -> Iterator[Finding]:
    """Yield the findings one by one; nothing is left behind but up-to-date tables in a database that is there."""
    yield check_versions()
    yield check_devices()
    yield check_epoch_caps()
    yield check_database(settings.storage)
    yield check_data(settings.data_dir)
    yield check_artifacts(settings.artifacts)
