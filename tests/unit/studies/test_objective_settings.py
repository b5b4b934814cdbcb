"""What a definition may say of several objectives and of constraints; each mistake is told in one line."""

import pytest

from tuner.objectives import COSTS
from tuner.studies.definitions.definition import DefinitionError, StudyDefinition
from tuner.studies.definitions.making import make_definition
from tuner.studies.sections.constraints import Constraint, describe_violation


def define(*overrides: str) -> StudyDefinition:
    return make_definition(space="mlp", dataset="digits", overrides=overrides)


SEVERAL = 'search.objectives=["parameters", "macro_f1", "latency_ms"]'


def test_the_score_is_the_objective_and_comes_first_before_the_costs_in_their_order() -> None:
    definition = define(SEVERAL)

    assert definition.objective.name == "macro_f1"
    assert [measure.name for measure in definition.measures] == ["macro_f1", "parameters", "latency_ms"]
    assert definition.search.pruner == "none"


def test_a_study_of_one_objective_has_no_others_and_its_pruner() -> None:
    definition = define()

    assert (definition.others, definition.constraints, definition.search.pruner) == ((), (), "asha")


@pytest.mark.parametrize("overrides", [[SEVERAL], [SEVERAL, 'search.constraints=["parameters <= 1e5"]'], []])
def test_stored_and_written_it_is_read_as_the_same(overrides: list[str]) -> None:
    definition = define(*overrides)

    assert StudyDefinition.from_json(definition.to_json()) == definition
    assert StudyDefinition.model_validate(definition.to_settings()).determines_the_same_as(definition)


def test_of_several_scores_the_first_leads_or_the_one_that_is_named() -> None:
    several = 'search.objectives=["parameters", "macro_f1", "loss", "mine:cost"]'

    first = define(several, 'search.directions=["minimize", "maximize", "minimize", "minimize"]')
    named = define(several, "search.objective=loss")

    assert [measure.name for measure in first.measures] == ["macro_f1", "parameters", "loss", "mine:cost"]
    assert [measure.direction for measure in first.measures] == ["maximize", "minimize", "minimize", "minimize"]
    assert [measure.name for measure in named.measures] == ["loss", "parameters", "macro_f1", "mine:cost"]
    assert StudyDefinition.from_json(named.to_json()) == named


def test_an_objective_of_ones_own_keeps_its_direction_among_several() -> None:
    definition = define('search.objectives=["mae", "parameters"]', "search.direction=minimize")

    assert [measure.direction for measure in definition.measures] == ["minimize", "minimize"]


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (['search.objectives=["accuracy", "accuracy"]'], "search.objectives: has 'accuracy' twice"),
        (['search.objectives=["accuracy"]'], "received only 'accuracy'"),
        (['search.objectives=["parameters", "size_bytes"]'], "there is nothing to learn from"),
        (['search.objectives=["parameters"]'], "there is nothing to learn from"),
        (["search.objective=latency_ms"], 'search.objectives = ["accuracy", "latency_ms"]'),
        (['search.objectives=["accuracy", "latency"]'], "Did you mean 'latency_ms'?"),
        (['search.objectives=["accuracy", "val_loss"]'], "expected 'loss'"),
        (
            ['search.objectives=["accuracy", "loss"]', 'search.directions=["maximize"]'],
            "(accuracy, loss), in their order",
        ),
        (['search.objectives=["accuracy", "loss"]', 'search.directions=["maximize", "maximize"]'], "only be minimized"),
        (['search.directions=["maximize"]'], "one for each of search.objectives (none)"),
        (['search.objectives=["val_accuracy", "parameters"]'], "expected 'accuracy'"),
        ([SEVERAL, "search.objective=accuracy"], "expected the one of them that leads, 'macro_f1'"),
        ([SEVERAL, "search.direction=minimize"], "macro_f1 can only be maximized"),
        ([SEVERAL, "search.sampler=cmaes"], "'cmaes', which knows one objective only"),
        ([SEVERAL, "search.sampler=one-factor", "search.vary.units=[16, 32]"], "knows one objective only"),
        ([SEVERAL, "search.pruner=median"], "no trial is pruned"),
        (['search.constraints=["parameters"]'], "cannot read 'parameters'"),
        (['search.constraints=["parameters < 1000"]'], "received '<'"),
        (['search.constraints=["parameters <= many"]'], "'many' is no number above 0"),
        (['search.constraints=["parameters <= 0"]'], "'0' is no number above 0"),
        (['search.constraints=["accuracy >= 0.9"]'], "'accuracy' is not measured before a model is trained"),
        (['search.constraints=["parameter <= 9"]'], "Did you mean 'parameters'?"),
        (['search.constraints=["parameters <= 9", "parameters <= 9"]'], "twice"),
    ],
)
def test_a_mistake_is_told_in_one_line(overrides: list[str], told: str) -> None:
    with pytest.raises(DefinitionError) as error:
        define(*overrides)

    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_a_constraint_says_by_which_share_of_its_limit_a_model_is_beyond_it() -> None:
    at_most, at_least = Constraint.read(" parameters<=200 "), Constraint.read("latency_ms >= 2")

    assert [at_most.excess(value) for value in (100, 200, 300)] == [-0.5, 0.0, 0.5]
    assert [at_least.excess(value) for value in (1, 2, 3)] == [0.5, 0.0, -0.5]
    assert (str(at_most), str(at_least)) == ("parameters <= 200", "latency_ms >= 2")
    assert describe_violation([at_most, at_least], {"parameters": 200, "latency_ms": 3}) is None
    told = describe_violation([at_most, at_least], {"parameters": 1201, "latency_ms": 3})
    assert told == "1,201\u00a0parameters, and search.constraints has parameters <= 200"


@pytest.mark.parametrize(
    ("name", "value", "written"),
    [
        ("parameters", 1234567.0, "1,234,567"),
        ("size_bytes", 1234567.0, "1,234.6\u00a0kB"),
        ("size_bytes", 840.0, "0.84\u00a0kB"),
        ("latency_ms", 0.12345, "0.123\u00a0ms"),
        ("latency_ms", 23.45, "23.4\u00a0ms"),
    ],
)
def test_a_cost_is_written_with_its_unit(name: str, value: float, written: str) -> None:
    assert COSTS[name].format(value) == written
