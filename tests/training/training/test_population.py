"""Runs on JAX alone; `test_on_jax.py` runs all of it in a process on JAX."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers
from small_models import build_cnn, build_mlp, random_images

from tuner.artifacts import ArtifactStore
from tuner.class_metrics import macro_f1
from tuner.epochs import Epoch
from tuner.training.checkpoint import Checkpoint
from tuner.training.history import TrainingHistory
from tuner.training.plan import Part, TrainingData, TrainingPlan
from tuner.training.populations.train import Member, UnlikeMembersError, train_population
from tuner.training.populations.widths import WidthChoice
from tuner.training.run import NanLossError
from tuner.training.scoring import Scoring, Scorings
from tuner.training.session import seed_everything
from tuner.training.train import train
from tuner.training_settings import Annealing, Augmentation, Training

pytestmark = pytest.mark.skipif(keras.backend.backend() != "jax", reason="populations are programs of JAX")

DATA = TrainingData(train=random_images(), validation=random_images(50, seed=1))
PLAN = TrainingPlan(epochs=3, batch_size=32, seed=3)
AUGMENTED = replace(
    PLAN,
    augmentation=Augmentation.only(rotation=10, shift=0.1, cutout=0.3, mixup=0.2),
    annealing=Annealing(rule="plateau", monitor="loss", patience=1, factor=0.5, min_delta=0.5),
)


def _mlp_sgd(rate: float) -> keras.Model:
    return build_mlp(layers.Dropout(0.3), optimizer=keras.optimizers.SGD(rate, momentum=0.9))


def _mlp_adam(rate: float) -> keras.Model:
    dropout = layers.Dropout(0.1 + 20 * rate)
    optimizer = keras.optimizers.AdamW(0.3 * rate, weight_decay=rate)
    return build_mlp(layers.BatchNormalization(), dropout, optimizer=optimizer)


def _cnn_sgd(rate: float) -> keras.Model:
    # All of its free numbers follow from the rate, and one is 0.
    smoothing = 0.0 if rate == 0.01 else 10 * rate
    return build_cnn(
        dropout=0.1 + 20 * rate,
        optimizer=keras.optimizers.SGD(rate, momentum=0.95 - 10 * rate, nesterov=True, weight_decay=rate),
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=smoothing),
    )


def _members(
    build: Callable[[float], keras.Model], plan: TrainingPlan, n: int, told: dict[int, list[Epoch]] | None = None
) -> list[Member]:
    members = []
    for index in range(n):
        keras.utils.clear_session(free_memory=False)
        seed_everything(index)
        epochs = (told if told is not None else {}).setdefault(index, [])
        own = replace(plan, seed=index, augmentation=plan.augmentation and _changed(plan.augmentation, index))
        members.append(Member(model=build(0.01 / (index + 1)), plan=own, on_epoch=epochs.append))
    return members


def _changed(augmentation: Augmentation, index: int) -> Augmentation:
    return augmentation.model_copy(update={"rotation": 10.0 * index, "mixup": 0.2 + 0.1 * index})


def _train_alone(member: Member) -> TrainingHistory:
    seed_everything(member.plan.seed)
    return train(member.model, DATA, member.plan, on_epoch=lambda _: None)


@pytest.mark.parametrize(
    ("build", "plan"), [(_mlp_adam, PLAN), (_cnn_sgd, AUGMENTED)], ids=["mlp with adam", "augmented cnn with sgd"]
)
def test_each_member_comes_to_what_it_comes_to_alone(build: Callable[[float], keras.Model], plan: TrainingPlan) -> None:
    together = train_population(_members(build, plan, 3), DATA)

    for member, history in zip(_members(build, plan, 3), together, strict=True):
        alone = _train_alone(member)
        assert isinstance(history, TrainingHistory)
        for epoch, expected in zip(history.epochs, alone.epochs, strict=True):
            assert epoch.learning_rate == expected.learning_rate
            assert epoch.loss == pytest.approx(expected.loss, rel=1e-5)
            assert epoch.val_loss == pytest.approx(expected.val_loss, rel=1e-5)
            assert epoch.val_accuracy == pytest.approx(expected.val_accuracy, abs=1e-6)


def test_members_with_images_and_rules_of_their_own_are_trained_as_many_at_once_as_pay() -> None:
    images = random_images(160)
    plan = replace(PLAN, epochs=4, training=Training(label_smoothing=0.1, weight_decay=0.01, early_stopping=2))
    scoring = Scorings(leading=Scoring(name="macro_f1", function=macro_f1))

    def part(index: int) -> Part:
        validation = np.arange(40 * index, 40 * (index + 1), dtype=np.int32)
        train = np.setdiff1d(np.arange(160, dtype=np.int32), validation)
        data = TrainingData(train=images.take(train), validation=images.take(validation))
        return Part(data=data, train_rows=train, validation_rows=validation)

    def members() -> list[Member]:
        made = _members(_mlp_sgd, plan, 3)
        return [replace(member, part=part(index), scoring=scoring) for index, member in enumerate(made)]

    width = WidthChoice(most=3)
    # As if compiling took no time and twice as many were twice as fast.
    width.n_epochs_before = 10**9
    together = train_population(members(), images, width=width)

    assert width.is_settled
    for member, history in zip(members(), together, strict=True):
        assert isinstance(history, TrainingHistory)
        assert member.part is not None
        seed_everything(member.plan.seed)
        alone = train(member.model, member.part.data, member.plan, on_epoch=lambda _: None, scoring=scoring)
        assert (len(history.epochs), history.restored_epoch) == (len(alone.epochs), alone.restored_epoch)
        for epoch, expected in zip(history.epochs, alone.epochs, strict=True):
            assert epoch.loss == pytest.approx(expected.loss, rel=1e-5)
            assert epoch.val_loss == pytest.approx(expected.val_loss, rel=1e-5)
            assert epoch.score == pytest.approx(expected.score, abs=1e-6)


def test_a_member_goes_on_alone_from_its_checkpoint_and_back(tmp_path: Path) -> None:
    whole = train_population(_members(_mlp_sgd, replace(PLAN, epochs=4), 2), DATA)

    def checkpoint(index: int) -> Checkpoint:
        return Checkpoint(ArtifactStore(str(tmp_path)), f"run-{index}")

    def die_after(n: int) -> Callable[[Epoch], None]:
        def on_epoch(epoch: Epoch) -> None:
            if epoch.epoch == n:
                raise InterruptedError

        return on_epoch

    members = _members(_mlp_sgd, replace(PLAN, epochs=4), 2)
    started = [replace(m, checkpoint=checkpoint(i), on_epoch=die_after(2 - i)) for i, m in enumerate(members)]
    assert [type(end) for end in train_population(started, DATA)] == [InterruptedError, InterruptedError]
    # The first goes on alone for an epoch, the second comes back to it.
    alone = _members(_mlp_sgd, replace(PLAN, epochs=4), 2)[0]
    with pytest.raises(InterruptedError):
        train(alone.model, DATA, alone.plan, on_epoch=die_after(3), checkpoint=checkpoint(0))
    again = [replace(m, checkpoint=checkpoint(i)) for i, m in enumerate(_members(_mlp_sgd, replace(PLAN, epochs=4), 2))]
    resumed = train_population(again, DATA)

    for end, expected in zip(resumed, whole, strict=True):
        assert isinstance(end, TrainingHistory)
        assert isinstance(expected, TrainingHistory)
        assert [e.loss for e in end.epochs] == pytest.approx([e.loss for e in expected.epochs], rel=1e-5)
    assert [end.resumed_from for end in resumed if isinstance(end, TrainingHistory)] == [3, 1]


def test_members_that_leave_change_nothing_for_the_others() -> None:
    told: dict[int, list[Epoch]] = {}
    members = _members(_mlp_sgd, replace(PLAN, epochs=5), 5, told)

    def leave(epoch: Epoch) -> None:
        if epoch.epoch == 2:
            raise InterruptedError

    leaving = [replace(m, on_epoch=leave) if i in (0, 1, 3) else m for i, m in enumerate(members)]
    ends = train_population(leaving, DATA)
    undisturbed = train_population(_members(_mlp_sgd, replace(PLAN, epochs=5), 5), DATA)

    assert [type(end) for end in ends[:4]] == [InterruptedError, InterruptedError, TrainingHistory, InterruptedError]
    for index in (2, 4):
        expected = undisturbed[index]
        assert isinstance(expected, TrainingHistory)
        assert [e.loss for e in told[index]] == pytest.approx([e.loss for e in expected.epochs], rel=1e-5)


def test_a_member_whose_loss_is_not_finite_ends_alone() -> None:
    members = _members(_mlp_sgd, PLAN, 2)
    members[0].model.optimizer.learning_rate = 1e30

    ends = train_population(members, DATA)

    assert isinstance(ends[0], NanLossError)
    assert isinstance(ends[1], TrainingHistory)
    assert len(ends[1].epochs) == PLAN.epochs


class _OwnStep(keras.Model):
    def train_step(self, *arguments: object) -> object:
        return super().train_step(*arguments)


@pytest.mark.parametrize(
    ("models", "named"),
    [
        (lambda: [build_mlp(), build_cnn()], "differ in more than their variables"),
        (lambda: [build_cnn(dropout=0.1), build_cnn(dropout=0.0)], "differ in more than their variables"),
        (lambda: [build_cnn(cls=_OwnStep) for _ in range(2)], "overrides train_step"),
    ],
    ids=["layers", "without dropout", "own step"],
)
def test_unlike_models_are_refused(models: Callable[[], list[keras.Model]], named: str) -> None:
    members = [Member(model=model, plan=PLAN, on_epoch=lambda _: None) for model in models()]

    with pytest.raises(UnlikeMembersError, match=named):
        train_population(members, DATA)


def test_rules_of_training_are_refused_and_not_left_out_in_silence() -> None:
    plan = replace(PLAN, training=Training(ema_momentum=0.9))
    members = [Member(model=build_mlp(), plan=plan, on_epoch=lambda _: None) for _ in range(2)]

    with pytest.raises(UnlikeMembersError, match="rules of training have ema_momentum"):
        train_population(members, DATA)


def test_weights_and_rates_are_those_of_the_models_own_schedule() -> None:
    def build(_: float) -> keras.Model:
        schedule = keras.optimizers.schedules.ExponentialDecay(0.1, decay_steps=5, decay_rate=0.5)
        return build_mlp(optimizer=keras.optimizers.SGD(schedule))

    members = _members(build, PLAN, 2)
    together = train_population(members, DATA)

    for member, history, alone in zip(members, together, _members(build, PLAN, 2), strict=True):
        expected = _train_alone(alone)
        assert isinstance(history, TrainingHistory)
        assert [e.learning_rate for e in history.epochs] == [e.learning_rate for e in expected.epochs]
        for ours, theirs in zip(member.model.get_weights(), alone.model.get_weights(), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)
