import pytest

from tuner.datasets.pixels.stored_range import FoundValues, UnclearRangeError, find_range, parse_range
from tuner.datasets.reading import UnreadableDataError


def found(highest: float, *, lowest: float = 0.0, kind: str = "integer", bits: int | None = 8) -> FoundValues:
    return FoundValues(lowest=lowest, highest=highest, kind=kind, bits=bits)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param(found(255), (0, 255), id="bytes"),
        pytest.param(found(180), (0, 255), id="dark bytes"),
        pytest.param(found(255, bits=None), (0, 255), id="bytes in a wider type"),
        pytest.param(found(255.0, kind="float", bits=None), (0, 255), id="bytes as floats"),
        pytest.param(found(65535, bits=16), (0, 65535), id="16 bits"),
        pytest.param(found(40000, bits=16), (0, 65535), id="dark 16 bits"),
        pytest.param(found(65535, bits=None), (0, 65535), id="16 bits in a wider type"),
        pytest.param(found(1, kind="bool", bits=None), (0, 1), id="booleans"),
        pytest.param(found(1.0, kind="float", bits=None), (0, 1), id="floats"),
        pytest.param(found(1.0000001, lowest=-1e-7, kind="float", bits=None), (0, 1), id="floats a hair outside"),
        pytest.param(found(0.9, kind="float", bits=None), (0, 1), id="dark floats"),
    ],
)
def test_ordinary_values_are_taken_without_a_word(values: FoundValues, expected: tuple[float, float]) -> None:
    assert find_range(values, where="data") == (expected, None)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        *(pytest.param(found(high), (0, high), id=f"to {high}") for high in (1, 3, 7, 15, 16, 31, 63, 64, 100, 127)),
        pytest.param(found(16.0, kind="float", bits=None), (0, 16), id="floats to 16"),
        pytest.param(found(1, bits=None), (0, 1), id="int64 to 1"),
        pytest.param(found(255, bits=16), (0, 255), id="8 bits in 16"),
        pytest.param(found(1023, bits=16), (0, 1023), id="10 bits in 16"),
        pytest.param(found(3800, bits=16), (0, 4095), id="nearly 12 bits in 16"),
        pytest.param(found(16383, bits=16), (0, 16383), id="14 bits in 16"),
        pytest.param(found(65000, bits=None), (0, 65535), id="nearly 16 bits in a wider type"),
        pytest.param(found(40000, bits=None), (0, 65535), id="dark 16 bits in a wider type"),
        pytest.param(found(1 / 255, kind="float", bits=None), (0, 1 / 255), id="divided by 255 twice"),
    ],
)
def test_a_narrow_range_that_the_largest_value_shows_is_taken_and_said(
    values: FoundValues, expected: tuple[float, float]
) -> None:
    pixel_range, warning = find_range(values, where="data")

    assert pixel_range == pytest.approx(expected)
    assert f"{expected[1]:.9g} as white. This is a guess" in str(warning)
    assert "`data.range = [0, " in str(warning)
    assert f"`data.range = [0, {expected[1]:.9g}]`" not in str(warning)


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(found(1.01, kind="float", bits=None), id="floats above 1"),
        pytest.param(found(1.99, kind="float", bits=None), id="floats below 2"),
        pytest.param(found(0.3, kind="float", bits=None), id="floats far below 1"),
        pytest.param(found(0.5, kind="float", bits=None), id="floats to a half"),
        pytest.param(found(2), id="three values"),
        pytest.param(found(90), id="90 of 255"),
        pytest.param(found(300, bits=16), id="300 of 65535"),
        pytest.param(found(20000, bits=16), id="15 bits of 16"),
        pytest.param(found(2**32 - 1, bits=None), id="32 bits"),
    ],
)
def test_values_that_show_no_range_are_an_error_that_names_the_setting(values: FoundValues) -> None:
    with pytest.raises(UnclearRangeError, match=r"data: the pixel values go from 0 to .* `data\.range = \[0, "):
        find_range(values, where="data")


@pytest.mark.parametrize(
    ("lowest", "highest", "kind", "suggestion"),
    [
        (-1.0, 1.0, "float", "[-1, 1]"),
        (-0.5, 0.5, "float", "[-0.5, 0.5]"),
        (-0.42, 2.8, "float", "[-3, 3]"),
        (-128, 127, "integer", "[-128, 127]"),
        (-0.5, 254.5, "float", "[0, 255]"),
        (-0.06, 1.08, "float", "[0, 1]"),
        (-12.0, 270.0, "float", "[0, 255]"),
        (-9, 262, "integer", "[0, 255]"),
        (-1.09, 1.46, "float", "[-2, 2]"),
        (-1024, 3071, "integer", "[-1024, 3071]"),
    ],
)
def test_negative_values_are_an_error_that_says_how_to_mean_them(
    lowest: float, highest: float, kind: str, suggestion: str
) -> None:
    with pytest.raises(UnreadableDataError) as caught:
        find_range(found(highest, lowest=lowest, kind=kind, bits=None), where="data")

    assert f"pixel values go from {lowest:.9g} to {highest:.9g}, expected none below 0" in str(caught.value)
    assert f"`data.range = {suggestion}`" in str(caught.value)


@pytest.mark.parametrize(
    ("lowest", "highest", "remedy"),
    [
        (-128, 127, "if values above 127 became negative in a cast to int8, store `images.view(numpy.uint8)`"),
        (-32768, 32767, "if values above 32,767 became negative in a cast to int16, store `images.view(numpy.uint16)`"),
        (-1024, 3071, "undo the standardisation"),
    ],
)
def test_bytes_that_wrapped_around_in_a_signed_type_are_the_other_possibility(
    lowest: int, highest: int, remedy: str
) -> None:
    with pytest.raises(UnreadableDataError) as caught:
        find_range(found(highest, lowest=lowest, kind="integer", bits=None), where="data")

    assert remedy in str(caught.value)


def test_one_value_everywhere_is_no_picture() -> None:
    with pytest.raises(UnreadableDataError, match="every pixel of every image is 7, expected pictures"):
        find_range(found(7, lowest=7), where="data")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("auto", "auto"),
        ("0-255", (0, 255)),
        ("0,1", (0, 1)),
        ("-1,1", (-1, 1)),
        ("-1..1", (-1, 1)),
        ("[-160, 240]", (-160, 240)),
        ([0, 4095], (0, 4095)),
        ((0.5, 1.5), (0.5, 1.5)),
    ],
)
def test_a_range_is_given_as_two_numbers_or_in_text(text: object, expected: object) -> None:
    assert parse_range(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "255",
        "a-b",
        "1-0",
        [0],
        [0, 1, 2],
        [True, 2],
        [0, float("nan")],
        [0, 10**400],
        "9" * 5000,
        "0-1e999",
        None,
        3,
    ],
)
def test_what_is_no_range_is_told(text: object) -> None:
    with pytest.raises(ValueError, match=r"the lower first, such as \[0, 255\], or auto"):
        parse_range(text)


def test_what_is_beyond_a_range_after_an_interpolation_is_said_to_be_clipped() -> None:
    with pytest.raises(UnreadableDataError, match="which clips what an interpolation has put beyond it") as caught:
        find_range(found(1.08, lowest=-0.06, kind="float", bits=None), where="data")

    assert "standardisation" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "suggestion"),
    [
        (found(2.55, kind="float", bits=None), "`data.range = [0, 3]`;"),
        (found(1.8e19, bits=None), "`data.range = [0, 1.8e+19]`;"),
        (found(90), "`data.range = [0, 255]` or `[0, 90]`;"),
        (found(300, bits=16), "`data.range = [0, 65535]` or `[0, 300]`;"),
    ],
)
def test_no_range_is_suggested_that_would_make_pictures_black(values: FoundValues, suggestion: str) -> None:
    with pytest.raises(UnclearRangeError) as caught:
        find_range(values, where="data")

    assert suggestion in str(caught.value)


def test_a_guess_is_not_followed_by_itself() -> None:
    _, warning = find_range(found(65000, bits=None), where="data")

    assert str(warning).endswith("`data.range = [0, 65000]`.")
