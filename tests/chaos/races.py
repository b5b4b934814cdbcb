"""What the races share: how many rounds, and what must hold of a study's trials."""

import os
from pathlib import Path

from chaos.studies import undisturbed_curves
from tuner.studies.database.storage import Storage
from tuner.studies.lifecycle import Study
from tuner.studies.records.reading import read_slots

#: Rounds of each race: a few by default, hundreds by hand, see the tests' docstrings.
ROUNDS = int(os.environ.get("TUNER_RACE_ROUNDS", "6"))


def disturbed_trials(storage: Storage, study: Study) -> list[str]:
    """Return what is wrong with the trials that have ended: each must be as if nothing had happened beside it."""
    expected = undisturbed_curves(study.definition)
    wrong = []
    for row in read_slots(storage, study.id):
        if row.outcome is None:
            continue
        curve = [epoch.val_accuracy for epoch in row.outcome.curve]
        if row.outcome.state != "complete" or curve != expected[row.position]:
            wrong.append(f"{study.folder}, trial {row.position}: {row.outcome.state}, {curve}")
    return wrong


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
