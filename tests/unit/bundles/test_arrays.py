import io
import zipfile

import numpy as np
import pytest

from tuner.bundles.arrays import ArraysUnreadableError, pack_arrays, unpack_arrays


@pytest.mark.parametrize(
    "array",
    [np.arange(6.0).reshape(2, 3), np.array(3, np.int64), np.zeros((0, 4), np.uint8)],
    ids=["matrix", "number", "empty"],
)
def test_arrays_come_back_bit_for_bit(array: np.ndarray) -> None:
    arrays = unpack_arrays(pack_arrays({"0": array, "other": np.ones(2)}), ["0", "other"])

    np.testing.assert_array_equal(arrays["0"], array, strict=True)


def test_equal_arrays_give_equal_bytes() -> None:
    assert pack_arrays({"a": np.arange(3)}) == pack_arrays({"a": np.arange(3)})


def test_python_objects_are_never_written() -> None:
    with pytest.raises(ValueError, match="allow_pickle"):
        pack_arrays({"a": np.array([{}], dtype=object)})


def test_python_objects_are_never_read() -> None:
    buffer = io.BytesIO()
    np.savez(buffer, a=np.array([{}], dtype=object))

    with pytest.raises(ArraysUnreadableError, match="Python objects"):
        unpack_arrays(buffer.getvalue(), ["a"])


def test_compressed_arrays_are_refused_before_they_are_unpacked() -> None:
    bomb = io.BytesIO()
    np.savez_compressed(bomb, a=np.zeros(50_000_000, np.uint8))
    assert len(bomb.getvalue()) < 100_000

    with pytest.raises(ArraysUnreadableError, match="compressed arrays"):
        unpack_arrays(bomb.getvalue(), ["a"])


def test_a_header_that_promises_more_than_the_file_holds_is_refused() -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (10**12,)})
    forged = io.BytesIO()
    with zipfile.ZipFile(forged, "w") as archive:
        archive.writestr("a.npy", header.getvalue())

    with pytest.raises(ArraysUnreadableError):
        unpack_arrays(forged.getvalue(), ["a"])


@pytest.mark.parametrize("names", [["a"], ["a", "b", "c"], ["a", "c"]])
def test_other_arrays_than_expected_are_refused(names: list[str]) -> None:
    content = pack_arrays({"a": np.ones(1), "b": np.ones(1)})

    with pytest.raises(ArraysUnreadableError, match="received 2 arrays"):
        unpack_arrays(content, names)
