"""NumPy archives, checked before anything is decoded: names, declared sizes, compression ratio, no pickles."""

import lzma
import struct
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from tuner.datasets import large_arrays
from tuner.datasets.formats.arrays import store_array
from tuner.datasets.formats.labels import clean_labels
from tuner.datasets.formats.npy import declared_bytes, read_npy_header
from tuner.datasets.left_out import VALIDATION_NAMES, VALIDATION_PARTS, LeftOut
from tuner.datasets.reading import (
    FileFormat,
    RawExamples,
    Reader,
    ReadingSettings,
    UnreadableDataError,
    join_groups,
    name_groups,
    refuse_lfs_pointer,
)

#: A 522 kB archive can expand to 512 MiB. Large arrays that were compressed by more than this are no pictures; MNIST is
#: compressed to a fifth.
_LARGEST_RATIO = 100
#: Sorted labels are compressed to a thousandth: arrays up to this size may be.
_SMALL_BYTES = 2**24
#: Of a member's local header: signature, and the lengths of the name and of the extra field that follow it.
#: Source: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, 4.3.7
_LOCAL_HEADER = struct.Struct("<4s22xHH")
_ENCRYPTED = 1
#: Common names of the arrays instead of `x_train` and `y_train`.
_KINDS = {"x": "images", "y": "labels"}
_REMEDY = "Write the file with `numpy.savez_compressed(path, x_train=images, y_train=labels)`."


@dataclass(frozen=True, kw_only=True)
class NpzReader:
    """One archive with `x_train`, `y_train` and perhaps `x_val`, `y_val` and `x_test`, `y_test`."""

    path: Path
    #: What the arrays of groups are called before `_train`, `_val` and `_test`; None: there are no groups.
    group: str | None = None

    @property
    def has_test_set(self) -> bool:
        """Whether both arrays of a test part are there.

        Raises:
            UnreadableDataError: Only one of them is there, one is spelt in capitals, or the file is no archive.
        """
        return self._has_part("test", otherwise="then a fifth of every class is held out as test set")

    def _has_part(self, part: str, *, otherwise: str) -> bool:
        names = self._list_names()
        wanted = {f"x_{part}", f"y_{part}"}
        found = wanted & names
        if misspelt := sorted(name for name in names - found if name.lower() in wanted):
            raise UnreadableDataError(
                self.path,
                f"holds {', '.join(misspelt)}, expected {' and '.join(sorted(wanted))}",
                remedy="Names are read as they are spelt: rename the arrays, or leave them out.",
            )
        if len(found) == 1:
            (there,) = found
            (missing,) = wanted - found
            raise UnreadableDataError(
                self.path,
                f"holds {there} and no {missing}, expected both or neither",
                remedy=f"Add {missing}, or leave {there} out: {otherwise}.",
            )
        return bool(found)

    @property
    def _validation(self) -> str | None:
        """The name of the validation part, or None where there is none."""
        otherwise = "then data.validation_fraction of the training part is held out"
        found = [part for part in VALIDATION_PARTS if self._has_part(part, otherwise=otherwise)]
        if len(found) > 1:
            raise UnreadableDataError(
                self.path,
                f"holds several validation sets, x_{' and x_'.join(found)}, expected one",
                remedy="Leave out all but one.",
            )
        return found[0] if found else None

    @property
    def left_out(self) -> LeftOut:
        parts = ("train", "test", *VALIDATION_PARTS)
        read = {f"{letter}_{part}" for part in parts for letter in (*"xy", *filter(None, [self.group]))}
        others = sorted(self._list_names() - read - {self.group})
        return LeftOut(
            unit="arrays",
            counts=dict.fromkeys(others, 1),
            kinds_are_names=True,
            has_validation_part=any(name.lower().removeprefix("x_") in VALIDATION_NAMES for name in others),
        )

    def read_train(self) -> RawExamples:
        train = self._read("train")
        part = self._validation
        return train if part is None else self._append(train, self._read(part), part)

    def read_test(self) -> RawExamples:
        return self._read("test")

    def _list_names(self) -> set[str]:
        with _open_archive(self.path) as archive:
            return {name.removesuffix(".npy") for name in archive.namelist()}

    def _read(self, part: str) -> RawExamples:
        images = read_npz_array(self.path, f"x_{part}")
        labels = read_npz_array(self.path, f"y_{part}")
        return RawExamples(
            images=store_array(images, where=f"{self.path} x_{part}"),
            labels=clean_labels(labels, where=f"{self.path} y_{part}"),
            groups=None if self.group is None else self._read_groups(part, n_images=len(images)),
        )

    def _append(self, train: RawExamples, validation: RawExamples, part: str) -> RawExamples:
        """Return the training part followed by the validation part."""
        shapes = [raw.images.values.shape[1:] for raw in (train, validation)]
        if shapes[0] != shapes[1]:
            problem = f"x_{part} has images of the shape {shapes[1]}, x_train of {shapes[0]}, expected one shape"
            raise UnreadableDataError(
                self.path, problem, remedy="Store both parts in one size and with equal channels."
            )
        for raw, name in ((train, "train"), (validation, part)):
            if len(raw.labels) != len(raw.images):
                problem = f"x_{name} has {len(raw.images):,} images and y_{name} {len(raw.labels):,} labels"
                raise UnreadableDataError(self.path, problem, remedy="Give one label for each image.")
        kinds = {raw.labels.dtype.kind for raw in (train, validation)}
        if len(kinds) > 1:
            problem = f"y_train holds {train.labels.dtype}, y_{part} {validation.labels.dtype}, expected labels alike"
            raise UnreadableDataError(self.path, problem, remedy="Store both as integers, or both as class names.")
        where = f"{self.path} x_train and x_{part}"
        values = large_arrays.join_arrays(train.images.values, validation.images.values, where=where)
        return RawExamples(
            images=store_array(values, where=where),
            labels=np.concatenate([train.labels, validation.labels]),
            groups=join_groups(train.groups, validation.groups, n_validation=len(validation.labels)),
            n_validation=len(validation.labels),
        )

    def _read_groups(self, part: str, *, n_images: int) -> NDArray[np.str_] | None:
        """Return the group of each image of a part; None where another part than the training part has none."""
        wanted = [f"{self.group}_{part}", *([str(self.group)] if part == "train" else [])]
        held = self._list_names()
        name = next((name for name in wanted if name in held), None)
        if name is None and part != "train":
            return None
        if name is None:
            problem = f"holds no array {' or '.join(wanted)} of groups; it holds {', '.join(sorted(held)[:8])}"
            raise UnreadableDataError(self.path, problem, remedy="Correct data.group, or leave it out.")
        groups = read_npz_array(self.path, name)
        if groups.shape != (n_images,):
            problem = f"{name} has the shape {groups.shape}, expected ({n_images},): one group for each image"
            raise UnreadableDataError(self.path, problem, remedy="Correct the array, or leave data.group out.")
        return name_groups(groups, where=f"{self.path} {name}")


def _recognise(path: Path, reading: ReadingSettings) -> Reader | None:
    return NpzReader(path=path, group=reading.group) if path.suffix.lower() in NPZ.suffixes and path.is_file() else None


NPZ = FileFormat(
    name="an .npz file",
    descriptions=("an .npz file with x_train and y_train",),
    suffixes=(".npz",),
    recognise=_recognise,
)


def read_npz_array(path: Path, name: str) -> NDArray[Any]:
    """Return one array of an archive; nothing is unpickled.

    Raises:
        UnreadableDataError: The file is no archive, or the array is missing, there twice, damaged, too big or holds
            objects.
    """
    with _open_archive(path) as archive:
        members = [member for member in archive.infolist() if member.filename == f"{name}.npy"]
        if len(members) != 1:
            found = ", ".join(archive.namelist()[:8]) or "nothing"
            problem = f"holds {len(members)} arrays named {name!r}, expected one; it holds {found}"
            raise UnreadableDataError(path, problem, remedy=_how_to_rename(archive.namelist(), name) or _REMEDY)
        try:
            with archive.open(members[0]) as file:
                shape, is_fortran, dtype = _check_header(file, members[0], path)
                n_bytes = declared_bytes(shape, dtype)
                if n_bytes > large_arrays.LARGEST_IN_MEMORY:
                    _refuse_fortran_order(path, name, is_fortran=is_fortran)
                    return _read_large(file, members[0], shape, dtype, path=path)
            with archive.open(members[0]) as file:
                return np.asarray(npy.read_array(file, allow_pickle=False))
        except (ValueError, EOFError, OSError, RuntimeError, NotImplementedError, *_DAMAGE) as error:
            raise UnreadableDataError(path, f"{name} cannot be decoded ({error})", remedy=_REMEDY) from error


def _refuse_fortran_order(path: Path, name: str, *, is_fortran: bool) -> None:
    if is_fortran:
        problem = f"{name} is stored with its last axis first, so that no image lies in one piece"
        raise UnreadableDataError(path, problem, remedy=f"Store `numpy.ascontiguousarray({name})`.")


def _read_large(
    file: IO[bytes], member: zipfile.ZipInfo, shape: tuple[int, ...], dtype: np.dtype[Any], *, path: Path
) -> NDArray[Any]:
    """Return the array that an open member goes on with: the archive's own bytes where they are not compressed."""
    begin = file.tell()
    if member.compress_type == zipfile.ZIP_STORED and not member.flag_bits & _ENCRYPTED:
        return np.asarray(np.memmap(path, dtype, "r", offset=_find_content(path, member) + begin, shape=shape))
    array = large_arrays.empty_array(shape, dtype, where=f"{path} {member.filename}")
    if large_arrays.read_into(file, array) < array.nbytes or file.read(1):
        raise ValueError("its length is not the declared one")
    return array


def _find_content(path: Path, member: zipfile.ZipInfo) -> int:
    """Return where a member's bytes begin in the archive."""
    with path.open("rb") as file:
        file.seek(member.header_offset)
        header = file.read(_LOCAL_HEADER.size)
        signature, n_name, n_extra = _LOCAL_HEADER.unpack(header)
        if signature != b"PK\x03\x04":
            raise zipfile.BadZipFile("a member's header is missing")
        return member.header_offset + _LOCAL_HEADER.size + int(n_name) + int(n_extra)


def _how_to_rename(members: Sequence[str], name: str) -> str:
    """Return which array a person has most likely given another name, or empty text."""
    part = name.split("_")[1]
    meant = {f"{_KINDS[name[0]]}_{part}", f"{part}_{_KINDS[name[0]]}"}
    if part == "train":
        meant |= {name[0], _KINDS[name[0]]}
    others = [member.removesuffix(".npy") for member in members]
    likely = [other for other in others if other != name and {other.lower(), f"{other.lower()}s"} & (meant | {name})]
    return f"Rename {likely[0]} to {name}: names are read as they are spelt." if likely else ""


_DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError)


def _open_archive(path: Path) -> zipfile.ZipFile:
    try:
        refuse_lfs_pointer(path)
        return zipfile.ZipFile(path)
    except PermissionError as error:
        problem = error.strerror or str(error)
        raise UnreadableDataError(path, problem, remedy="Check the path and who may read it.") from error
    except (OSError, ValueError, NotImplementedError, *_DAMAGE) as error:
        raise UnreadableDataError(path, f"is no readable .npz archive ({error})", remedy=_REMEDY) from error


def _check_header(file: IO[bytes], member: zipfile.ZipInfo, path: Path) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return what `read_npy_header` does, after it was compared with what the archive says."""
    shape, is_fortran, dtype = read_npy_header(file)
    if dtype.hasobject:
        problem = f"{member.filename} holds Python objects (a pickle), expected numbers or text"
        remedy = "Labels become text by `labels.astype(str)`; images of one size one array by `numpy.stack(images)`."
        raise UnreadableDataError(path, problem, remedy=remedy)
    n_bytes = declared_bytes(shape, dtype)
    if file.tell() + n_bytes != member.file_size:
        problem = f"{member.filename} declares {n_bytes} bytes, the archive says {member.file_size - file.tell()}"
        raise UnreadableDataError(path, problem, remedy=_REMEDY)
    if n_bytes > max(_SMALL_BYTES, _LARGEST_RATIO * member.compress_size):
        problem = (
            f"{member.filename} expands {member.compress_size} bytes to {n_bytes}, more than {_LARGEST_RATIO} times"
        )
        raise UnreadableDataError(
            path,
            problem,
            remedy="If it is your own, as of nearly black pictures, save it by `numpy.savez`, which does not compress.",
        )
    return shape, is_fortran, dtype
