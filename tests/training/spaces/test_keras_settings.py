import importlib
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path

import keras
import pytest

from tuner.datasets.images import ImageFormat
from tuner.spaces.registry import fixed_hyperparameters, open_space
from tuner.training.session import release_memory

DIGITS = ImageFormat(height=8, width=8, channels=1, class_names=tuple("0123456789"))
MIXED, PLAIN, FAMILY = "own_builders.mixed:build", "own_builders.nets:build", "mlp"


pytestmark = pytest.mark.usefixtures("beside_own_builders")


@pytest.fixture(autouse=True)
def _as_in_a_fresh_process() -> Iterator[None]:
    # A family first, whose settings are those of before any import.
    open_space(FAMILY)
    sys.modules.pop("own_builders.mixed", None)
    yield
    open_space(FAMILY).build(fixed_hyperparameters({}), DIGITS)


def built_with(space: str) -> tuple[set[str], float]:
    """Build as a trial does, and return the precision of the dense layers that say none, and Keras' epsilon."""
    model = open_space(space).build(fixed_hyperparameters({}), DIGITS)
    policies = {layer.dtype_policy.name for layer in model.layers[:-1] if isinstance(layer, keras.layers.Dense)}
    epsilon = keras.config.epsilon()
    release_memory()
    return policies, epsilon


def test_what_a_builders_module_sets_holds_for_every_trial_of_a_process() -> None:
    assert [built_with(MIXED) for _ in range(3)] == [({"mixed_bfloat16"}, 1e-5)] * 3


def test_it_holds_for_no_other_space_and_again_afterwards() -> None:
    spaces = (MIXED, FAMILY, PLAIN, MIXED, FAMILY)

    built = [built_with(space) for space in spaces]

    assert built == [
        ({"mixed_bfloat16"} if space == MIXED else {"float32"}, 1e-5 if space == MIXED else 1e-7) for space in spaces
    ]


def test_what_a_model_or_a_trial_sets_is_gone_before_the_next_one() -> None:
    space = open_space(PLAIN)
    keras.config.set_dtype_policy("mixed_float16")
    keras.config.set_image_data_format("channels_first")

    model = space.build(fixed_hyperparameters({}), DIGITS)

    assert model.dtype_policy.name == "float32"
    assert keras.config.image_data_format() == "channels_last"


BUILDER = """
import keras
def net(hp):
    model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(4)])
    model.add(keras.layers.Dense(10, activation="softmax", dtype="float32"))
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model
"""
MIXES = "import keras\nkeras.config.set_dtype_policy('mixed_bfloat16')\nwide = 1\n"
MIXED_ONES, PLAIN_ONES = {"mixed_bfloat16"}, {"float32"}


def written(imports: str, *, within_build: str = "pass") -> str:
    return f"{imports}\nfrom plain_net import net\n\ndef build(hp):\n    {within_build}\n    return net(hp)\n"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param(
            {"k1_mix.py": MIXES, "k1_a.py": written("import k1_mix"), "k1_b.py": written("from k1_mix import wide")},
            {"k1_a": MIXED_ONES, "k1_b": MIXED_ONES},
            id="a helper",
        ),
        pytest.param(
            {
                "k2_mix.py": MIXES,
                "k2_blocks.py": "import k2_mix\n",
                "k2_a.py": written("import k2_mix, k2_blocks"),
                "k2_b.py": written("import k2_blocks"),
                "k2_c.py": written("import json"),
            },
            {"k2_a": MIXED_ONES, "k2_b": MIXED_ONES, "k2_c": PLAIN_ONES},
            id="a helper's helper that had run before it",
        ),
        pytest.param(
            {
                "k3/__init__.py": MIXES,
                "k3/shared.py": "from . import deep\n",
                "k3/deep.py": "",
                "k3/a.py": written("from .shared import deep"),
                "k3/b.py": written("from . import shared"),
            },
            {"k3.a": MIXED_ONES, "k3.b": MIXED_ONES},
            id="their package",
        ),
        pytest.param(
            {
                "k4_mix.py": MIXES,
                "k4_a.py": written("import k4_mix"),
                "k4_b.py": written("import keras, k4_mix\nkeras.config.set_dtype_policy('float32')"),
                "k4_c.py": written("import keras\nkeras.config.set_dtype_policy('float32')\nimport k4_mix"),
            },
            {"k4_a": MIXED_ONES, "k4_b": PLAIN_ONES, "k4_c": MIXED_ONES},
            id="the last one to set it wins",
        ),
        pytest.param(
            {
                "k5_a.py": f"{MIXES}{written('')}",
                "k5_b.py": "from k5_a import build\n",
                "k5_c.py": "from k5_b import *\n",
            },
            {"k5_b": MIXED_ONES, "k5_a": MIXED_ONES, "k5_c": MIXED_ONES},
            id="another builder",
        ),
        pytest.param(
            {
                "k6_mix.py": MIXES,
                "k6_a.py": written("", within_build="import k6_mix"),
                "k6_b.py": written("import k6_mix"),
            },
            {"k6_a": MIXED_ONES, "k6_b": MIXED_ONES},
            id="within build",
        ),
        pytest.param(
            {
                "k7_mix.py": MIXES,
                "k7_a.py": written(
                    "import keras, k7_mix\nkeras.config.set_dtype_policy('float32')", within_build="import k7_mix"
                ),
            },
            {"k7_a": PLAIN_ONES},
            id="within build, where it has run before",
        ),
        pytest.param(
            {
                "k8_hen.py": f"import k8_egg\n{MIXES}",
                "k8_egg.py": "import k8_hen\n",
                "k8_a.py": written("import k8_hen"),
                "k8_b.py": written("import k8_egg"),
            },
            {"k8_a": MIXED_ONES, "k8_b": MIXED_ONES},
            id="modules that import each other",
        ),
        pytest.param(
            {
                "k9_mix.py": f"{MIXES}raise ImportError",
                "k9_a.py": written("try:\n    import k9_mix\nexcept ImportError:\n    pass"),
                "k9_b.py": written("try:\n    import k9_mix\nexcept ImportError:\n    pass"),
            },
            {"k9_a": MIXED_ONES, "k9_b": MIXED_ONES},
            id="one that fails",
        ),
    ],
)
def test_what_an_imported_module_sets_holds_for_every_builder_that_imports_it(
    files: Mapping[str, str], expected: Mapping[str, set[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    for path, text in {"plain_net.py": textwrap.dedent(BUILDER), **files}.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    importlib.invalidate_caches()

    built = {name: [built_with(f"{name}:build")[0] for _ in range(2)] for name in expected}
    sys.modules.pop("plain_net")

    assert built == {name: [policy] * 2 for name, policy in expected.items()}
