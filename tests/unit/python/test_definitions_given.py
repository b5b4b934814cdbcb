import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tuner.errors import TunerError
from tuner.python.definitions import define
from tuner.studies.definitions.definition import StudyDefinition


def make(definition: Any = None, *, vary: Any = None, settings: Any = None, **arguments: Any) -> StudyDefinition:
    return define(definition, arguments, settings or {}, vary=vary)


def test_arguments_and_sections_are_settings() -> None:
    made = make(
        space="cnn", dataset="digits", trials=np.int64(7), epochs=None, seed=3,
        settings={"search": {"batch_size": 32}, "finals": {"top": 1}, "data.folds": 5, "fixed": {"a.b": 1},
                  "ranges": {"dropout": {"high": 0.5}}},
    )  # fmt: skip

    assert made.name == "digits-cnn"
    assert (made.search.trials, made.search.batch_size, made.search.epochs) == (7, 32, 10)
    assert (made.finals.top, made.data.folds, made.fixed, made.seed) == (1, 5, {"a.b": 1}, 3)
    assert made.ranges["dropout"].high == 0.5


def test_a_definition_is_begun_with_and_arguments_change_it(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(
        'name = "x"\nspace = "mlp"\ndataset = "digits"\n[search]\ntrials = 3\nepochs = 2\n'
    )

    from_file = make(tmp_path / "x.toml", trials=5)
    from_study = make(from_file, name="y")
    from_mapping = make({"name": "z", "space": {"name": "cnn"}, "search": {"trials": 2}}, dataset="digits")

    assert (from_file.search.trials, from_file.search.epochs) == (5, 2)
    assert (from_study.name, from_study.search.trials) == ("y", 5)
    assert (from_mapping.space, from_mapping.search.trials, from_mapping.dataset) == ("cnn", 2, "digits")
    assert make(from_study).determines_the_same_as(from_study)


def test_one_factor_at_a_time_is_an_argument() -> None:
    assert make(space="cnn", dataset="digits", vary={"kernel_size": (3, 5)}).search.vary == {"kernel_size": [3, 5]}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"trials": 3}, "received no space. Expected a builder, as in space=build"),
        ({"space": "cnn", "settings": {"trails": 3}}, "'trails'. Did you mean 'trials'?"),
        ({"space": "cnn", "trials": 3, "settings": {"search": {"trials": 4}}}, "search.trials is given twice"),
        (
            {"space": "cnn", "settings": {"finals": {"tops": 1}}},
            "finals.tops: no setting has this name. Did you mean 'top'?",
        ),
        ({"space": "cnn", "settings": {"ranges": 5}}, "ranges: received int, expected a mapping"),
        ({"space": "cnn", "trials": "many"}, 'search.trials: received "many", expected a whole number'),
    ],
)
def test_a_wrong_argument_is_one_line(given: dict[str, Any], told: str) -> None:
    with pytest.raises(TunerError, match=re.escape(told)) as raised:
        make(**given)

    assert "\n" not in str(raised.value)
