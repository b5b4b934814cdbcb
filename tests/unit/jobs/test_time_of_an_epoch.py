"""What an epoch takes, told from smaller ones."""

import pytest

from tuner.jobs.preflight.timing import extrapolate


@pytest.mark.parametrize(
    ("epochs_s", "expected_s"),
    [
        pytest.param({500: 0.25}, 30.0, id="one is taken as it is"),
        pytest.param({500: 0.15, 1_500: 0.25}, 6.1, id="of two, a checkpoint of 0.1 s counts once"),
        pytest.param({500: 0.05, 4_000: 0.4}, 6.0, id="without such a part nothing changes"),
        pytest.param({500: 0.15, 1_500: 0.15}, 6.0, id="two equal times say nothing of it"),
    ],
)
def test_what_each_epoch_takes_whatever_its_images_counts_once(epochs_s: dict[int, float], expected_s: float) -> None:
    assert extrapolate(epochs_s, 60_000, before_s=1.0).epoch_s == pytest.approx(expected_s)
