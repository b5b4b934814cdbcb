"""Open a training run: the optimizer's rules, the model's variables and first weights, and the labels of its loss."""

import math
from dataclasses import replace

from tuner.training.initial_weights import take_weights
from tuner.training.plan import TrainingData
from tuner.training.programs.cache import ProgramCache
from tuner.training.request import RunRequest
from tuner.training.rules import set_up_optimizer
from tuner.training.run import TrainingRun
from tuner.training.targets import choose_labels
from tuner.training.variables import build_variables


def open_run(request: RunRequest, data: TrainingData, programs: ProgramCache) -> TrainingRun:
    """Return a run before its first epoch; its checkpoint was not read yet.

    Raises:
        TunerError: Of `train.train`, those that are known before the first epoch.
    """
    model, plan = request.model, request.plan
    set_up_optimizer(model, plan.training)
    build_variables(model, data.train.image_format.shape)
    steps_per_epoch = math.ceil(len(data.train) / plan.batch_size)
    initial = request.initial
    started_from = None if initial is None else take_weights(model, initial, steps_per_epoch=steps_per_epoch)
    labels, guess = choose_labels(model, len(data.train.class_names), plan.labels)
    run = TrainingRun(replace(request, plan=replace(plan, labels=labels)), data, programs)
    for sentence in filter(None, (started_from, guess)):
        run.note(sentence)
    return run
