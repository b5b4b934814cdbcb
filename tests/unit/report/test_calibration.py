"""Calibration: bins, expected calibration error, and what the report says of them."""

import numpy as np
import pytest

from tuner.bundles.predictions import Predictions
from tuner.report.plots.calibration import calibration_bins, calibration_error, report_figure


def predictions(confidences: list[float], right: list[bool]) -> Predictions:
    """Predictions of two classes; class 0 is always the most probable."""
    return Predictions(
        labels=np.array([0 if one else 1 for one in right], np.int64),
        probabilities=np.array([[one, 1 - one] for one in confidences], np.float32),
        error_indices=np.array([], np.int64),
        error_images=np.zeros((0, 2, 2, 1), np.uint8),
    )


def test_the_error_is_the_papers_sum_over_bins() -> None:
    # Two bins: 0.6 to 0.667 with accuracy 1/2, and 0.933 to 1 with accuracy 1.
    bins = calibration_bins(predictions([0.62, 0.64, 0.95, 1.0], [True, False, True, True]))

    assert [(one.n_images, one.accuracy) for one in bins] == [(2, 0.5), (2, 1.0)]
    assert calibration_error(bins) == pytest.approx(0.5 * (0.63 - 0.5) + 0.5 * (1 - 0.975), abs=1e-6)


@pytest.mark.parametrize(("confidence", "low"), [(1.0, 14 / 15), (0.8, 11 / 15), (10 / 15, 9 / 15), (0.51, 7 / 15)])
def test_the_upper_end_of_a_bin_belongs_to_it(confidence: float, low: float) -> None:
    (one,) = calibration_bins(predictions([confidence], [True]))

    assert one.low == pytest.approx(low)


def test_a_model_that_is_too_sure_is_called_over_confident() -> None:
    figure = report_figure(predictions([0.9, 0.9], [True, False]), ["a", "b"], source="the model")

    assert "Test set, the model: expected calibration error 40.00\u00a0%" in figure.finding
    assert "over-confident by 40.00 points" in figure.finding
