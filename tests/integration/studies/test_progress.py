"""How far a study is, as `tuner status` and a pool's display tell it."""

import re
from typing import Any

import pytest
import sqlalchemy as sa
from support.running_studies import begin_trial, create_study, end_trial

from tuner.cli import progress
from tuner.cli.progress import Display
from tuner.jobs.finals.planning import advance_study
from tuner.studies.database.schema import slots
from tuner.studies.database.storage import Storage
from tuner.studies.fleet import read_workers, update_worker
from tuner.studies.lifecycle import Study, find_study
from tuner.studies.progress import list_finished, read_finished, read_progress
from tuner.studies.records.reading import load_outline
from tuner.studies.slots.claims import claim_slot
from tuner.studies.slots.leases import Lease, end_slot, renew_lease
from tuner.studies.slots.outcomes import ConfirmOutcome, Failure, RetrainOutcome


@pytest.fixture
def searched(storage: Storage) -> Study:
    """A study of two trials whose search is over and whose confirmations wait."""
    study = create_study(storage, trials=2, epochs=4)
    for score in (0.6, 0.7):
        end_trial(storage, begin_trial(storage, study, curve=(0.5,)), score=score)
    assert advance_study(storage, study)
    return find_study(storage, "s")


def begin_job(storage: Storage, *, epoch: int) -> Lease:
    lease = claim_slot(storage, owner="w1", study_names=["s"])
    assert lease is not None
    renew_lease(storage, lease, epoch=epoch)
    return lease


def confirm(storage: Storage, lease: Lease, score: float) -> None:
    end_slot(storage, lease, ConfirmOutcome(state="complete", score=score))


def test_finals_are_counted_to_their_end_from_their_beginning(storage: Storage, searched: Study) -> None:
    before = read_progress(storage, searched)
    for score in (0.6, 0.6, 0.7, 0.7):
        confirm(storage, begin_job(storage, epoch=4), score)
    advance_study(storage, searched)
    retraining = read_progress(storage, searched)

    # 2 candidates twice; 2 finals and the comparison three times each; the ensemble.
    assert (before.finals_done, before.finals_planned) == (0, 4 + 9 + 1)
    assert (retraining.finals_done, retraining.finals_planned) == (4, 14)


def test_the_time_left_for_finals_is_known_after_their_first_epoch(storage: Storage, searched: Study) -> None:
    before = read_progress(storage, searched).finals_time_left_s
    begin_job(storage, epoch=1)
    after = read_progress(storage, searched).finals_time_left_s

    assert before is None
    assert after is not None
    assert after >= 0


def test_a_pause_before_more_finals_lengthens_no_time_left(storage: Storage, searched: Study) -> None:
    for _ in range(4):
        confirm(storage, begin_job(storage, epoch=4), 0.7)
    hour_earlier = {column: column - 3600 for column in (slots.c.started_at, slots.c.finished_at)}
    with storage.engine.begin() as connection:
        connection.execute(sa.update(slots).where(slots.c.stage == "confirm").values(hour_earlier))
    advance_study(storage, searched)
    begin_job(storage, epoch=1)

    left_s = read_progress(storage, searched).finals_time_left_s

    # 9 retrainings of 20 epochs, of which one took no second.
    assert left_s is not None
    assert left_s < 600


def test_the_last_trials_are_told_before_the_end_of_the_search(
    storage: Storage, capsys: pytest.CaptureFixture[str]
) -> None:
    study = create_study(storage, trials=1)
    with Display(storage, [study.name], n_workers=1) as display:
        end_trial(storage, begin_trial(storage, study, curve=(0.5,)), score=0.7)
        advance_study(storage, study)
        display.update()

    lines = capsys.readouterr().err.splitlines()
    assert [line.split(" · ")[0].split(",")[0] for line in lines[1:]] == [
        f"{study.name}: trial 0 complete after 1 epoch",
        f"{study.name}: the search is over",
    ]


def test_trials_that_end_within_one_look_have_counts_of_their_own(
    storage: Storage, capsys: pytest.CaptureFixture[str]
) -> None:
    study = create_study(storage, trials=4)
    end_trial(storage, begin_trial(storage, study, curve=(0.5,)), score=0.5)
    with Display(storage, [study.name], n_workers=1) as display:
        for score in (0.6, 0.4, 0.7):
            end_trial(storage, begin_trial(storage, study, curve=(0.5,)), score=score)
        advance_study(storage, study)
        display.update()

    told = [line.split(" · ")[1] for line in capsys.readouterr().err.splitlines() if " · " in line]
    assert [", ".join(line.split(", ")[:3]) for line in told] == [
        "2/4 trials, 0 pruned, best 60.00 %",
        "3/4 trials, 0 pruned, best 60.00 %",
        "4/4 trials, 0 pruned, best 70.00 %",
    ]


def test_a_retraining_that_ended_says_whether_its_images_were_augmented(
    storage: Storage, searched: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(4):
        confirm(storage, begin_job(storage, epoch=4), 0.7)
    advance_study(storage, searched)
    failure = Failure(kind="training_error", message="nets.py:3 in fit: ValueError: no")
    with Display(storage, ["s"], n_workers=1) as display:
        for outcome in (
            RetrainOutcome(state="complete", test_accuracy=0.9),
            RetrainOutcome(state="failed", failure=failure),
        ):
            end_slot(storage, begin_job(storage, epoch=20), outcome)
        display.update()

    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "Starting 1 worker …"
    assert lines[1] == (
        "s: the search is over, best 70.00 %. Next finals: 4 confirmations of 4 epochs, 9 retrainings of 20 epochs, "
        "their ensemble."
    )
    assert lines[2].startswith(
        "s: retraining of trial 0 with augmentation, repeat 1: complete after 20 epochs, test accuracy 90.00 %"
    )
    assert "repeat 2: failed after 20 epochs: training error: nets.py:3 in fit: ValueError: no" in lines[3]
    finished = read_finished(storage, list_finished(storage, searched))
    assert [slot.part.augmented for slot in finished if slot.part.stage == "retrain"] == [True, True]


def test_nothing_says_with_augmentation_where_finals_change_no_image(storage: Storage) -> None:
    off = [f"finals.augmentation.{name}=0" for name in ("rotation", "zoom", "shift", "shear")]
    asked = ["finals.top=1", "finals.candidates=1", "finals.confirm_repeats=1", "finals.repeats=2"]
    study = create_study(storage, trials=1, overrides=[*asked, *off])
    end_trial(storage, begin_trial(storage, study, curve=(0.5,)), score=0.7)
    advance_study(storage, study)
    confirm(storage, begin_job(storage, epoch=4), 0.7)
    advance_study(storage, study)
    failure = Failure(kind="nan_loss", message="The loss became nan in epoch 1.")
    end_slot(storage, begin_job(storage, epoch=1), RetrainOutcome(state="failed", failure=failure))
    update_worker(storage, "w1", state="training", slot_id=begin_job(storage, epoch=2).slot_id)

    (working,) = read_workers(storage)
    ended = read_finished(storage, list_finished(storage, study))[-1]
    ((failed, _),) = load_outline(storage, "s").failures

    assert (working.repeat, working.augmented) == (2, False)
    assert str(ended.part) == str(failed) == "retraining of trial 0 without augmentation, repeat 1"


def test_a_terminal_never_says_that_there_are_no_workers_while_they_start_or_at_the_end(
    storage: Storage, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    create_study(storage)

    with Display(storage, ["s"], n_workers=2) as display:
        display.update()

    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", capsys.readouterr().err)
    assert "Starting 2 workers …" in shown
    assert "No workers" not in shown


def test_looking_at_a_study_takes_a_tenth_of_the_time_at_most(
    storage: Storage, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    study = create_study(storage, trials=2)
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])

    def look_for_2_s(*arguments: Any) -> list[int]:
        now[0] += 2.0
        return list_finished(*arguments)

    with Display(storage, ["s"], n_workers=1) as shown:
        monkeypatch.setattr(progress, "list_finished", look_for_2_s)
        shown.update()
        end_trial(storage, begin_trial(storage, study, curve=(0.5,)), score=0.5)
        now[0] += 17.0
        shown.update()
        early = capsys.readouterr().err
        now[0] += 2.0
        shown.update()
        late = capsys.readouterr().err

    assert "trial 0" not in early
    assert late.startswith("s: trial 0 complete after 1 epoch, validation accuracy 50.00 %")
