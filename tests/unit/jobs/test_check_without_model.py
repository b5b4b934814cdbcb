from pathlib import Path

from tuner.jobs.preflight.checking import NOT_TRIED, CheckRequest, check_without_model
from tuner.jobs.preflight.report import StageReport
from tuner.studies.definitions.making import make_definition


def test_a_machine_without_keras_stores_the_same_of_the_images_as_one_with_it(tmp_path: Path) -> None:
    reports: list[StageReport] = []
    definition = make_definition(space="mlp", dataset="digits", overrides=["search.objective=macro_f1"])

    found = check_without_model(CheckRequest(definition=definition, data_dir=tmp_path, on_report=reports.append))

    assert sum(found.pixels["validation_counts"]) == 144
    assert any("validation images" in warning for warning in found.pixels["warnings"])
    assert reports[-1].warnings == (NOT_TRIED,)
