"""What a search begins with: defaults, baselines, and the best of an earlier study."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from tuner.artifacts import ArtifactStore
from tuner.cli.study import app
from tuner.datasets.images import ImageFormat
from tuner.jobs.context import JobContext
from tuner.jobs.creation import create_study
from tuner.jobs.hyperparameters.hp import OptunaHyperParameters
from tuner.jobs.hyperparameters.initial_trials import BaselineError, NothingToStartFromError
from tuner.jobs.hyperparameters.trial_values import find_values
from tuner.jobs.search.trial import run_trial
from tuner.jobs.study.data import DataPlaces
from tuner.spaces.registry import open_space
from tuner.studies.database.storage import Storage, open_storage
from tuner.studies.definitions.files import DefinitionError
from tuner.studies.definitions.making import make_definition
from tuner.studies.lifecycle import StudyNotFoundError, find_study, list_names
from tuner.studies.records.reading import load_study
from tuner.studies.slots.claims import claim_slot
from tuner.studies.slots.leases import end_slot
from tuner.studies.slots.outcomes import SearchJob, SearchOutcome
from tuner.studies.trials import close_ended_trials, open_trial

DIGITS = ImageFormat(height=8, width=8, channels=1, class_names=tuple("0123456789"))


@pytest.fixture
def storage(sqlite_url: str) -> Iterator[Storage]:
    with open_storage(sqlite_url) as opened:
        yield opened


def create(storage: Storage, tmp_path: Path, name: str, *overrides: str, space: str = "mlp", trials: int = 6) -> None:
    definition = make_definition(space=space, dataset="digits", name=name, trials=trials, overrides=overrides)
    create_study(storage, definition, data_dir=tmp_path, check=False)


def draw(storage: Storage, name: str) -> dict[str, Any]:
    """Let the study's next trial draw its hyperparameters, and end it with its learning rate for a score."""
    study = find_study(storage, name)
    lease = claim_slot(storage, owner="w", study_names=[name])
    assert lease is not None
    trial, _ = open_trial(storage, study, lease)
    hp = OptunaHyperParameters(trial, fixed=study.definition.fixed)
    open_space(study.definition.space).build(hp, DIGITS)
    score = hp.values["learning_rate"]
    end_slot(storage, lease, SearchOutcome(state="complete", score=score, best_epoch=1, hyperparameters=hp.values))
    close_ended_trials(storage)
    return dict(hp.values)


def test_baselines_follow_the_defaults_and_what_they_lack_is_drawn(storage: Storage, tmp_path: Path) -> None:
    baselines = '[{learning_rate = 0.002, optimizer = "sgd", momentum = 0.5}, {batch_size = 32}]'
    create(storage, tmp_path, "s", f"search.baselines={baselines}")

    defaults, first, second = (draw(storage, "s") for _ in range(3))

    assert first["learning_rate"] == 0.002
    assert (first["optimizer"], first["momentum"]) == ("sgd", 0.5)
    assert first["learning_rate"] != defaults["learning_rate"]
    assert second["batch_size"] == 32
    assert second["learning_rate"] not in {defaults["learning_rate"], 0.002}


def test_a_study_stores_what_its_pixels_mean_and_says_what_was_guessed(
    storage: Storage, sqlite_url: str, tmp_path: Path
) -> None:
    from sklearn.datasets import load_digits

    np.savez(tmp_path / "own.npz", x_train=16 - load_digits().images, y_train=load_digits().target)

    result = CliRunner().invoke(
        app,
        [
            *("create", "--space=mlp", f"--dataset={tmp_path}/own.npz", "--name=own", f"--storage={sqlite_url}"),
            "--no-check",
        ],
    )
    study = find_study(storage, "own")

    assert result.stdout.startswith("Created study own")
    assert result.stderr.count("Warning: ") == 2
    assert study.pixels is not None
    assert (study.pixels["range"], study.pixels["inverted"], study.pixels["polarity"]) == (
        [0, 16],
        True,
        "dark on light",
    )
    assert [text.partition(":")[0] for text in study.pixels["warnings"]] == [
        "The pixel values go from 0 to 16",
        "100% of the pictures are dark on light",
    ]
    assert load_study(storage, "own").pixels == study.pixels


def test_the_best_of_an_earlier_study_are_tried_first(storage: Storage, tmp_path: Path) -> None:
    create(storage, tmp_path, "earlier")
    earlier = [draw(storage, "earlier") for _ in range(5)]
    create(
        storage,
        tmp_path,
        "later",
        "search.warm_start=earlier",
        "search.warm_start_trials=3",
        "search.start_with_defaults=false",
    )

    later = [draw(storage, "later") for _ in range(4)]

    best = sorted(earlier, key=lambda values: -values["learning_rate"])
    assert later[:3] == best[:3]
    assert later[3] not in earlier


def test_what_hides_behind_a_plain_loop_is_tried_too(
    storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(__file__).parents[1] / "support")
    own = "own_builders.nets:EveryKind"
    create(storage, tmp_path, "earlier", "search.start_with_defaults=false", space=own)
    earlier = [draw(storage, "earlier") for _ in range(6)]
    create(storage, tmp_path, "later", "search.warm_start=earlier", "search.start_with_defaults=false", space=own)

    best = max(earlier, key=lambda values: values["learning_rate"])
    assert any(values["layers"] > 1 for values in earlier)
    assert draw(storage, "later") == best


def test_where_no_model_can_be_built_workers_find_the_same_beginnings(
    storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    baselines = 'search.baselines=[{learning_rate = 0.002, optimizer = "sgd"}, {units = 0}]'
    create(storage, tmp_path, "built", baselines.replace("0}", "32}"))
    monkeypatch.setattr("tuner.jobs.creation.has_backend", lambda: False)
    create(storage, tmp_path, "unbuilt", baselines.replace("0}", "32}"))
    create(storage, tmp_path, "unfit", baselines)

    built, unbuilt = (find_study(storage, name) for name in ("built", "unbuilt"))
    space = open_space("mlp")
    for _ in range(4):
        wanted, lacking = (claim_slot(storage, owner="w", study_names=[name]) for name in ("built", "unbuilt"))
        assert wanted is not None
        assert lacking is not None
        assert find_values(lacking.job, unbuilt.definition, space, DIGITS, number=lacking.position) == wanted.job  # type: ignore[arg-type]
    assert unbuilt.provenance["data_sha256"] == built.provenance["data_sha256"]
    assert (unbuilt.pixels or {}) == {**(built.pixels or {}), "test_warnings": []}
    with pytest.raises(BaselineError, match=r"units = 0, which is not one of its values"):
        find_values(SearchJob(beginning=1), find_study(storage, "unfit").definition, space, DIGITS, number=1)


def test_a_definition_that_does_not_fit_its_space_fails_the_trial_that_finds_out(
    storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tuner.jobs.creation.has_backend", lambda: False)
    create(storage, tmp_path, "unfit", "search.baselines=[{units = 0}]")
    lease = claim_slot(storage, owner="w", study_names=["unfit"])
    assert lease is not None

    outcome = run_trial(
        JobContext(
            storage=storage,
            artifacts=ArtifactStore(str(tmp_path / "artifacts")),
            places=DataPlaces(data_dir=tmp_path, cache_dir=tmp_path / "cache"),
            study=find_study(storage, "unfit"),
            lease=lease,
            on_epoch=lambda _: None,
        )
    )

    assert outcome.state == "failed"
    assert outcome.failure is not None
    assert "units = 0, which is not one of its values" in outcome.failure.message


def test_another_space_gives_what_both_have(storage: Storage, tmp_path: Path) -> None:
    create(storage, tmp_path, "dense")
    known = draw(storage, "dense")
    create(
        storage, tmp_path, "convolutional", "search.warm_start=dense", "search.start_with_defaults=false", space="cnn"
    )

    drawn = draw(storage, "convolutional")

    assert drawn["learning_rate"] == known["learning_rate"]
    assert "filters" in drawn


def test_a_budget_smaller_than_the_beginnings_holds(storage: Storage, tmp_path: Path) -> None:
    create(storage, tmp_path, "s", "search.baselines=[{batch_size = 32}, {batch_size = 64}]", trials=2)

    for _ in range(2):
        draw(storage, "s")

    assert claim_slot(storage, owner="w", study_names=["s"]) is None


@pytest.mark.parametrize(
    ("overrides", "error", "message"),
    [
        (["search.baselines=[{unitz = 3}]"], BaselineError, "'unitz'.*It asks for: .*units"),
        (["search.baselines=[{learning_rate = 7.0}]"], BaselineError, "learning_rate = 7.0"),
        (["search.warm_start=nope"], StudyNotFoundError, "No study named 'nope'"),
        (["search.warm_start=empty"], NothingToStartFromError, "0 complete trials"),
    ],
)
def test_what_cannot_be_begun_with_creates_no_study(
    storage: Storage, tmp_path: Path, overrides: list[str], error: type[Exception], message: str
) -> None:
    create(storage, tmp_path, "empty")

    with pytest.raises(error, match=message):
        create(storage, tmp_path, "s", *overrides)

    assert list_names(storage) == ["empty"]


@pytest.mark.parametrize("beginning", ["search.baselines=[{units = 64}]", "search.warm_start=x"])
def test_a_grid_takes_no_beginnings(beginning: str) -> None:
    with pytest.raises(DefinitionError, match="the sampler grid tries only its own values"):
        make_definition(space="mlp", overrides=["search.sampler=grid", beginning])
