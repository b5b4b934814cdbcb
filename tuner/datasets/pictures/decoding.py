"""Many picture files, their headers and pixels read by several threads: Pillow decodes outside of Python's lock."""

import errno
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Protocol, TypeVar

from tuner.datasets.pictures.cache import PictureCache, PictureLayout, key_of
from tuner.datasets.pictures.file import PictureHeader, decode_picture, picture_header, without_warnings
from tuner.datasets.pictures.stack import PictureStack, ScaledPicture, scale_stored
from tuner.datasets.reading import ReadingSettings, Size, StoredImages, UnreadableDataError

#: Pictures, and bytes of them, between two reports of progress and two writes to the disk.
_N_AT_ONCE = 256
_BYTES_AT_ONCE = 2**26
#: Fewer are read by one thread.
_FEWEST_FOR_THREADS = 64
#: Pixels of all pictures that threads decode at one time: of 64 megapixels each, two.
_PIXELS_AT_ONCE = 2**27

_Read = TypeVar("_Read")


class MixedSizesError(UnreadableDataError):
    """The pictures of a folder differ in size, and no size is set."""

    def __init__(self, folder: Path, sizes: Sequence[Size]) -> None:
        received = ", ".join(f"{height}x{width}" for height, width in sizes[:3])
        super().__init__(
            folder,
            f"its pictures have {len(sizes)} different sizes ({received}, …), expected one",
            remedy="Set `data.resize = [28, 28]` (height, width) in the study definition, and `data.resize_how` to "
            f"stretch, crop or pad; or try `tuner dataset show {folder} --resize 28x28`.",
        )


def read_pictures(
    folder: Path, paths: Sequence[Path], reading: ReadingSettings, *, channels: int | None = None
) -> tuple[PictureLayout, StoredImages]:
    """Return all pictures in one size, and what their headers say.

    Args:
        folder: Errors name it, and files by their paths in it.
        paths: The pictures' files.
        reading: How they are read.
        channels: 1 or 3; None for what the pictures have.

    Raises:
        UnreadableDataError: A file is no picture, or all of them would not fit into memory.
        MixedSizesError: They differ in size, and no size is set.
    """

    def decode(into: Path | None) -> tuple[PictureLayout, StoredImages]:
        layout = read_layout(folder, paths, reading.resize)
        return layout, _decode(folder, paths, reading, layout=layout, channels=channels or layout.channels, into=into)

    key = None if reading.decoded.folder is None else key_of(paths, reading, channels)
    if reading.decoded.folder is None or key is None:
        layout, images = decode(None)
    else:
        layout, images = PictureCache(reading.decoded.folder).load(key, decode)
    return layout, replace(images, places=[str(path.relative_to(folder)) for path in paths])


def find_layout(folder: Path, paths: Sequence[Path], reading: ReadingSettings) -> PictureLayout:
    """Return what `read_pictures` found in the headers, or read them where it keeps nothing.

    Raises:
        UnreadableDataError: A file is no picture.
        MixedSizesError: They differ in size, and no size is set.
    """
    key = None if reading.decoded.folder is None else key_of(paths, reading, None)
    if reading.decoded.folder is not None and key is not None:
        found = PictureCache(reading.decoded.folder).find(key)
        if found is not None:
            return found[0]
    return read_layout(folder, paths, reading.resize)


def read_layout(folder: Path, paths: Sequence[Path], resize: Size | None) -> PictureLayout:
    """Read the headers of pictures.

    Raises:
        UnreadableDataError: One is no picture, or they differ in size and no size is given.
    """
    headers: list[PictureHeader] = []
    broken: list[str] = []
    with _threads(len(paths)) as apply:
        for path, header in zip(paths, apply(_answer_of(picture_header), paths), strict=True):
            if isinstance(header, UnreadableDataError):
                broken.append(f"{path.relative_to(folder)} {header.problems[0]}")
            else:
                headers.append(header)
    if broken:
        raise _broken_pictures(folder, broken)
    sizes = {header.layout[:2] for header in headers}
    if not resize and len(sizes) > 1:
        raise MixedSizesError(folder, sorted(sizes))
    return PictureLayout(
        size=resize or sizes.pop(),
        n_pictures=len(headers),
        n_in_colour=sum(header.channels > 1 for header in headers),
        n_other_profiles=sum(header.has_other_profile for header in headers),
        most_pixels=max(header.height * header.width for header in headers),
    )


def _decode(
    folder: Path,
    paths: Sequence[Path],
    reading: ReadingSettings,
    *,
    layout: PictureLayout,
    channels: int,
    into: Path | None,
) -> StoredImages:
    stack = PictureStack(len(paths), size=layout.size, channels=channels, where=folder, folder=into)

    def read(path: Path) -> ScaledPicture:
        return scale_stored(decode_picture(path, channels=channels), layout.size, reading.resize_how)

    broken: list[str] = []
    missing = stack.missing
    n_bytes = layout.size[0] * layout.size[1] * channels
    step = min(_N_AT_ONCE, max(1, _BYTES_AT_ONCE // n_bytes))
    with _threads(len(missing), n_pixels=layout.most_pixels) as apply:
        for start in range(0, len(missing), step):
            indices = missing[start : start + step]
            answers = apply(_answer_of(read), [paths[index] for index in indices])
            for index, answer in zip(indices.tolist(), answers, strict=True):
                if isinstance(answer, UnreadableDataError):
                    broken.append(f"{paths[index].relative_to(folder)} {answer.problems[0]}")
                else:
                    stack.put(index, answer)
            stack.mark_done(indices)
            reading.decoded.on_progress(len(paths) - len(missing) + start + len(indices), len(paths))
    if broken:
        raise _broken_pictures(folder, broken)
    return stack.to_images()


class _Apply(Protocol):
    """Calls a function with each item, and yields what it returns in the items' order."""

    def __call__(self, function: Callable[[Path], _Read], items: Sequence[Path], /) -> Iterable[_Read]: ...


@contextmanager
def _threads(n_items: int, *, n_pixels: int = 1) -> Iterator[_Apply]:
    """Yield a `map` by as many threads as there are cores and memory for pictures of this size."""
    n_threads = min(_count_cores(), max(1, _PIXELS_AT_ONCE // n_pixels))
    with without_warnings():
        if n_items < _FEWEST_FOR_THREADS or n_threads == 1:
            yield map
            return
        with ThreadPoolExecutor(n_threads) as pool:
            yield pool.map


def _count_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _broken_pictures(folder: Path, broken: Sequence[str]) -> UnreadableDataError:
    is_refused = all(problem.endswith(os.strerror(errno.EACCES)) for problem in broken)
    remedy = "Check who may read them." if is_refused else "Remove these files, or save them anew as PNG or JPEG."
    return UnreadableDataError(folder, *broken, remedy=remedy)


def _answer_of(read: Callable[[Path], _Read]) -> Callable[[Path], _Read | UnreadableDataError]:
    """Return a function that returns what `read` raises of pictures that cannot be read."""

    def answer(path: Path) -> _Read | UnreadableDataError:
        try:
            return read(path)
        except UnreadableDataError as error:
            return error

    return answer
