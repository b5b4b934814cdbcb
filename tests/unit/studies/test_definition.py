import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from tuner.errors import TunerError
from tuner.space_ranges import SpaceRange
from tuner.studies.definitions.definition import StudyDefinition
from tuner.studies.definitions.files import DefinitionError
from tuner.studies.definitions.making import change_definition, compose_definition, make_definition, read_definition
from tuner.studies.definitions.toml import parse_toml, write_toml

SHIPPED = sorted((Path(__file__).parents[3] / "studies").rglob("*.toml"))

MINIMAL = """\
name = "first"
space = "cnn"
dataset = "mnist"

[search]
trials = 10
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "first.toml"
    file.write_text(MINIMAL)
    return file


def test_three_words_and_defaults_make_a_study(path: Path) -> None:
    definition = read_definition(path)

    assert (definition.name, definition.space, definition.dataset, definition.seed) == ("first", "cnn", "mnist", 0)
    assert (definition.search.trials, definition.search.epochs) == (10, 10)
    assert (definition.search.sampler, definition.search.pruner) == ("tpe", "asha")
    assert (definition.finals.top, definition.finals.candidates, definition.finals.repeats) == (2, 3, 3)
    assert definition.finals.train_on == "train+validation"


def test_the_mark_that_windows_puts_first_is_no_setting(path: Path) -> None:
    expected = read_definition(path)
    path.write_text(MINIMAL, encoding="utf-8-sig")

    assert read_definition(path) == expected


def test_a_definition_survives_its_json_whole(path: Path) -> None:
    overrides = [
        "search.sampler=grid",
        "search.grid.learning_rate=[0.1, 1]",
        "fixed.dropout=0.0",
        "data.resize=[28,28]",
    ]
    definition = read_definition(path, [*overrides, "fixed.batch_normalization=true"])

    assert StudyDefinition.from_json(definition.to_json()) == definition
    assert StudyDefinition.from_stored(json.loads(definition.to_json())) == definition
    assert repr(StudyDefinition.from_json(definition.to_json()).fixed["dropout"]) == "0.0"


def test_a_stored_definition_with_settings_of_another_version_is_named(path: Path) -> None:
    newer = json.loads(read_definition(path).to_json()) | {"objectives": 2}

    with pytest.raises(TunerError, match="stored definition: objectives: no setting has this name"):
        StudyDefinition.from_json(json.dumps(newer))
    with pytest.raises(TunerError, match="stored definition: objectives: no setting has this name"):
        StudyDefinition.from_stored(newer)


@pytest.mark.parametrize(
    ("override", "section", "key", "value"),
    [
        ("search.trials=200", "search", "trials", 200),
        ("search.sampler=random", "search", "sampler", "random"),
        ("search.sampler='random'", "search", "sampler", "random"),
        ("finals.train_on=train", "finals", "train_on", "train"),
        ("finals.compare_augmentation=false", "finals", "compare_augmentation", False),
        ("finals.top=7", "finals", "candidates", 7),
        ("data.resize=[28, 32]", "data", "resize", (28, 32)),
        ("search.trial_timeout_s=90", "search", "trial_timeout", 90),
    ],
)
def test_an_override_is_read_as_toml_or_as_a_bare_word(
    path: Path, override: str, section: str, key: str, value: object
) -> None:
    definition = read_definition(path, [override])

    assert getattr(getattr(definition, section), key) == value


def test_an_override_reaches_tables_that_the_file_does_not_have(path: Path) -> None:
    definition = read_definition(path, ["finals.augmentation.rotation=15", "fixed.optimizer=adam", "fixed.a.b/c=1"])

    assert definition.finals.augmentation.rotation == 15
    assert definition.fixed == {"optimizer": "adam", "a.b/c": 1}


def test_the_last_of_equal_overrides_wins(path: Path) -> None:
    definition = read_definition(path, ["seed=1", "seed=2"])

    assert definition.seed == 2


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("search.trails=3", "search.trails: no setting has this name. Did you mean 'trials'?"),
        ("seach.trials=3", "--set: seach: no setting has this name. Did you mean 'search'?"),
        ("search.trials=abc", '--set: search.trials: received "abc", expected a whole number.'),
        ("search.trials=0", "search.trials: received 0, expected a number of at least 1."),
        ("search.trials=true", "search.trials: received true, expected a whole number."),
        ("search.trials.x=1", "'trials' is not a table in the definition"),
        ("search.trials=1\nseed=2", "search.trials: received"),
        ("search=3", "search: received 3, expected a table."),
        ("search.sampler=tpee", "search.sampler: received 'tpee', expected one of tpe, random, "),
        ("search.pruner=hyper", "Did you mean 'hyperband'?"),
        ("search.trial_timeout=inf", "search.trial_timeout: received Infinity, expected a finite number."),
        ("search.grid.units=[1]", "search.grid: values are given, but the sampler is 'tpe'"),
        ("search.pruning.min_resource=11", "received 11, expected at most search.epochs (10)."),
        ("data.validation_fraction=1", "data.validation_fraction: received 1, expected a number below 1"),
        ("data.folds=1", "data.folds: received 1, expected a number of at least 2"),
        ("data.folds=2.0", "data.folds: received 2.0, expected a whole number."),
        ("data.resize=28", "data.resize: received 28, expected [height, width], each 1 to 4096."),
        ("data.resize=[28]", "data.resize.1: received [28], expected [height, width], each 1 to 4096."),
        ("data.resize=[28,28,1]", "data.resize: received [28, 28, 1], expected [height, width], each 1 to 4096."),
        ("trials=3", "trials: no setting has this name. Did you mean 'search.trials'?"),
        ("class_weights=balanced", "Did you mean 'search.training.class_weights' or 'finals.training.class_weights'?"),
        ("data.epochs=3", "data.epochs: no setting has this name. Did you mean 'search.epochs' or 'finals.epochs'?"),
        ("fixed.units=[1]", "fixed.units: received [1], expected a number, a string, true or false."),
        ("finals.candidates=1", "finals.candidates: received 1, expected at least finals.top (2)."),
        ("finals.train_on=tain", "expected one of train, train+validation. Did you mean 'train'?"),
        ("finals.annealing.warmup_epochs=20", "received 20, expected fewer than finals.epochs (20)."),
        ("name=a b", 'name: received "a b", expected 1 to 100 letters'),
        ("name=..", "name: received"),
        ("trials", "--set trials: expected key=value"),
        ("=3", "expected key=value"),
        ("search.trials=[1", "[1 is not a TOML value: "),
        ("fixed.units=" + "[" * 5_000 + "]" * 5_000, "nested too deeply"),
        ("fixed.units=[" + "9" * 5_000 + "]", "a number has too many digits"),
        ("fixed.name=\ud800", "received bytes that are not text; expected UTF-8"),
        ("search." + "x" * 100_000 + "=1", "no setting has this name."),
        ("dataset=~nobody-of-this-name/x\x00", "received bytes that are not text"),
    ],
)
def test_a_wrong_setting_is_explained_in_one_line(path: Path, override: str, message: str) -> None:
    with pytest.raises(TunerError) as caught:
        read_definition(path, [override])

    assert message in str(caught.value)
    assert str(caught.value).startswith("--set")
    assert len(str(caught.value).splitlines()) == 1 or "\n" in override
    assert len(str(caught.value)) < 600


def test_a_long_name_is_cut_in_the_error() -> None:
    with pytest.raises(DefinitionError, match=r"search.pruner: received 'a+…', expected one of asha, ") as caught:
        make_definition(space="mlp", dataset="digits", pruner="a" * 5_000)

    assert len(str(caught.value)) < 300


def test_folds_are_their_own_validation_fraction(path: Path) -> None:
    definition = read_definition(path, ["data.folds=4"])
    agreeing = read_definition(path, ["data.folds=3", "data.validation_fraction=0.33"])

    assert (definition.data.folds, definition.data.validation_fraction) == (4, 0.25)
    assert agreeing.data.folds == 3
    assert (definition.n_steps, definition.epochs_of_trial) == (4, 40)
    assert StudyDefinition.from_json(definition.to_json()) == definition


def test_a_study_stored_before_there_were_folds_has_none(path: Path) -> None:
    stored = json.loads(read_definition(path).to_json())
    del stored["data"]["folds"]

    definition = StudyDefinition.from_stored(stored)

    assert (definition.data.folds, definition.data.validation_fraction) == (None, 0.1)
    assert (definition.n_steps, definition.epochs_of_trial) == (10, 10)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["data.folds=5", "data.validation_fraction=0.1"],
            (
                "--set: data.folds: received 5, so that 0.2 of the images score, but data.validation_fraction is 0.1; "
                "expected 0.2, or only one of the two."
            ),
        ),
        (
            ["data.folds=5", "search.pruner=patient"],
            (
                "--set: search.pruner: received 'patient', which waits for a better epoch, but with data.folds trials "
                "are compared by folds, which have no order; expected another pruner, such as median."
            ),
        ),
        (
            ["data.folds=5", "search.pruning.min_resource=6"],
            "--set: search.pruning.min_resource: received 6, expected at most data.folds (5).",
        ),
    ],
)
def test_settings_that_contradict_folds_are_named(path: Path, overrides: list[str], message: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        read_definition(path, overrides)

    assert str(caught.value) == message


def test_pruners_decide_by_folds_where_there_are_more_of_them_than_epochs(path: Path) -> None:
    overrides = ["data.folds=10", "search.epochs=1", "search.pruning.min_resource=3"]

    assert read_definition(path, overrides).n_steps == 10


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a = " + "[" * 3_000 + "]" * 3_000, "nested too deeply"),
        ("[" + ".".join(["a"] * 40) + "]", "nested too deeply"),
        ("seed = " + "9" * 5_000, "a number has too many digits"),
        ('space = "a\\u0000b"', "a text holds the character NUL"),
        (
            "name = 'a'\nspace = 'cnn'\ndataset = 'digits'\n[data]\nresize = [8]",
            "data.resize.1: received [8], expected [height, width], each 1 to 4096.",
        ),
    ],
)
def test_a_hostile_file_is_refused_in_one_short_line(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "hostile.toml"
    path.write_text(f"{line}\n")

    with pytest.raises(DefinitionError) as caught:
        read_definition(path)

    assert message in str(caught.value)
    assert len(str(caught.value)) < 600


def test_a_mistake_in_the_file_names_the_file_and_counts_the_others(path: Path) -> None:
    path.write_text(MINIMAL + 'epochs = "ten"\npruner = 3\n')

    with pytest.raises(TunerError) as caught:
        read_definition(path)

    assert str(caught.value) == (
        f'{path}: search.epochs: received "ten", expected a whole number. (1 more after this one)'
    )


def test_a_missing_setting_says_what_it_is_for(path: Path) -> None:
    path.write_text('name = "first"\nspace = "cnn"\n')

    with pytest.raises(TunerError, match="dataset: missing; expected name in the catalogue, or path"):
        read_definition(path)


def test_a_wrong_top_is_reported_once_although_another_default_follows_from_it(path: Path) -> None:
    with pytest.raises(TunerError, match=r"finals.top: received -1, expected a number of at least 0\.$"):
        read_definition(path, ["finals.top=-1"])


def test_a_pipe_is_refused_and_not_waited_for(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)

    with pytest.raises(TunerError, match="is a pipe or a device; expected a study definition in TOML"):
        read_definition(path)


def test_broken_toml_names_the_file_and_the_line(path: Path) -> None:
    path.write_text(MINIMAL + "epochs 3\n")

    with pytest.raises(TunerError, match=r"first\.toml is not valid TOML: .*line 7"):
        read_definition(path)


def test_a_file_that_is_no_text_is_named(path: Path) -> None:
    path.write_bytes(b"\xff\xfe\x00")

    with pytest.raises(TunerError, match=r"first\.toml is not UTF-8 text"):
        read_definition(path)


def test_a_missing_file_names_those_beside_it(path: Path) -> None:
    with pytest.raises(TunerError) as caught:
        read_definition(path.with_name("fist.toml"))

    assert f"No study definition at {path.with_name('fist.toml')}. Did you mean '{path}'?" in str(caught.value)


@pytest.mark.parametrize("missing", ["none/digits.toml", "digits.toml", "digts"])
def test_a_missing_file_names_the_shipped_ones(missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(TunerError) as caught:
        read_definition(missing)

    said = str(caught.value)
    assert (
        f"No study definition at {missing}. Did you mean 'digits'? With tuner come digits, fashion-mnist-cnn," in said
    )


def test_a_name_is_a_shipped_definition_unless_a_file_is_called_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mnist-mlp").mkdir()
    (tmp_path / "kmnist-mlp").write_text(MINIMAL)

    assert read_definition("digits", ["search.trials=3"]).search.trials == 3
    assert read_definition("kmnist-report-mlp").space == "kmnist-report-mlp"
    assert read_definition("mnist-mlp").name == "mnist-mlp"
    assert read_definition("kmnist-mlp").name == "first"


def test_a_dataset_path_is_relative_to_what_names_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = path.parent / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    path.write_text(MINIMAL.replace('"mnist"', '"./letters"'))

    in_file = read_definition(path).dataset
    in_override = read_definition(path, ["dataset=./letters"]).dataset
    in_flag = make_definition(space="cnn", dataset="./letters").dataset
    file_in_flag = make_definition(space="cnn", dataset="letters.npz").dataset

    assert in_file == str(path.parent / "letters")
    assert in_override == in_flag == str(elsewhere / "letters")
    assert file_in_flag == str(elsewhere / "letters.npz")


def test_flags_make_the_same_definition_as_a_file(path: Path) -> None:
    definition = make_definition(space="cnn", dataset="mnist", name="first", trials=10)

    assert definition == read_definition(path)


@pytest.mark.parametrize(
    ("space", "dataset", "name"),
    [
        ("cnn", "mnist", "mnist-cnn"),
        ("my.package:Builder", "mnist", "mnist-Builder"),
        ("mlp", "/data/my letters.npz", "my-letters-mlp"),
        ("mlp", "./pictures/", "pictures-mlp"),
        ("x" * 200, "mnist", f"mnist-{'x' * 94}"),
    ],
)
def test_a_study_without_a_name_is_called_after_dataset_and_space(space: str, dataset: str, name: str) -> None:
    assert make_definition(space=space, dataset=dataset).name == name


def test_a_wrong_flag_is_explained_by_its_setting() -> None:
    with pytest.raises(TunerError, match=r"tuner study create: search\.trials: received 0"):
        make_definition(space="cnn", trials=0)


def test_finals_of_one_epoch_have_no_warmup(path: Path) -> None:
    definition = read_definition(path, ["finals.epochs=1"])

    assert definition.finals.annealing.warmup_epochs == 0


def test_a_definition_cannot_be_changed(path: Path) -> None:
    definition = read_definition(path)

    with pytest.raises(ValueError, match="frozen"):
        definition.seed = 3  # type: ignore[misc]


def test_options_replace_the_values_of_a_file_as_they_are(path: Path) -> None:
    changes = {"name": "007", "dataset": "./letters", "search.trials": 7, "search.warm_start": 'a "quoted" study'}

    definition = read_definition(path, ["search.trials=8"], changes=changes)

    assert definition.name == "007"
    assert definition.dataset == str(Path("letters").resolve())
    assert definition.search.trials == 8
    assert definition.search.warm_start == 'a "quoted" study'


def test_options_alone_make_the_definition_that_python_makes() -> None:
    composed = compose_definition({"space": "cnn", "search.trials": 3}, ["seed=2"], source="the command line")

    assert composed == make_definition(space="cnn", trials=3, overrides=["seed=2"])
    assert composed.name == "mnist-cnn"


PUBLISHED = """
[[published]]
name = "accuracy on the test set"
value = 0.9932
corrected = 0.9886
protocol = "8,400 images"
source = "a report"
"""


def test_published_numbers_are_stored_with_the_study(path: Path) -> None:
    path.write_text(MINIMAL + PUBLISHED)

    definition = read_definition(path)

    (figure,) = StudyDefinition.from_json(definition.to_json()).published
    assert (figure.value, figure.corrected, figure.beside, figure.note) == (0.9932, 0.9886, "test", "")
    assert StudyDefinition.from_stored(definition.model_dump(mode="json")) == definition


def test_an_author_is_kept_and_makes_no_other_study(path: Path) -> None:
    anonymous = read_definition(path)
    signed = read_definition(path, ["author=Ada Lovelace"])

    assert signed.to_settings() == {**anonymous.to_settings(), "author": "Ada Lovelace"}
    assert signed.determines_the_same_as(anonymous)
    for wrong in (" ", "two\nlines", "x" * 201):
        with pytest.raises(DefinitionError, match=r"author: received .*, expected one line of 1 to 200"):
            read_definition(path, changes={"author": wrong})


def test_a_definition_stored_before_there_were_published_numbers_has_none(path: Path) -> None:
    stored = read_definition(path).model_dump(mode="json")
    del stored["published"]

    assert StudyDefinition.from_stored(stored).published == ()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("0.9932", "99.32"), r"published\.0\.value: received 99\.32, expected a number of at most 1\."),
        (('"8,400 images"', '""'), r"published\.0\.protocol: received \"\", expected some text\."),
        (("corrected", "correct"), r"published\.0\.correct: no setting has this name\. Did you mean 'corrected'\?"),
        (('source = "a report"', ""), r"published\.0\.source: missing; expected where it was published\."),
        (("source", 'beside = "tset"\nsource'), r"published\.0\.beside: received \"tset\", expected one of test, "),
        (("[[published]]", "[published]"), r"published: received .*, expected a list"),
    ],
)
def test_a_wrong_published_number_is_named_with_what_is_expected(
    path: Path, change: tuple[str, str], message: str
) -> None:
    path.write_text(MINIMAL + PUBLISHED.replace(*change, 1))

    with pytest.raises(DefinitionError, match=message):
        read_definition(path)


RANGES = """\
name = "first"
dataset = "mnist"

[space]
name = "cnn"

[space.learning_rate]
low = 1e-5
high = 1

[space."units [kind=a|b]"]
values = [1, 2]

[search]
trials = 10
"""


def test_a_space_may_be_a_table_with_the_ranges_of_its_hyperparameters(tmp_path: Path) -> None:
    file = tmp_path / "first.toml"
    file.write_text(RANGES)

    definition = read_definition(file, ["space.learning_rate.high=0.1", "space.dropout={default=0.5}"])

    assert definition.space == "cnn"
    assert definition.ranges == {
        "learning_rate": SpaceRange(low=1e-5, high=0.1),
        "units [kind=a|b]": SpaceRange(values=(1, 2)),
        "dropout": SpaceRange(default=0.5),
    }
    assert StudyDefinition.from_json(definition.to_json()) == definition
    assert read_definition(file, changes={"space": "mlp"}).ranges == read_definition(file).ranges


def test_a_definition_without_ranges_takes_them_from_overrides(path: Path) -> None:
    definition = read_definition(path, ["space.learning_rate.low=1e-5", "space=mlp"])

    assert (definition.space, definition.ranges) == ("mlp", {"learning_rate": SpaceRange(low=1e-5)})


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("space.x={low=3,high=1}", "space.x.low: received 3, expected less than high (1)."),
        ("space.x={low=0,log=true}", "space.x.low: received 0, expected more than 0 with log = true."),
        ("space.x={low=1,high=2,values=[1,2]}", "space.x.low: expected either values, or low and high, not both."),
        ("space.x={log=true,values=[1,2]}", "space.x.log: expected either values, or low and high, not both."),
        ("space.x={values=[1]}", "space.x.values: received [1], expected a list of at least 2."),
        ("space.x={values=[1,1]}", "space.x.values: a value stands there twice; expected each once."),
        ("space.x={}", "space.x.low: missing; expected low and high, or values."),
        ("space.x.low=true", "space.x.low: received true, expected a number."),
        ("space.x.low=nan", "space.x.low: received NaN, expected a finite number."),
        ("space.x.lo=3", "space.x.lo: no setting has this name. Did you mean 'low'? Known here: low, high"),
        ("space.x=3", "space.x: received 3, expected a table."),
        ("ranges.x.low=1", "ranges: no setting has this name; expected [space.NAME] for each hyperparameter."),
    ],
)
def test_a_wrong_range_is_one_line(path: Path, override: str, message: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        read_definition(path, [override])

    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_the_settings_of_a_definition_are_a_file_of_the_same_definition(file: Path, tmp_path: Path) -> None:
    changes = {"space.a.low": 1, "space.b [c=d]": {"values": ["x", "y"]}, "search.epochs": 100}
    definition = read_definition(file, changes=changes)

    again = tmp_path / "again.toml"
    again.write_text(write_toml(definition.to_settings()))

    assert read_definition(again) == definition
    assert "search.startup_trials" not in again.read_text()


def test_settings_name_only_what_differs_from_the_defaults(path: Path) -> None:
    definition = read_definition(path, ["finals.repeats=3", "finals.candidates=3", "finals.top=1"])

    assert definition.to_settings() == {
        "name": "first",
        "space": "cnn",
        "dataset": "mnist",
        "search": {"trials": 10},
        "finals": {"top": 1},
    }


def test_a_definition_is_changed_like_a_file(path: Path) -> None:
    definition = read_definition(path, ["space.learning_rate.low=1e-5", "fixed.dropout=0.5"])

    changed = change_definition(definition, {"name": "second", "search.trials": 3}, ["seed=4"], source="here")

    assert changed == read_definition(
        path, ["name=second", "search.trials=3", "seed=4", "fixed.dropout=0.5", "space.learning_rate.low=1e-5"]
    )


@pytest.mark.parametrize(
    "table",
    [
        {"a": 'quotes " and \\ and \x7f and \n', "b": [1, 2.5, "x", True], "c": -1e-300, "d": 10**20},
        {"key with spaces": {"in.ner": {"x": 1}}, "é": {}},
        {"list": [{"a": 1}, {"b": [{"c": 1}]}], "plain": [{"a": 1}, {"b": "2"}], "none": []},
        {"table": {"array": [{"x": 1}, {"x": 2}], "value": 1}},
    ],
)
def test_written_toml_is_read_back(table: dict[str, Any]) -> None:
    assert parse_toml(write_toml(table)) == table


@pytest.mark.parametrize(
    ("setting", "meant"),
    [
        ("search.sampler=bayes", "Did you mean 'tpe' or 'gp'?"),
        ("search.sampler=Random_Search", "Did you mean 'random'?"),
        ("search.pruner=successive-halving", "Did you mean 'asha'?"),
        ("search.pruner=medain", "Did you mean 'median'?"),
    ],
)
def test_what_other_tools_call_a_sampler_or_pruner_is_understood(path: Path, setting: str, meant: str) -> None:
    with pytest.raises(DefinitionError, match=re.escape(meant)):
        read_definition(path, [setting])


def test_a_missing_definition_is_not_taken_for_another_programs_settings(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "mine"\n')
    (tmp_path / "pets.toml").write_text('name = "pets"\nspace = "mlp"\ndataset = "digits"\n')

    for asked, guess in (("nope", "There are"), ("pet", "Did you mean '.*pets.toml'")):
        with pytest.raises(DefinitionError, match=guess) as error:
            read_definition(tmp_path / f"{asked}.toml")
        assert "pyproject" not in str(error.value)
    assert "Did you mean" not in str(error.value) or "pets" in str(error.value)
