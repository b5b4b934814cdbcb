"""Check that this machine has what a worker needs: packages, devices, database, data and space for artifacts.

A check is a function that returns a `Finding`, listed in `examine`. Each check imports what it tests: a package that is
missing or broken is a finding, not a crash.
"""

from collections.abc import Iterator

from tuner.doctor.database import check_database
from tuner.doctor.files import check_artifacts, check_data
from tuner.doctor.finding import Finding
from tuner.doctor.packages import check_devices, check_epoch_caps, check_versions
from tuner.settings import Settings


def examine(settings: Settings) -> Iterator[Finding]:
    """Yield the findings one by one; the only lasting effect is that the tables of an existing database are updated."""
    yield check_versions()
    yield check_devices()
    yield check_epoch_caps()
    yield check_database(settings.storage)
    yield check_data(settings.data_dir)
    yield check_artifacts(settings.artifacts)
