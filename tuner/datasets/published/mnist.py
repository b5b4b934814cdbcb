"""MNIST and its drop-in replacements: catalogue entries, and the reader of their published files.

Sources: http://yann.lecun.com/exdb/mnist/, http://codh.rois.ac.jp/kmnist/ (CC BY-SA 4.0) and
https://github.com/zalandoresearch/fashion-mnist (MIT).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from tuner.datasets.formats.arrays import store_array
from tuner.datasets.formats.idx import idx_file_names, read_idx
from tuner.datasets.formats.labels import clean_labels
from tuner.datasets.formats.npz import read_npz_array
from tuner.datasets.images import ImageFormat
from tuner.datasets.left_out import LeftOut
from tuner.datasets.published.checksum import Checksum, file_matches
from tuner.datasets.published.entry import CatalogueEntry, Publication, PublishedFile
from tuner.datasets.reading import RawExamples, UnreadableDataError


class WrongChecksumError(UnreadableDataError):
    """A file has a published file's name and not its content."""

    def __init__(self, path: Path, checksum: Checksum, *, dataset: str) -> None:
        super().__init__(
            path,
            f"its {checksum.algorithm} is not the published {checksum.digest[:12]}…",
            remedy=f"Replace it with `tuner dataset fetch {dataset}`.",
        )


@dataclass(frozen=True, kw_only=True)
class MnistReader:
    """Four files in a folder, each checked against its published checksum."""

    name: str
    folder: Path
    publication: Publication

    @property
    def has_test_set(self) -> bool:
        return True

    @property
    def left_out(self) -> LeftOut:
        return LeftOut()

    def read_train(self) -> RawExamples:
        return self._read(self.publication.train)

    def read_test(self) -> RawExamples:
        return self._read(self.publication.test)

    def _read(self, files: tuple[PublishedFile, PublishedFile]) -> RawExamples:
        missing = [f"{file.name} is missing" for file in files if not file.find_in(self.folder)]
        if missing:
            raise UnreadableDataError(self.folder, *missing, remedy=f"Get it with `tuner dataset fetch {self.name}`.")
        images, labels = (self._read_array(file) for file in files)
        return RawExamples(
            images=store_array(images, where=self.folder), labels=clean_labels(labels, where=self.folder)
        )

    def _read_array(self, file: PublishedFile) -> NDArray[Any]:
        path = file.find_in(self.folder) or self.folder / file.name
        if path.suffix == ".npz":
            return read_npz_array(path, "arr_0")
        array = read_idx(path)
        # 0.2 s for all of MNIST's training part: little enough to do at every start.
        if file_matches(path, file.checksum) is False:
            raise WrongChecksumError(path, file.checksum, dataset=self.name)
        return array


def _entry(name: str, description: str, publication: Publication, *, class_names: tuple[str, ...]) -> CatalogueEntry:
    return CatalogueEntry(
        name=name,
        description=description,
        image_format=ImageFormat(height=28, width=28, channels=1, class_names=class_names),
        open_reader=lambda folder: MnistReader(name=name, folder=folder, publication=publication),
        publication=publication,
    )


def _published(stem: str, checksum: Checksum, *npz_names: str) -> PublishedFile:
    name, *alternatives = idx_file_names(stem)
    return PublishedFile(name=name, checksum=checksum, alternatives=(*alternatives, *npz_names))


def _sha256_of_content(digest: str) -> Checksum:
    return Checksum(algorithm="sha256", digest=digest, of="content")


def _sha256_of_gz(digest: str) -> Checksum:
    return Checksum(algorithm="sha256", digest=digest, of="gz")


def _md5_of_gz(digest: str) -> Checksum:
    return Checksum(algorithm="md5", digest=digest, of="gz")


MNIST = _entry(
    "mnist",
    "70,000 handwritten digits",
    Publication(
        mirrors=(
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
            "http://yann.lecun.com/exdb/mnist/",
        ),
        train=(
            _published(
                "train-images-idx3-ubyte",
                _sha256_of_content("ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
            ),
            _published(
                "train-labels-idx1-ubyte",
                _sha256_of_content("65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
            ),
        ),
        test=(
            _published(
                "t10k-images-idx3-ubyte",
                _sha256_of_content("0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
            ),
            _published(
                "t10k-labels-idx1-ubyte",
                _sha256_of_content("ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
            ),
        ),
    ),
    class_names=tuple("0123456789"),
)

KMNIST = _entry(
    "kmnist",
    "70,000 cursive Japanese characters; its test set is harder than its training set",
    Publication(
        mirrors=("http://codh.rois.ac.jp/kmnist/dataset/kmnist/", "https://codh.rois.ac.jp/kmnist/dataset/kmnist/"),
        train=(
            _published(
                "train-images-idx3-ubyte",
                _sha256_of_gz("51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4"),
                "kmnist-train-imgs.npz",
            ),
            _published(
                "train-labels-idx1-ubyte",
                _sha256_of_gz("e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17"),
                "kmnist-train-labels.npz",
            ),
        ),
        test=(
            _published(
                "t10k-images-idx3-ubyte",
                _sha256_of_gz("edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5"),
                "kmnist-test-imgs.npz",
            ),
            _published(
                "t10k-labels-idx1-ubyte",
                _sha256_of_gz("20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c"),
                "kmnist-test-labels.npz",
            ),
        ),
    ),
    class_names=tuple("おきすつなはまやれを"),
)

FASHION_MNIST = _entry(
    "fashion-mnist",
    "70,000 garments",
    Publication(
        mirrors=(
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        ),
        train=(
            _published("train-images-idx3-ubyte", _md5_of_gz("8d4fb7e6c68d591d4c3dfef9ec88bf0d")),
            _published("train-labels-idx1-ubyte", _md5_of_gz("25c81989df183df01b3e8a0aad5dffbe")),
        ),
        test=(
            _published("t10k-images-idx3-ubyte", _md5_of_gz("bef4ecab320f06d8554ea6380940ec79")),
            _published("t10k-labels-idx1-ubyte", _md5_of_gz("bb300cfdad3c16e7a12a480ee83cd310")),
        ),
    ),
    class_names=(
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
)
