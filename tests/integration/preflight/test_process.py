"""A preflight as its parent sees it: real builders that work, crash and never end, in a process of their own."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tuner.datasets.image_cache import ImageCache
from tuner.forking.client import ForkServer
from tuner.jobs.preflight.checking import CheckRequest, check_definition
from tuner.jobs.preflight.process import LIMIT_S, PreflightProcess
from tuner.jobs.preflight.report import PreflightError, StageReport
from tuner.jobs.study.data import DataPlaces, StudyData
from tuner.settings import read_settings
from tuner.studies.definitions.definition import StudyDefinition
from tuner.studies.definitions.making import make_definition
from tuner.studies.expected_time import MeasuredTime
from tuner.studies.records.study import MEASURED_TIME
from tuner.workers.forked import open_fork_server
from tuner.workers.shares import DeviceShare

OWN_BUILDERS = Path(__file__).parents[2] / "support" / "own_builders"
#: A brightness that only pictures of that part have.
TRAIN_ONLY, TEST_ONLY = 60, 120


def draw(n_images: int, level: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return bright columns on black with pixels of this level: uint8, shape (n, 8, 8), of ten classes."""
    labels = np.arange(n_images) % 10
    images = np.zeros((n_images, 8, 8), np.uint8)
    images[np.arange(n_images), :, labels % 8] = 255
    images[:, labels // 8, 0] = level
    # The number of the picture, in binary: no two are equal.
    images[:, 7] = 255 * (np.arange(n_images)[:, np.newaxis] >> np.arange(8) & 1)
    return images, labels


Define = Callable[..., StudyDefinition]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The current folder of all tests here, as a server forks no process for another one."""
    folder = tmp_path_factory.mktemp("check")
    (folder / "failing_later.py").write_text((OWN_BUILDERS / "failing_later.py").read_text())
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[ForkServer]:
    """Forks the processes, as in `tuner run`; `tests/e2e/test_preflight.py` has one that is started afresh."""
    assert folder
    with open_fork_server(read_settings(), DeviceShare(device="cpu", environment={})) as running:
        yield running


@pytest.fixture
def define(folder: Path) -> Define:
    """Define a study of a builder of `failing_later` on pictures whose test part is its own."""

    def define_study(builder: str, *overrides: str, n_test_labels: int = 20) -> StudyDefinition:
        (x_train, y_train), (x_test, y_test) = draw(200, TRAIN_ONLY), draw(20, TEST_ONLY)
        np.savez(folder / "own.npz", x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test[:n_test_labels])
        return make_definition(space=f"failing_later:{builder}", dataset="./own.npz", name="own", overrides=overrides)

    return define_study


def check(
    definition: StudyDefinition, server: ForkServer, *, stage_limit_s: float = LIMIT_S, **settings: Any
) -> list[StageReport]:
    """Run a preflight and return its reports, also of the stage that failed."""
    reports: list[StageReport] = []
    asked = CheckRequest(definition=definition, data_dir=Path(), on_report=reports.append)
    with PreflightProcess(server=server, stage_limit_s=stage_limit_s) as process:
        check_definition(asked, process=process, **settings)
    return reports


def test_a_study_that_works_is_tried_to_its_bundle_and_shows_no_test_image_to_a_model(
    define: Define, server: ForkServer, folder: Path
) -> None:
    definition = define("WritesWhatItSees", "finals.train_on=train")
    reports: list[StageReport] = []
    asked = CheckRequest(definition=definition, data_dir=Path(), on_report=reports.append)

    with PreflightProcess(server=server, measures_later=True) as process:
        check_definition(asked, process=process, image_cache=folder / "cache")
        was_measuring, measured = process.is_measuring, process.measure_time()

    assert (was_measuring, process.is_measuring) == (True, False)
    assert "time" not in [report.stage for report in reports]
    assert MeasuredTime.read({MEASURED_TIME: str(measured)})
    assert [report.stage for report in reports if report.problem or report.warnings] == []
    assert {"search, resuming", "finals, test images", "finals, bundle"} <= {report.stage for report in reports}
    seen = set(map(int, (folder / "seen.txt").read_text().split()))
    assert seen == {0, TRAIN_ONLY, 255}
    # Workers need not read the files.
    (folder / "own.npz").unlink()
    (key,) = ImageCache(folder / "cache").list_keys()
    places = DataPlaces(data_dir=Path(), cache_dir=folder / "cache")
    images = StudyData(definition=definition, data_sha256=key.split("-")[0], pixels=None, places=places)
    assert len(images.load_for_search().train) == 180


@pytest.mark.parametrize(
    ("builder", "message"),
    [
        ("crashes", r"^search, hyperparameters: .* signal 11 \(SIGSEGV\) at failing_later.py:\d+ in crashes"),
        ("ends_the_process", r"^search, hyperparameters: .* ended with status 9"),
    ],
)
def test_what_ends_the_process_is_one_line(define: Define, server: ForkServer, builder: str, message: str) -> None:
    started = time.monotonic()

    with pytest.raises(PreflightError, match=message) as caught:
        check(define(builder), server)

    assert "\n" not in str(caught.value)
    assert time.monotonic() - started < LIMIT_S, "its end was not heard of"


def test_a_builder_that_never_ends_is_ended_and_named_with_its_line(define: Define, server: ForkServer) -> None:
    with pytest.raises(PreflightError, match=r"not over after .* at failing_later.py:\d+ in never_ends"):
        check(define("never_ends"), server, stage_limit_s=3)


def test_a_test_part_that_could_not_be_read_fails_before_the_search(define: Define, server: ForkServer) -> None:
    with pytest.raises(PreflightError, match=r"^finals, test images: .*20 images and 19 labels"):
        check(define("fine", n_test_labels=19), server)


def test_without_finals_the_test_part_is_left_alone(define: Define, server: ForkServer) -> None:
    reports = check(define("fine", "finals.top=0", "finals.candidates=1", n_test_labels=19), server)

    assert not [report for report in reports if report.stage.startswith("finals")]


def test_the_parent_never_imports_keras() -> None:
    code = "import sys, tuner.jobs.creation; print([name for name in ('keras', 'tensorflow') if name in sys.modules])"

    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert shown.stdout.strip() == "[]"


def test_warnings_about_the_test_part_are_kept_with_those_about_the_training_part(
    define: Define, folder: Path, tmp_path: Path
) -> None:
    class PassedProcess(PreflightProcess):
        """Has passed every stage, in no time."""

        def send(self, request: Mapping[str, Any]) -> None:
            """Send nothing."""

        def reports(self) -> Iterator[StageReport]:
            """Report nothing."""
            return iter(())

    process = PassedProcess()
    process.folder = tmp_path
    process.findings = {"first_jobs": [], "space_sha256": None, "objective": {}}
    definition = define("mlp")
    arrays = dict(np.load(folder / "own.npz"))
    kept = arrays["y_test"] != 7
    np.savez(folder / "own.npz", **arrays | {"x_test": arrays["x_test"][kept], "y_test": arrays["y_test"][kept]})

    found = check_definition(CheckRequest(definition=definition, data_dir=Path()), process=process)

    assert found.pixels["warnings"] == []
    (warning,) = found.pixels["test_warnings"]
    assert warning.endswith("own.npz, test part: it has no images of the classes 7.")
