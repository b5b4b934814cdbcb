"""What visitors are told of errors, and what only the log holds."""

import logging
from pathlib import Path

import pytest
from support.wsgi_client import ask

from tuner.artifacts import ArtifactNotRemovedError, ArtifactStore, ArtifactStoreAwayError
from tuner.dashboard.reports import ReportNotRenderedError, Reports
from tuner.dashboard.site import _explain, open_site
from tuner.errors import TunerError
from tuner.studies.database.storage import open_storage
from tuner.studies.definitions.making import make_definition
from tuner.studies.lifecycle import insert_study


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


@pytest.mark.parametrize("error", [ArtifactNotRemovedError, ArtifactStoreAwayError])
def test_visitors_are_not_told_where_the_artifact_store_is(error: type[TunerError]) -> None:
    _, text = _explain(error("Could not reach s3://bucket/secret: refused."))

    assert "secret" not in text
    assert text.endswith(("The dashboard's log says why.", "Trying again may help."))


@pytest.mark.parametrize("path", ["/", "/fleet.json", "/api/studies/1"])
def test_visitors_of_a_database_that_is_away_are_told_to_try_again(tmp_path: Path, path: str) -> None:
    folder = tmp_path / "database"
    folder.mkdir()
    url = f"sqlite:///{folder / 'tuner.db'}"
    with open_storage(url) as storage:
        site = open_site(storage, ArtifactStore(str(tmp_path / "artifacts")), storage_url=url, signed_in=False)
        folder.rename(tmp_path / "elsewhere")

        answer = ask(site, path)

    assert answer.status == 503
    assert "retry-after" in answer.headers
    assert b"The database does not answer. Trying again may help." in answer.body
