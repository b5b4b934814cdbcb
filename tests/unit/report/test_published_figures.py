import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
from support.report_sample import sample_final, searching_study

from tuner.artifacts import ArtifactStore
from tuner.report.page import render_report
from tuner.report.wording import NO_VALUE
from tuner.studies.records.finals import FinalRecord
from tuner.studies.records.study import StudyRecord
from tuner.studies.sections.published import PublishedFigure
from tuner.training_settings import Augmentation


@pytest.fixture
def artifacts(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(str(tmp_path / "artifacts"))


def figure(**changes: Any) -> dict[str, Any]:
    given = {"name": "accuracy", "value": 0.9932, "protocol": "8,400 images", "source": "a report"}
    return PublishedFigure(**given | changes).model_dump(mode="json")


def study_with(*published: dict[str, Any], final: FinalRecord | None = None, **finals: Any) -> StudyRecord:
    study = searching_study(n_trials=8)
    definition = {**study.definition, "published": list(published), "finals": {"top": 3, "epochs": 30, **finals}}
    study = dataclasses.replace(study, definition=definition)
    return study if final is None else dataclasses.replace(study, state="done", finals=(final,))


def final_of(study: StudyRecord, *test: float) -> FinalRecord:
    return sample_final(1, study.trials[5], test=list(test), predictions="run.npz")


def table_rows(page: str) -> list[list[str]]:
    """The cells of the table of published numbers as text, its spaces plain."""
    part = page[page.index("Published and measured here") :]
    body = part[part.index("<tbody>") : part.index("</tbody>")].replace("\u00a0", " ")
    return [
        [re.sub(r"<[^>]+>", "", cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)]
        for row in re.findall(r"<tr>(.*?)</tr>", body)
    ]


def test_a_study_without_published_numbers_has_no_table(artifacts: ArtifactStore) -> None:
    assert "Published and measured here" not in render_report([searching_study(n_trials=8)], artifacts)


def test_a_published_number_stands_beside_the_tested_one_with_protocol_and_correction(
    artifacts: ArtifactStore,
) -> None:
    study = study_with(figure(corrected=0.9886, note="half of them were trained on"))
    study = dataclasses.replace(study, state="done", finals=(final_of(study, 0.99, 0.992, 0.991),))

    (row,) = table_rows(render_report([study], artifacts))

    assert row[:3] == ["accuracy", "99.32 %", "98.86 %"]
    assert row[3] == "99.10 ± 0.10 % test set, once, 3 models, last epoch"
    assert row[4] == "8,400 images. Half of them were trained on. Source: a report"


def test_before_anything_is_tested_no_validation_number_stands_in_for_a_test_number(artifacts: ArtifactStore) -> None:
    rows = table_rows(render_report([study_with(figure(), figure(beside="test without augmentation"))], artifacts))

    assert [row[3] for row in rows] == [
        f"{NO_VALUE} nothing tested yet",
        f"{NO_VALUE} not trained without augmentation",
    ]
    assert rows[0][2] == NO_VALUE


def test_validation_and_training_numbers_are_those_of_the_retrained_models_last_epochs(
    artifacts: ArtifactStore,
) -> None:
    study = study_with(figure(beside="validation"), figure(beside="train"), augmentation={"rotation": 10.0})
    final = final_of(study, 0.99)
    runs = [
        dataclasses.replace(
            run, curve=(*run.curve[:-1], dataclasses.replace(run.curve[-1], accuracy=0.97, val_accuracy=0.98))
        )
        for run in final.runs
    ]
    study = dataclasses.replace(study, state="done", finals=(dataclasses.replace(final, runs=tuple(runs)),))

    validation, train = table_rows(render_report([study], artifacts))

    assert validation[3] == "98.00 % validation, 1 retrained model, last epoch"
    assert train[3] == "97.00 % training images as augmented, 1 model, last epoch"


def test_without_a_validation_set_in_the_finals_the_confirmations_are_shown_with_their_epochs(
    artifacts: ArtifactStore,
) -> None:
    study = study_with(figure(beside="validation"), confirm_epochs=1)
    final = final_of(study, 0.99)
    runs = [
        dataclasses.replace(run, curve=tuple(dataclasses.replace(epoch, val_accuracy=None) for epoch in run.curve))
        for run in final.runs
    ]
    final = dataclasses.replace(final, mean_score=0.9475, runs=tuple(runs))
    study = dataclasses.replace(study, state="done", finals=(final,))

    (row,) = table_rows(render_report([study], artifacts))

    assert row[3] == "94.75 % validation, confirmation, best of 1 epoch"


def test_finals_without_augmentation_are_the_ones_beside_such_a_number(artifacts: ArtifactStore) -> None:
    off, on = (Augmentation.only(rotation=degrees).model_dump() for degrees in (0.0, 10.0))
    unaugmented = study_with(figure(beside="test without augmentation"), augmentation=off)
    augmented = study_with(figure(beside="test without augmentation"), augmentation=on)
    final = final_of(unaugmented, 0.99)
    plain = dataclasses.replace(final_of(unaugmented, 0.98), augmented=False)

    only = dataclasses.replace(unaugmented, state="done", finals=(final,))
    both = dataclasses.replace(augmented, state="done", finals=(final,), without_augmentation=plain)

    assert table_rows(render_report([only], artifacts))[0][3].startswith("99.00 % test set, once, 1 model without")
    assert table_rows(render_report([both], artifacts))[0][3].startswith("98.00 % test set, once, 1 model without")


def test_published_texts_are_escaped(artifacts: ArtifactStore) -> None:
    page = render_report([study_with(figure(name="<b>x</b>", source="<script>alert(1)</script>"))], artifacts)

    assert "<b>x</b>" not in page
    assert "<script>alert(1)</script>" not in page
