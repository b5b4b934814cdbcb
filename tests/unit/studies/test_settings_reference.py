import json

import pytest
from typer.testing import CliRunner

from tuner.cli import app
from tuner.errors import TunerError
from tuner.studies.definitions.definition import StudyDefinition
from tuner.studies.definitions.making import make_definition
from tuner.studies.definitions.settings_reference import SettingReference, find_settings, list_settings
from tuner.studies.pruners import PRUNERS
from tuner.studies.samplers import SAMPLERS

ALL = {setting.key: setting for section in list_settings() for setting in section.settings}


def test_every_setting_of_a_stored_definition_is_listed() -> None:
    stored = make_definition(space="cnn").model_dump(mode="json")

    def keys(table: dict[str, object], path: str = "") -> set[str]:
        found: set[str] = set()
        for name, value in table.items():
            is_open = f"{path}{name}" in {"fixed", "search.grid", "search.vary"}
            found |= keys(value, f"{path}{name}.") if isinstance(value, dict) and not is_open else {f"{path}{name}"}
        return found

    listed = {key.removesuffix(".NAME") for key in ALL} | {"search.augmentation", "search.annealing", "published"}
    assert keys(stored) - {"ranges"} <= listed


@pytest.mark.parametrize("setting", ALL.values(), ids=list(ALL))
def test_each_setting_says_what_it_is_for_its_default_and_what_is_allowed(setting: SettingReference) -> None:
    assert len(setting.meaning.split()) > 2
    assert not setting.meaning.endswith(".")
    assert setting.default
    assert setting.allowed


@pytest.mark.parametrize(("ending", "unit"), [("timeout", "seconds"), ("epochs", "epochs"), ("_images", "images")])
def test_a_name_that_ends_in_a_unit_has_it(ending: str, unit: str) -> None:
    assert {setting.unit.removesuffix(" or folds") for key, setting in ALL.items() if key.endswith(ending)} == {unit}


def test_defaults_are_those_of_the_definition() -> None:
    definition = make_definition(space="cnn")

    assert ALL["search.trials"].default == str(definition.search.trials)
    assert ALL["finals.repeats"].default == str(definition.finals.repeats)
    assert json.loads(ALL["search.annealing.min_lr"].default) == definition.finals.annealing.min_lr


@pytest.mark.parametrize(("key", "table"), [("search.sampler", SAMPLERS), ("search.pruner", PRUNERS)])
def test_samplers_and_pruners_are_named(key: str, table: dict[str, object]) -> None:
    assert json.loads(f"[{ALL[key].allowed}]") == list(table)


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("search.trials", ["search.trials"]),
        ("min_lr", ["search.annealing.min_lr", "finals.annealing.min_lr"]),
        ("fixed.augmentation.rotation", ["fixed.NAME"]),
        ("search.grid", ["search.grid.NAME"]),
        ("space.dropout.low", ["space.NAME.low"]),
        ("space.name", ["space"]),
        ("[search.training]", [f"search.training.{name}" for name in StudyDefinition.model_fields["search"]
                               .annotation.model_fields["training"].annotation.model_fields]),  # type: ignore[union-attr]
    ],
)  # fmt: skip
def test_a_key_or_a_section_is_found_as_people_write_it(name: str, keys: list[str]) -> None:
    assert [setting.key for section in find_settings(name) for setting in section.settings] == keys


def test_an_unknown_name_gets_the_nearest_one() -> None:
    with pytest.raises(
        TunerError, match=r"^No setting or section named 'search.trails'. Did you mean 'search.trials'\?"
    ):
        find_settings("search.trails")


def test_the_command_prints_the_same_as_table_and_as_json() -> None:
    shown = CliRunner().invoke(app, ["study", "settings", "search.pruning"], env={"COLUMNS": "200"}).stdout
    (section,) = json.loads(CliRunner().invoke(app, ["study", "settings", "search.pruning", "--json"]).stdout)

    assert section["name"] == "search.pruning"
    for setting in section["settings"]:
        assert f"{setting['key'].rpartition('.')[2]} " in shown
        assert setting["meaning"] in shown


@pytest.mark.parametrize("command", [["study", "create"], ["study", "check"], ["run"]])
def test_the_help_of_set_names_the_list(command: list[str]) -> None:
    shown = " ".join(CliRunner().invoke(app, [*command, "--help"], env={"COLUMNS": "300"}).stdout.split())

    assert "`tuner study settings` lists all." in shown
