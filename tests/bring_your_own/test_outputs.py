"""Outputs, losses and metrics that people compile their nets with."""

from pathlib import Path

import pytest
from outcomes import Outcome, Refused, Works, expect
from trying import Workplace

_NOT_ACCURACY = r"metrics=\['accuracy'\]"

_CASES: dict[str, Outcome] = {
    "sparse": Works(),
    "one_hot": Works(confirms=True),
    "label_smoothing": Works(),
    "sparse_logits": Works(),
    "one_hot_logits": Works(),
    "own_loss_on_logits": Works(),
    "focal_on_one_hot": Works(least_accuracy=0.2),
    "own_loss_on_one_hot": Works(),
    "squared_error": Works(),
    "ten_sigmoids": Works(),
    "divergence": Works(),
    "metric_of_own_name": Works(),
    "one_hot_metrics_of_own_names": Works(),
    "top_three_first": Works(),
    "weighted_metrics": Works(),
    "no_metrics": Refused(reason=_NOT_ACCURACY),
    "only_top_three": Refused(reason=_NOT_ACCURACY),
    "only_area": Refused(reason=_NOT_ACCURACY),
    "seven_outputs": Refused(reason=r"\(None, 7\).*\(None, 10\)"),
    "eleven_outputs_without_input": Refused(reason=r"\(None, 11\).*\(None, 10\)"),
    "one_sigmoid": Refused(reason=r"\(None, 1\).*\(None, 10\)"),
    "two_outputs": Refused(reason="output"),
    "dictionary_of_outputs": Refused(reason="output"),
    "map_of_outputs": Refused(reason="output"),
    "larger_pictures": Refused(reason=r"28, 28, 1"),
    "colour_pictures": Refused(reason=r"8, 8, 3"),
    "flat_pixels": Refused(reason=r"64"),
    "two_inputs": Refused(reason="input"),
    "uncompiled": Refused(reason="not compiled"),
    "nothing": Refused(reason="NoneType"),
    "a_layer": Refused(reason="Dense"),
    "raises": Refused(reason="no such layer"),
}


@pytest.mark.parametrize("builder", _CASES)
def test_a_builder_works_or_is_refused_when_its_study_is_created(
    builder: str, digits: Path, workplace: Workplace
) -> None:
    expect(_CASES[builder], f"brought_outputs:{builder}", digits, workplace)
