import csv
import json
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
import typer
from PIL import Image
from support.s3_server import BUCKET
from typer.testing import CliRunner, Result

from tuner.artifacts import ArtifactStore
from tuner.bundles.bundle import BundleDescription, Provenance
from tuner.bundles.ensemble import EnsembleDescription, EnsembleMember, store_ensemble
from tuner.bundles.looked_at import OtherImagesError
from tuner.bundles.model import write_bundle
from tuner.bundles.outputs import OutputNotWrittenError
from tuner.bundles.picture_files import ImagesUnreadableError
from tuner.bundles.picture_submission import OtherFormError
from tuner.bundles.script import NoScriptError
from tuner.cli.export import export
from tuner.cli.inspect import inspect
from tuner.cli.predict import predict
from tuner.cli.submit import submit
from tuner.datasets.catalogue import open_dataset
from tuner.datasets.division.splits import Split, split_stratified
from tuner.datasets.images import LabelledImages
from tuner.datasets.reading import UnreadableDataError
from tuner.spaces.registry import fixed_hyperparameters, open_space
from tuner.training.predictions import predict_probabilities
from tuner.training.train import TrainingData, TrainingPlan, train
from tuner.training_settings import Augmentation

HYPERPARAMETERS = {"blocks": 1, "convolutions": 1, "filters": 32, "dense_units": 64, "learning_rate": 0.005}
Run = Callable[..., Result]


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Split:
    data = open_dataset("digits", data_dir=tmp_path_factory.mktemp("data")).load_train()
    return split_stratified(data, validation_fraction=0.2, seed=0)


@pytest.fixture(scope="module")
def model(digits: Split) -> keras.Model:
    """A small convolutional net that knows scikit-learn's digits, augmented as finals are: a few seconds."""
    keras.utils.set_random_seed(0)
    model = open_space("cnn").build(fixed_hyperparameters(HYPERPARAMETERS), digits.train.image_format)
    plan = TrainingPlan(
        epochs=20,
        batch_size=64,
        seed=0,
        augmentation=Augmentation.only(rotation=10, zoom=0.1, shift=0.1),
    )
    train(model, TrainingData(train=digits.train, validation=None), plan, on_epoch=lambda _: None)
    return model


@pytest.fixture(scope="module")
def bundle(model: keras.Model, digits: Split, tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = ArtifactStore(str(tmp_path_factory.mktemp("artifacts")))
    description = BundleDescription(
        space="cnn",
        hyperparameters=HYPERPARAMETERS,
        images=digits.train.image_format,
        provenance=Provenance(
            study="digits", trial=0, rank=1, seed=0, test_accuracy=None, versions={}, data_sha256="0" * 64
        ),
    )
    write_bundle(store, "digits.bundle", model, description)
    return Path(store.location("digits.bundle"))


@pytest.fixture(scope="module")
def examples(digits: Split) -> LabelledImages:
    """One digit of each class that the model was not trained on."""
    labels = digits.validation.labels
    return digits.validation.take(np.array([np.flatnonzero(labels == label)[2] for label in range(10)]))


def run_command(command: Callable[..., None], *arguments: object) -> Result:
    app = typer.Typer()
    app.command()(command)
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def photograph(image: np.ndarray) -> Image.Image:
    """Return the digit as a person would hand it in: large, dark ink on light paper, with a margin, off centre."""
    ink = Image.fromarray(image[:, :, 0]).resize((160, 160), Image.Resampling.LANCZOS)
    paper = np.full((260, 300), 235, np.uint8)
    paper[60:220, 40:200] -= (np.asarray(ink) * 0.8).astype(np.uint8)
    return Image.fromarray(paper)


def write_csv(path: Path, images: np.ndarray) -> Path:
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow([f"pixel{index}" for index in range(64)])
        rows.writerows(images.reshape(len(images), -1).tolist())
    return path


def test_an_ensemble_predicts_and_submits_as_its_members_do_together(
    bundle: Path, examples: LabelledImages, tmp_path: Path
) -> None:
    content, member = (
        bundle.read_bytes(),
        EnsembleMember(study="s", bundle="s/a", trial=0, seed=0, known_accuracy=None, test_accuracy=0.5),
    )
    description = EnsembleDescription(
        class_names=tuple("0123456789"), members=(member, member), n_test=10, test_accuracy=0.5, bundle="e.bundle"
    )
    store_ensemble(ArtifactStore(str(tmp_path)), description, [content, content])
    picture, table = tmp_path / "0.png", write_csv(tmp_path / "test.csv", examples.images)
    Image.fromarray(examples.images[0][:, :, 0]).save(picture)

    answers = [
        json.loads(run_command(predict, one, picture, "--json").stdout) for one in (bundle, tmp_path / "e.bundle")
    ]
    files = [tmp_path / "one.csv", tmp_path / "two.csv"]
    for one, out in zip((bundle, tmp_path / "e.bundle"), files, strict=True):
        run_command(submit, one, table, "--out", out)

    looked = run_command(inspect, tmp_path / "e.bundle", picture, "--out", tmp_path / "page.html", "--json")
    assert json.loads(looked.stdout)["images"][0]["class"] == answers[0][0]["class"]
    assert "An ensemble of 2 models: shown is the first, trial 0 of digits with seed 0." in looked.stderr
    assert answers[0][0]["probability"] == pytest.approx(answers[1][0]["probability"])
    assert files[0].read_text() == files[1].read_text()


def test_pictures_of_the_models_own_format_are_predicted_as_arrays_are(
    bundle: Path, model: keras.Model, examples: LabelledImages, tmp_path: Path
) -> None:
    files = [tmp_path / f"{label}.png" for label in range(10)]
    for file, image in zip(files, examples.images, strict=True):
        Image.fromarray(image[:, :, 0]).save(file)

    answers = json.loads(run_command(predict, bundle, *files, "--json").stdout)

    expected = predict_probabilities(model, examples.images)
    received = np.array([list(answer["probabilities"].values()) for answer in answers], np.float32)
    np.testing.assert_array_equal(received, expected)


def test_the_path_that_studies_record_of_a_bundle_is_taken_too(
    bundle: Path, examples: LabelledImages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(examples.images[4][:, :, 0]).save(tmp_path / "four.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TUNER_ARTIFACTS", str(bundle.parent))

    (answer,) = json.loads(run_command(predict, bundle.name, "four.png", "--json").stdout)

    assert answer["class"] == "4"


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_photographed_digits_are_recognised(
    bundle: Path, examples: LabelledImages, tmp_path: Path, suffix: str
) -> None:
    files = [tmp_path / f"{label}.{suffix}" for label in range(10)]
    for file, image in zip(files, examples.images, strict=True):
        photograph(image).save(file)

    answers = json.loads(run_command(predict, bundle, *files, "--json").stdout)

    assert [answer["file"] for answer in answers] == [str(file) for file in files]
    assert sum(answer["class"] == str(label) for label, answer in enumerate(answers)) >= 8
    for answer in answers:
        assert list(answer) == ["file", "class", "probability", "probabilities"]
        assert list(answer["probabilities"]) == list("0123456789")
        assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-5)
        assert answer["probability"] == max(answer["probabilities"].values())
        assert answer["probability"] == answer["probabilities"][answer["class"]]


def test_people_read_a_table(bundle: Path, examples: LabelledImages, tmp_path: Path) -> None:
    Image.fromarray(examples.images[4][:, :, 0]).save(tmp_path / "four.png")

    output = run_command(predict, bundle, tmp_path / "four.png").stdout

    assert "class" in output
    assert " %" in output


def test_one_unreadable_picture_is_named_and_so_are_those_that_are_fine(
    bundle: Path, examples: LabelledImages, tmp_path: Path
) -> None:
    fine, text, missing = (tmp_path / name for name in ("fine.png", "text.png", "missing.png"))
    photograph(examples.images[1]).save(fine)
    text.write_text("no picture")

    with pytest.raises(ImagesUnreadableError) as caught:
        run_command(predict, bundle, fine, text, missing)

    message = str(caught.value)
    assert message.startswith(
        f"2 of 3 files could not be read: {text} is no PNG, JPEG, TIFF, BMP, GIF or WebP picture; {missing} No such"
    )
    assert f"Readable: {fine}." in message
    assert "\n" not in message


@pytest.fixture
def class_folders(examples: LabelledImages, tmp_path: Path) -> Path:
    """Pictures of ten digits in folders of their classes, one of them in a wrong one, beside files of other kinds."""
    for label, image in enumerate(examples.images):
        path = tmp_path / "photos" / str(label or 1) / f"of {label}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[:, :, 0]).save(path)
    (tmp_path / "photos" / "broken.png").write_text("no picture")
    (tmp_path / "photos" / "notes.txt").touch()
    return tmp_path / "photos"


def test_a_folder_is_predicted_whole_into_a_csv_and_what_is_not_read_is_told(
    bundle: Path, model: keras.Model, class_folders: Path, examples: LabelledImages, tmp_path: Path
) -> None:
    out = tmp_path / "answers.csv"

    told = " ".join(run_command(predict, bundle, class_folders, "--out", out, "--probabilities").stderr.split())

    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert [row["file"] for row in rows] == [
        str(class_folders / str(label or 1) / f"of {label}.png") for label in range(10)
    ]
    received = np.array([[float(row[str(label)]) for label in range(10)] for row in rows], np.float32)
    expected = predict_probabilities(model, examples.images)
    np.testing.assert_allclose(received, expected, atol=1e-8)
    n_right = sum(int(row.argmax()) == (label or 1) for label, row in enumerate(expected))
    assert f"{10 * n_right}.00 % of 10 images have the class that their folder is named after" in told
    assert "1 file was not read: 1 .txt." in told
    assert (
        f"1 image could not be read: {class_folders / 'broken.png'} is no PNG, JPEG, TIFF, BMP, GIF or WebP picture."
        in told
    )


def test_memory_is_bounded_because_pictures_are_predicted_part_by_part(
    bundle: Path, class_folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = json.loads(run_command(predict, bundle, class_folders, "--json").stdout)

    monkeypatch.setattr("tuner.bundles.prediction._MOST_AT_ONCE", 3)
    monkeypatch.setattr("tuner.bundles.prediction._FEWEST_AT_ONCE", 3)
    parts = json.loads(run_command(predict, bundle, class_folders, "--json").stdout)

    assert [one["file"] for one in parts] == [one["file"] for one in whole]
    assert [one["probability"] for one in parts] == pytest.approx([one["probability"] for one in whole], abs=1e-6)


def test_a_picture_that_is_named_must_be_readable_and_nothing_is_written_otherwise(
    bundle: Path, class_folders: Path, tmp_path: Path
) -> None:
    with pytest.raises(ImagesUnreadableError, match=r"1 of 13 files could not be read: .*broken\.png is no PNG, JPEG"):
        run_command(
            predict,
            bundle,
            class_folders / "1",
            class_folders,
            class_folders / "broken.png",
            "--out",
            tmp_path / "a.csv",
        )

    assert not list(tmp_path.glob("*.csv"))


@pytest.mark.parametrize("words", [["--json", "--out", "a.csv"], ["--probabilities"], ["--out", "a.json"]])
def test_options_that_do_not_go_together_are_wrong_usage(bundle: Path, words: list[str]) -> None:
    assert run_command(predict, bundle, "x.png", *words).exit_code == 2


@pytest.mark.usefixtures("s3_server")
def test_pictures_and_answers_may_be_in_s3(bundle: Path, class_folders: Path, tmp_path: Path) -> None:
    store = ArtifactStore(f"s3://{BUCKET}")
    for path in class_folders.rglob("*.*"):
        store.write(f"photos/{path.relative_to(class_folders)}", path.read_bytes())
    here = json.loads(run_command(predict, bundle, class_folders, "--json").stdout)

    run_command(predict, bundle, f"s3://{BUCKET}/photos/", "--out", f"s3://{BUCKET}/out/answers.csv")

    rows = list(csv.DictReader(store.read("out/answers.csv").decode().splitlines()))
    assert [row["file"].removeprefix(f"s3://{BUCKET}/photos/") for row in rows] == [
        str(Path(one["file"]).relative_to(class_folders)) for one in here
    ]
    assert [row["class"] for row in rows] == [one["class"] for one in here]
    run_command(
        submit, bundle, write_csv(tmp_path / "t.csv", np.zeros((2, 8, 8), np.uint8)), "--out", f"s3://{BUCKET}/s"
    )
    assert store.read("s").startswith(b"ImageId,Label\n1,")


def test_inspect_shows_what_the_layers_see_of_picture_files(
    bundle: Path, examples: LabelledImages, tmp_path: Path
) -> None:
    files = [tmp_path / f"{label}.png" for label in range(2)]
    for file, image in zip(files, examples.images, strict=False):
        Image.fromarray(image[:, :, 0]).save(file)

    told = json.loads(run_command(inspect, bundle, *files, "--out", tmp_path / "page.html", "--json").stdout)

    assert [(one["file"], one["class"]) for one in told["images"]] == [("0.png", "0"), ("1.png", "1")]
    assert told["layers"][0] == {"position": 3, "kind": "Activation", "shape": [8, 8, 32]}
    page = Path(told["page"]).read_text()
    assert "The saliency map of 1.png." in page
    assert "All 32 filters of the first layer with weights, Conv2D, 3x3." in page
    assert "<script>" not in page
    assert len(page) < 200_000


def test_inspect_takes_training_images_of_a_dataset_that_fits(bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / "page.html"

    result = run_command(inspect, bundle, "--dataset", "digits", "--out", out)

    assert result.stdout.strip() == str(out)
    assert out.read_text().count('class="name"') == 10
    np.savez(
        tmp_path / "two.npz", x_train=np.arange(1280).reshape(20, 8, 8).astype(np.uint8), y_train=np.arange(20) % 2
    )
    with pytest.raises(OtherImagesError, match=r"holds grey images of 2 classes \(0, 1\), and the model takes grey"):
        run_command(inspect, bundle, "--dataset", tmp_path / "two.npz", "--out", tmp_path / "other.html")
    assert not (tmp_path / "other.html").exists()


@pytest.mark.parametrize("words", [[], ["x.png", "--dataset", "digits"], ["x.png"] * 25], ids=["none", "both", "25"])
def test_inspect_wants_a_few_images_of_one_kind(bundle: Path, words: list[str]) -> None:
    assert run_command(inspect, bundle, *words).exit_code == 2


def test_export_prints_what_it_has_written(bundle: Path, tmp_path: Path) -> None:
    told = json.loads(run_command(export, bundle, "--to", tmp_path / "m.weights.h5", "--json").stdout)

    assert told == {
        "file": f"{tmp_path}/m.weights.h5", "card": f"{tmp_path}/m.weights.h5.md", "format": "weights",
        "input": "float32", "needs": [],
    }  # fmt: skip
    card = Path(told["card"]).read_text()
    assert "- It was not tested." in card
    assert "- Training: not recorded, as the bundle is of an older format." in card
    with pytest.raises(NoScriptError, match="does not say how it was trained"):
        run_command(export, bundle, "--script")


@pytest.mark.parametrize("words", [[], ["--to", "m.keras", "--script"], ["--to", "m.keras", "--input", "int8"]])
def test_export_wants_a_file_or_a_script(bundle: Path, words: list[str]) -> None:
    assert run_command(export, bundle, *words).exit_code == 2


def test_a_submission_answers_every_row_in_kaggles_format(
    bundle: Path, model: keras.Model, digits: Split, tmp_path: Path
) -> None:
    images = digits.validation.images

    result = run_command(submit, bundle, write_csv(tmp_path / "test.csv", images), "--out", tmp_path / "answers.csv")

    lines = (tmp_path / "answers.csv").read_text().splitlines()
    answers = predict_probabilities(model, images).argmax(axis=1)
    assert lines == ["ImageId,Label", *(f"{number},{answer}" for number, answer in enumerate(answers, start=1))]
    assert np.mean(answers == digits.validation.labels) > 0.9
    assert f"{len(images)} answers" in " ".join(result.stderr.split())
    assert result.stdout == ""


def test_a_submission_of_other_images_is_refused_and_nothing_is_written(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_text("pixel0,pixel1\n1,2\n")

    with pytest.raises(UnreadableDataError, match=r"test\.csv"):
        run_command(submit, bundle, tmp_path / "test.csv", "--out", tmp_path / "answers.csv")

    assert not (tmp_path / "answers.csv").exists()


def test_a_submission_that_cannot_be_written_says_where_to(bundle: Path, digits: Split, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "test.csv", digits.validation.images[:3])

    with pytest.raises(OutputNotWrittenError, match=r"Could not write .*test\.csv/answers\.csv: .* --out"):
        run_command(submit, bundle, path, "--out", path / "answers.csv")


@pytest.mark.parametrize("columns", ["id,digit", "id,9,8,7,6,5,4,3,2,1,0"])
def test_test_pictures_of_a_folder_are_answered_as_the_sample_asks(
    bundle: Path, examples: LabelledImages, tmp_path: Path, columns: str
) -> None:
    folder = tmp_path / "test" / "images"
    folder.mkdir(parents=True)
    for number, image in enumerate(examples.images[:3]):
        Image.fromarray(image[:, :, 0]).save(folder / f"{number}.png")
    sample = tmp_path / "sample.csv"
    blanks = ",0" * columns.count(",")
    sample.write_text(f"{columns}\n2{blanks}\n0{blanks}\n1{blanks}\n")

    run_command(submit, bundle, tmp_path / "test", "--like", sample, "--out", tmp_path / "answers.csv")
    run_command(submit, bundle, tmp_path / "test", "--out", tmp_path / "plain.csv")

    with (tmp_path / "answers.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    with (tmp_path / "plain.csv").open(newline="") as file:
        plain = dict(csv.reader(file))
    assert header == columns.split(",")
    assert [row[0] for row in rows] == ["2", "0", "1"]
    answers = [header[1 + int(np.argmax(list(map(float, row[1:]))))] if len(row) > 2 else row[1] for row in rows]
    assert answers == [plain[f"images/{number}.png"] for number in (2, 0, 1)]


@pytest.mark.parametrize(
    ("sample", "told"),
    [("id,a,b\n0,0,0\n", "its columns are id, a, b. Expected an id and a class"), ("id,label\n7,0\n", "no picture")],
)
def test_a_sample_of_another_form_is_told(bundle: Path, tmp_path: Path, sample: str, told: str) -> None:
    (tmp_path / "test").mkdir()
    Image.new("L", (8, 8)).save(tmp_path / "test" / "0.png")
    (tmp_path / "sample.csv").write_text(sample)

    with pytest.raises(OtherFormError, match=told):
        run_command(submit, bundle, tmp_path / "test", "--like", tmp_path / "sample.csv")
