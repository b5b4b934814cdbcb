"""HyperModels with a `fit` of their own, in search and finals."""

from pathlib import Path

import pytest
from outcomes import Outcome, Works, expect
from trying import Workplace

# Keras warns of calls that people write all the same.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

_AUGMENTS_NOTHING = "augment"

_CASES: dict[str, Outcome] = {
    "HandsOn": Works(confirms=True),
    "StopsEarly": Works(),
    "UnpacksValidation": Works(),
    "EvaluatesValidation": Works(),
    "TensorFlowData": Works(note=_AUGMENTS_NOTHING),
    "OneHotItself": Works(),
    "Standardizes": Works(),
    "OwnLoop": Works(note=_AUGMENTS_NOTHING),
    "FreezesThenThaws": Works(),
    "WatchesSteps": Works(),
    "SavesTheBest": Works(),
}


@pytest.mark.parametrize("builder", _CASES)
def test_a_fit_of_ones_own_trains_in_search_and_finals(builder: str, digits: Path, workplace: Workplace) -> None:
    expect(_CASES[builder], f"brought_fits:{builder}", digits, workplace)
