"""Reports that the dashboard renders on demand."""

import logging
from pathlib import Path

import pytest

from tuner.dashboard.reports import ReportNotRenderedError, Reports
from tuner.studies.definition import make_definition
from tuner.studies.lifecycle import insert_study
from tuner.studies.storage import open_storage


def test_why_a_report_cannot_be_rendered_is_logged_and_not_told_to_visitors(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with open_storage(f"sqlite:///{tmp_path / 's.db'}") as storage:
        definition = make_definition(space="mlp", dataset="digits", name="s", trials=1)
        insert_study(storage, definition, class_names=["0", "1"], provenance={"data_sha256": "0" * 64})
        reports = Reports(
            storage=storage, storage_url="sqlite:////no/such/folder/secret.db", artifacts_url=str(tmp_path)
        )

        with caplog.at_level(logging.WARNING), pytest.raises(ReportNotRenderedError) as error:
            reports.render(["s"])

    assert str(error.value) == (
        "The report could not be rendered. The dashboard's log says why; so does: tuner report s"
    )
    assert "secret.db" in caplog.text
