"""`tuner finals` says why it cannot make any, and makes again what failed."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.running_studies import begin_trial, create_study, end_trial
from typer.testing import CliRunner

from tuner.cli import app
from tuner.errors import TunerError
from tuner.jobs.finals.planning import advance_study
from tuner.studies.database.storage import Storage, open_storage
from tuner.studies.finals_request import StartingWeights, change_finals
from tuner.studies.lifecycle import find_study, stop_study
from tuner.studies.records.reading import load_study
from tuner.studies.slots.claims import claim_slot
from tuner.studies.slots.leases import end_slot
from tuner.studies.slots.outcomes import ConfirmOutcome, EnsembleOutcome, Failure, RetrainOutcome, failed_outcome


@pytest.fixture
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Storage]:
    url = f"sqlite:///{tmp_path / 'tuner.db'}"
    monkeypatch.setenv("TUNER_STORAGE", url)
    monkeypatch.setenv("TUNER_HOME", str(tmp_path))
    with open_storage(url) as opened:
        yield opened


def run(*arguments: str) -> str:
    ended = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert ended.exit_code == 0
    return ended.output


def test_finals_without_any_score_are_refused(storage: Storage) -> None:
    study = create_study(storage, trials=1)
    end_trial(storage, begin_trial(storage, study), score=None)
    advance_study(storage, study)

    with pytest.raises(TunerError, match="can have no finals: none of its trials has a validation accuracy") as caught:
        run("finals", "s")

    assert caught.value.exit_status == 1


def test_finals_of_which_none_are_wanted_are_refused(storage: Storage) -> None:
    study = create_study(storage, "s", trials=1)
    end_trial(storage, begin_trial(storage, study), score=0.5)
    none_wanted = find_study(storage, "s").definition.finals.model_copy(update={"top": 0})
    _change_finals(storage, none_wanted)

    with pytest.raises(TunerError, match=r"asks for no finals \(finals.top is 0\). Say how many you want, as in `"):
        run("finals", "s")


def test_confirmations_that_failed_are_made_again(storage: Storage) -> None:
    study = create_study(storage, trials=1)
    end_trial(storage, begin_trial(storage, study), score=0.5)
    while advance_study(storage, study):
        while lease := claim_slot(storage, owner="w1"):
            failure = Failure(kind="builder_error", message="nets.py:3 in build: ValueError: no")
            end_slot(storage, lease, failed_outcome(lease.stage, failure))
    before = load_study(storage, "s")

    printed = run("finals", "s")

    after = load_study(storage, "s")
    assert (before.state, before.winner, len(before.failures)) == ("done", None, 2 + 6)
    assert (after.state, after.failures) == ("finals", ())
    assert "Train them with `tuner workers s --until-done`." in printed


def test_finals_that_are_all_there_are_said_to_be(storage: Storage) -> None:
    study = create_study(storage, trials=1)
    end_trial(storage, begin_trial(storage, study), score=0.5)
    outcomes = {
        "confirm": ConfirmOutcome(state="complete", score=0.5),
        "retrain": RetrainOutcome(state="complete", test_accuracy=0.5, predictions="p"),
        "ensemble": EnsembleOutcome(state="complete", members=3, test_accuracy=0.5, predictions="p"),
    }
    while advance_study(storage, study):
        while lease := claim_slot(storage, owner="w1"):
            end_slot(storage, lease, outcomes[lease.stage])

    assert "All of them are there. Ask for more with --top or --repeats." in run("finals", "s")


def test_a_search_that_finals_ended_before_its_budget_says_so(storage: Storage) -> None:
    study = create_study(storage, trials=4)
    end_trial(storage, begin_trial(storage, study), score=0.5)
    stop_study(storage, study)
    stopped = run("study", "show", "s")

    run("finals", "s")

    assert "ended early" not in stopped
    shown = run("study", "show", "s")
    assert "1/4 trials: " in shown
    assert "The search was ended early, after 1 of its budget of 4 trials, by `tuner finals s`." in shown


def test_finals_start_from_weights_unless_models_that_did_not_are_retrained(storage: Storage) -> None:
    study = create_study(storage, trials=1)
    end_trial(storage, begin_trial(storage, study), score=0.5)
    weights = StartingWeights(place="/a.bundle", freeze_epochs=2, hashes={"finals_weights_sha256": "ab"})

    changed = change_finals(storage, study, top=1, repeats=1, weights=weights)
    again = change_finals(storage, study, top=None, repeats=2)

    finals = again.definition.finals
    assert (finals.weights_from, finals.freeze_epochs, finals.repeats) == ("/a.bundle", 2, 2)
    assert changed.provenance["finals_weights_sha256"] == "ab"
    assert changed.provenance["data_sha256"] == study.provenance["data_sha256"]
    while advance_study(storage, study) and (lease := claim_slot(storage, owner="w1")) and lease.stage == "confirm":
        end_slot(storage, lease, ConfirmOutcome(state="complete", score=0.5))
        while more := claim_slot(storage, owner="w1"):
            end_slot(storage, more, ConfirmOutcome(state="complete", score=0.5))
    change_finals(storage, study, top=None, repeats=None, weights=weights)
    other = dataclasses.replace(weights, freeze_epochs=0)
    with pytest.raises(TunerError, match=r"'s' has \d+ retrained models already, which did not start from these"):
        change_finals(storage, study, top=None, repeats=None, weights=other)


def _change_finals(storage: Storage, finals: object) -> None:
    from sqlalchemy import update

    from tuner.studies.database.schema import studies

    definition = find_study(storage, "s").definition.model_copy(update={"finals": finals})
    with storage.engine.begin() as connection:
        connection.execute(update(studies).values(definition=definition.model_dump(mode="json")))
