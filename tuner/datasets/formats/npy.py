"""Headers of NumPy's array files, checked as they are read."""

import tokenize
from math import prod
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

#: What NumPy raises when it parses a header, which it evaluates as a Python literal.
_HEADER_ERRORS = (SyntaxError, TypeError, RecursionError, MemoryError, OverflowError, tokenize.TokenError, KeyError)


def read_npy_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read the header of an `.npy` file, and leave the file at the first byte of the data.

    Returns:
        The shape, whether the first axis is contiguous (Fortran's order), and the type.

    Raises:
        ValueError: It is no such header, or declares a shape that no array can have.
    """
    try:
        version = npy.read_magic(file)
        read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, is_fortran, dtype = read_header(file)
    except _HEADER_ERRORS as error:
        raise ValueError(f"its header cannot be read ({error})") from error
    if any(length < 0 for length in shape):
        raise ValueError(f"its header declares the shape {shape}")
    return shape, is_fortran, dtype


def declared_bytes(shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    """Return the size of an array of this shape and type."""
    return prod(shape) * dtype.itemsize
