import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tuner.cli.space import app
from tuner.datasets.images import ImageFormat
from tuner.spaces.declared import declare_hyperparameters
from tuner.spaces.description import describe_space
from tuner.spaces.parameter_words import describe_conditions, describe_range
from tuner.spaces.registry import SPACES, open_space
from tuner.studies.definitions.making import read_definition


def test_a_description_tells_range_default_condition_and_reason(digits: ImageFormat) -> None:
    description = describe_space(open_space("mlp"), digits)

    rates = [parameter for parameter in description.parameters if parameter.name == "learning_rate"]
    assert [(rate.range, rate.condition) for rate in rates] == [
        ("0.0001 to 0.01 (log)", "optimizer is adam or adamw or nadam or rmsprop"),
        ("0.001 to 1 (log)", "optimizer is sgd or adagrad or adadelta"),
    ]
    assert all(parameter.help for parameter in description.parameters)
    assert description.n_weights == open_space("mlp").build(_defaults(), digits).count_params()


@pytest.mark.usefixtures("beside_own_builders")
def test_branches_that_defaults_do_not_enter_are_declared_too(digits: ImageFormat) -> None:
    declared = declare_hyperparameters(open_space("own_builders.nets:EveryKind"), digits)

    assert "scaling/factor" in {parameter.name for parameter in declared}
    assert [type(parameter).__name__ for parameter in declared if parameter.name == "units"] == ["Choice", "Int"]


def test_space_list_names_every_family_and_recipe() -> None:
    table = CliRunner().invoke(app, ["list"])
    listed = CliRunner().invoke(app, ["list", "--json"])

    assert [entry["name"] for entry in json.loads(listed.stdout)] == list(SPACES)
    assert all(name in table.stdout for name in SPACES)


def test_space_show_tells_what_a_recipe_leaves_as_it_was_trained() -> None:
    result = CliRunner().invoke(app, ["show", "kmnist-report-cnn"], env={"COLUMNS": "200"})

    assert "540,298 weights" in result.stdout
    assert re.search(r"batch_size +32 \(not searched\) +32 +1 ", result.stdout)


def test_space_show_prints_json_alone() -> None:
    result = CliRunner().invoke(app, ["show", "mlp", "--dataset-shape", "8x8x1", "--classes", "3", "--json"])

    shown = json.loads(result.stdout)
    assert shown["image_shape"] == [8, 8, 1]
    assert shown["n_classes"] == 3
    assert {"name", "kind", "range", "default", "condition", "help"} <= shown["parameters"][0].keys()


def test_space_show_prints_a_table() -> None:
    result = CliRunner().invoke(app, ["show", "mlp"], env={"COLUMNS": "200"})

    assert result.exit_code == 0
    assert "hidden_layers" in result.stdout
    assert re.search(r"At most [\d,]+ combinations, times \d+ continuous hyperparameters\.", result.stdout)
    assert "669,706 weights" in result.stdout


@pytest.mark.parametrize("shape", ["28", "axbxc", "0x8x1"])
def test_a_shape_that_is_none_is_a_usage_error(shape: str) -> None:
    assert CliRunner().invoke(app, ["show", "mlp", "--dataset-shape", shape]).exit_code == 2


def test_the_list_of_spaces_needs_neither_keras_nor_numpy() -> None:
    code = "import sys, tuner.spaces.registry, tuner.cli.space; print(bool({'keras', 'numpy'} & set(sys.modules)))"

    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert answer.stdout == "False\n"


def _defaults() -> object:
    from tuner.spaces.registry import fixed_hyperparameters

    return fixed_hyperparameters({})


@pytest.mark.usefixtures("beside_own_builders")
@pytest.mark.parametrize("name", ["mlp", "recognizing-digits-cnn", "own_builders.nets:EveryKind"])
def test_the_tables_of_a_space_are_read_back_as_the_same_space(name: str, digits: ImageFormat, tmp_path: Path) -> None:
    printed = CliRunner().invoke(app, ["show", name, "--toml", "--dataset-shape=8x8x1"]).stdout
    file = tmp_path / "study.toml"
    file.write_text(f'name = "s"\ndataset = "digits"\n{printed}')

    definition = read_definition(file)
    as_it_is, again = (
        [(describe_range(one), one.default, describe_conditions(one.conditions)) for one in declared]
        for declared in (
            declare_hyperparameters(open_space(name), digits),
            declare_hyperparameters(open_space(definition.space), digits, ranges=definition.ranges),
        )
    )

    assert definition.space == name
    assert len(definition.ranges) > 8
    assert again == as_it_is
