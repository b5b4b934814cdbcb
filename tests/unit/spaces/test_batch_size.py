import pytest

from tuner.spaces.space import BatchSizeError, read_batch_size


@pytest.mark.parametrize(
    ("values", "batch_size"),
    [
        ({}, 64),
        ({"batch_size": 16}, 16),
        ({"batch_size": 128.0}, 128),
        ({"batch_size": "32"}, 32),
        ({"batches": 9}, 64),
    ],
)
def test_a_space_that_asks_a_batch_size_decides_it(values: dict[str, object], batch_size: int) -> None:
    assert read_batch_size(values, default=64) == batch_size


@pytest.mark.parametrize("value", [0, -8, 48.5, "auto", "-1", True, None, float("nan"), float("inf")])
def test_a_batch_size_that_is_no_number_of_images_is_refused_by_name(value: object) -> None:
    with pytest.raises(BatchSizeError, match=r"^The space's hyperparameter batch_size is .*, expected a whole number"):
        read_batch_size({"batch_size": value}, default=64)
