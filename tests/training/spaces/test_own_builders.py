from pathlib import Path

import pytest

from tuner.datasets.images import ImageFormat
from tuner.spaces.builder_errors import BuilderError
from tuner.spaces.import_path import SpaceImportError, SpaceModelError
from tuner.spaces.own_objects import module_of
from tuner.spaces.registry import UnknownSpaceError, fixed_hyperparameters, open_space

pytestmark = pytest.mark.usefixtures("beside_own_builders")


@pytest.mark.parametrize(
    "builder",
    [
        "build", "build_for_images", "build_for_images_or_none", "build_for_named_images", "ForImages", "TakesImages",
        "instance", "EveryKind",
    ],
)  # fmt: skip
def test_builders_of_every_shape_build_for_the_images(builder: str, digits: ImageFormat) -> None:
    space = open_space(f"own_builders.nets:{builder}")

    model = space.build(fixed_hyperparameters({}), digits)

    assert model.output_shape == (None, 10)
    assert space.name == f"own_builders.nets:{builder}"


def test_the_images_format_reaches_a_constructor(digits: ImageFormat) -> None:
    colour = ImageFormat(height=9, width=7, channels=3, class_names=("a", "b"))
    space = open_space("own_builders.nets:ForImages")

    shapes = [space.build(fixed_hyperparameters({}), images).input_shape for images in (digits, colour, digits)]

    assert shapes == [(None, 8, 8, 1), (None, 9, 7, 3), (None, 8, 8, 1)]


def test_a_fit_of_its_own_is_found_and_an_inherited_one_is_not() -> None:
    assert open_space("own_builders.nets:EveryKind").fit is not None
    assert open_space("own_builders.nets:ForImages").fit is None
    assert open_space("own_builders.nets:build").fit is None


def test_help_and_description_come_from_the_module() -> None:
    space = open_space("own_builders.nets:build")

    assert space.description == "Build a tiny net for 8x8 digits."
    assert space.help == {"units": "Neurons."}


def test_an_unknown_family_is_answered_with_the_known_ones() -> None:
    with pytest.raises(
        UnknownSpaceError, match=r"'cnm'\. Did you mean 'cnn'\? Known spaces: mlp, cnn, resnet, pretrained;"
    ):
        open_space("cnm")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("own_bilders.nets:build", "no module named 'own_bilders' in .*support nor installed"),
        ("own_builders.nest:build", "no module named 'own_builders.nest'"),
        ("own_builders.nets:bild", "has no 'bild'. Did you mean 'build'"),
        ("own_builders.nets:", "expected package.module:Object"),
        ("own_builders.nets:number", "it is int; expected a keras_tuner.HyperModel"),
        ("own_builders.nets:NoHyperModel", "no subclass of keras_tuner.HyperModel"),
        ("own_builders.nets:NeedsMore", "its constructor needs depth"),
        (
            "own_builders.nets:TakesNoValidation",
            "fit cannot be called as fit.* unexpected keyword argument 'validation",
        ),
    ],
)
def test_a_path_to_no_builder_is_one_line_that_says_why(path: str, reason: str) -> None:
    with pytest.raises(SpaceImportError, match=reason) as error:
        open_space(path)

    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import no_such_package", "my_nets itself imports 'no_such_package', which is not installed"),
        ("def build(hp:", "importing my_nets raised SyntaxError"),
        ("import sys; sys.exit(3)", "importing my_nets raised SystemExit: 3"),
        ("raise OSError('two\\nlines')", "importing my_nets raised OSError: two lines"),
    ],
)
def test_a_module_that_cannot_be_imported_is_one_line_that_says_why(
    code: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_nets.py").write_text(code)
    monkeypatch.chdir(tmp_path)

    with pytest.raises(SpaceImportError, match=reason) as error:
        open_space("my_nets:build")

    assert "\n" not in str(error.value)


def test_what_a_module_leaves_blank_or_uses_for_something_else_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "blank_nets.py").write_text('PARAMETERS = [1]\ndef build(hp):\n    """ """\n')
    monkeypatch.chdir(tmp_path)

    space = open_space("blank_nets:build")

    assert (space.description, space.help) == ("Your own builder.", {})


def test_a_fit_that_leaves_the_process_is_an_error_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = ["import sys, keras_tuner", "class Leaves(keras_tuner.HyperModel):", "    def build(self, hp): return 1"]
    (tmp_path / "leaving_nets.py").write_text("\n".join([*lines, "    def fit(self, *_, **__): sys.exit('done')"]))
    monkeypatch.chdir(tmp_path)
    space = open_space("leaving_nets:Leaves")
    with pytest.raises(SpaceModelError):
        space.build(fixed_hyperparameters({}), ImageFormat(height=1, width=1, channels=1, class_names=("a", "b")))

    assert space.fit is not None
    with pytest.raises(
        BuilderError, match=r"^SystemExit in .* leaving_nets:Leaves \(leaving_nets\.py, line 4\): done$"
    ):
        space.fit(None, None)


@pytest.mark.parametrize(
    ("builder", "reason"),
    [
        ("build_nothing", "build returned NoneType, expected a keras.Model"),
        ("build_uncompiled", "the model is not compiled"),
        ("build_wrong_classes", r"output has shape \(None, 7\), expected \(None, 10\)"),
    ],
)
def test_a_model_that_cannot_be_trained_on_the_images_is_refused(
    builder: str, reason: str, digits: ImageFormat
) -> None:
    space = open_space(f"own_builders.nets:{builder}")

    with pytest.raises(SpaceModelError, match=reason):
        space.build(fixed_hyperparameters({}), digits)


def test_a_model_that_was_returned_before_is_refused(digits: ImageFormat) -> None:
    space = open_space("own_builders.nets:build_once")
    space.build(fixed_hyperparameters({}), digits)

    with pytest.raises(SpaceModelError, match="returned the very model that it returned before"):
        space.build(fixed_hyperparameters({}), digits)


_FILE = (
    "import keras\nfrom beside_file import N\ndef build(hp):\n    return keras.Sequential([keras.Input((N, N, 1))])\n"
)


def test_a_builder_is_found_in_a_file_with_what_it_imports_from_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nets = tmp_path / "elsewhere" / "nets_in_a_file.py"
    nets.parent.mkdir()
    nets.write_text(_FILE)
    (tmp_path / "beside_file.py").write_text("N = 8")
    monkeypatch.chdir(tmp_path)

    space = open_space(f"{nets}:build")

    assert set(space.sources) == {"nets_in_a_file.py", "beside_file.py"}
    nets.rename(tmp_path / nets.name)
    assert module_of(f"{nets}:build", refuse=SpaceImportError) == "nets_in_a_file"


def test_a_file_of_a_builder_that_is_not_there_or_not_found_first_is_told(tmp_path: Path) -> None:
    with pytest.raises(SpaceImportError, match=r"there is no file .*gone\.py\. Copy it to the current folder"):
        open_space(f"{tmp_path / 'gone.py'}:build")
    (tmp_path / "json.py").write_text(_FILE)
    with pytest.raises(SpaceImportError, match=r"finds another module 'json' first, .*\. Rename json\.py"):
        open_space(f"{tmp_path / 'json.py'}:build")
