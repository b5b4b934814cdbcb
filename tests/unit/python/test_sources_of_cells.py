import ast
import linecache
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tuner.python.builders import is_redefined, place_builder, read_texts, tell_cells
from tuner.python.source import SourceUnavailableError, Text, find_place, free_names, write_module
from tuner.spaces.handed_over import WRITTEN_BY, describe_place

Cells = Callable[..., str]


@pytest.fixture
def main() -> Iterator[ModuleType]:
    """A module in which cells run, as a notebook's do."""
    module = ModuleType("cells_of_a_test")
    sys.modules[module.__name__] = module
    yield module
    del sys.modules[module.__name__]


@pytest.fixture
def write(main: ModuleType) -> Cells:
    """Run cells and return the module that is written for a name."""

    def run_and_write(*cells: str, name: str = "build") -> str:
        texts = []
        for number, cell in enumerate(cells, start=1):
            file = f"<cell {number} {hash(cell)}>"
            linecache.cache[file] = (len(cell), None, cell.splitlines(keepends=True), file)
            exec(compile(cell, file, "exec"), vars(main))  # noqa: S102 - as a notebook does
            texts.append(Text(origin=f"In [{number}]", content=cell))
        return write_module(name, vars(main), texts)

    return run_and_write


def run(module: str) -> dict[str, Any]:
    namespace: dict[str, Any] = {"__name__": "written"}
    exec(compile(module, "written.py", "exec", dont_inherit=True), namespace)  # noqa: S102 - what workers import
    return namespace


def test_functions_constants_and_imports_of_other_cells_come_along(write: Cells) -> None:
    module = write(
        "import math as m\nfrom json import dumps as text, loads\nimport os.path\n"
        "SIZES = {'a': [1, 2.5], 'b': (True, None)}\n",
        "def half(x):\n    return m.floor(x / 2)\n",
        "unused = 5\ndef build(hp, n=SIZES['a'][0]):\n    return text([half(hp), n, os.path.sep, len(SIZES)])\n",
    )

    assert run(module)["build"](9) == '[4, 1, "/", 2]'
    assert "unused" not in module
    assert "loads" in module


def test_a_line_of_a_definition_is_told_as_the_line_of_the_last_cell_that_has_it() -> None:
    cells = (
        "import json\na = [1]\nb = json.JSONDecoder()\n",
        "def build(hp):\n    return (a, b)\n",
        "c = 3\n\n@staticmethod\ndef one(): pass\nif c:\n    @one\n    def build(hp):\n        return a\n",
        "def build(hp):\n    return (a, b)\n",
    )
    texts = [Text(origin=f"In [{number}]", content=cell) for number, cell in enumerate(cells, start=1)]

    assert find_place("def build(hp):\n    return (a, b)", 2, texts) == "In [4], line 2"
    assert find_place("@one\ndef build(hp):\n    return a", 3, texts) == "In [3], line 8"
    assert find_place("b = json.JSONDecoder()", 1, texts) == "In [1], line 3"
    assert find_place("a = 1", 1, texts) is None


def test_equal_definitions_give_equal_modules_whichever_cell_they_are_in(write: Cells) -> None:
    assert write("def build(hp): return 1\n") == write("x = 1\n", "\n\ndef build(hp): return 1\n")


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A script that defines a builder, and runs."""
    file = tmp_path / "train.py"
    file.write_text("x = 1\n\ndef build(hp):\n    return 1\n")
    module = ModuleType("__main__")
    module.__file__ = str(file)
    monkeypatch.setitem(sys.modules, "__main__", module)
    exec(compile(file.read_text(), str(file), "exec"), vars(module))  # noqa: S102 - as Python runs a script
    return file


def test_an_error_of_a_worker_is_told_with_the_line_of_the_script(script: Path, tmp_path: Path) -> None:
    space = place_builder(sys.modules["__main__"].build, home=tmp_path).space

    assert tell_cells("trial 2: function build, line 2, `return 1`: no (function other, line 1)", space) == (
        "trial 2: train.py, line 4, `return 1`: no (function other, line 1)"
    )
    assert tell_cells("function build, line 2", "cnn") == "function build, line 2"
    assert tell_cells("function build, line 2", f"{script}:build") == "function build, line 2"


@pytest.mark.usefixtures("script")
def test_a_builder_that_is_defined_otherwise_by_now_is_noticed(tmp_path: Path) -> None:
    main = sys.modules["__main__"]
    space = place_builder(main.build, home=tmp_path).space

    assert not is_redefined(space)
    assert not is_redefined("cnn")
    main.build = len
    assert is_redefined(space)
    del main.build
    assert not is_redefined(space)


def test_a_worker_names_the_function_its_line_and_what_stands_there(tmp_path: Path) -> None:
    file = tmp_path / "Net_12.py"
    net = "class Net:\n    def build(self, hp):\n        return 1 / 0\n"
    file.write_text(f'"""`Net` {WRITTEN_BY}"""\n\nimport x\n\n{net}')

    assert describe_place(str(file), 7) == "class Net, line 3, `return 1 / 0`"
    assert describe_place(str(file), 3) == "imports, line 1, `import x`"
    assert describe_place(__file__, 1) == "test_sources_of_cells.py, line 1"


def test_a_constant_has_the_value_of_now_and_a_function_the_source_of_its_last_run(write: Cells) -> None:
    module = write("n = 1\n", "def build(hp):\n    return n\n", "def build(hp):\n    return -n\n", "n = 7\n")

    assert run(module)["build"](None) == -7


def test_a_class_with_its_bases_decorators_and_defaults_is_whole(write: Cells) -> None:
    module = write(
        "import functools\nclass Base:\n    size = 3\nclass Empty(Base): pass\n",
        "def twice(f):\n    @functools.wraps(f)\n    def g(*a):\n        return 2 * f(*a)\n    return g\n",
        "class Net(Empty):\n    units = 4\n    def __init__(self, more=Base.size):\n        self.more = more\n"
        "    @twice\n    def build(self, hp):\n        return self.units + self.more + hp\n",
        name="Net",
    )

    assert run(module)["Net"]().build(1) == 16


def test_an_instance_is_made_by_the_statement_that_made_it(write: Cells) -> None:
    module = write(
        "class Net:\n    def __init__(self, n): self.n = n\n", "size = 3\nbuilder = Net(n=size)\n", name="builder"
    )

    assert run(module)["builder"].n == 3


def test_a_number_or_array_of_numpy_has_the_value_of_now(write: Cells) -> None:
    module = write(
        "import numpy as np\nweights = np.ones(3, 'float32')\nweights[1] = 0.1\nmean = weights.mean()\n",
        "def build(hp): return weights, mean\n",
    )

    weights, mean = run(module)["build"](None)
    assert (weights.dtype, weights.tolist()) == ("float32", [1.0, float(np.float32(0.1)), 1.0])
    assert (type(mean), mean) == (np.float32, weights.mean())


@pytest.mark.parametrize(
    "change", ["net.units = 5", "net.units[0] = 5", "del net.units", "net.fit(1)", "history = net.units.update({})"]
)
def test_what_was_changed_after_it_was_made_is_told(write: Cells, change: str) -> None:
    cells = ["class Net:\n    fit = print\n    def __init__(self): self.units = {}\n", "net = Net()\n"]

    with pytest.raises(SourceUnavailableError, match=re.escape(f"after `net = …` made it: `{change}` (In [3])")):
        write(*cells, change, name="net")

    assert "Net()" in write(*cells, "net.summary = 1\n", "net = Net()\nrows = [net.units]\n", name="net")


@pytest.mark.parametrize(
    "cell",
    [
        "def build(hp, n=N): return n\n",
        "def build(hp, *, n=N): return n\n",
        "class build:\n    n = N\n    def f(self): return self.n\n",
        "class build:\n    n: int = N\n    def f(self): return self.n\n",
        "class build:\n    def f(self, n=N): return n\n",
    ],
)
def test_a_default_that_was_made_of_another_value_is_told(write: Cells, cell: str) -> None:
    with pytest.raises(SourceUnavailableError, match="build was defined when N had another value than now"):
        write("N = 1\n", cell, "N = 2\n")

    assert "N = 1" in write("N = 1\n", cell)


def test_functions_that_call_each_other_are_written_once(write: Cells) -> None:
    module = write("def even(n): return n == 0 or odd(n - 1)\ndef odd(n): return n != 0 and even(n - 1)\n", name="even")

    assert run(module)["even"](10)
    assert len(re.findall("^def ", module, re.MULTILINE)) == 2


def test_postponed_annotations_stay_postponed(write: Cells) -> None:
    module = write(
        "from __future__ import annotations\ndef build(hp: 'Unknown | None') -> list[int]:\n    return [hp]\n"
    )

    assert run(module)["build"](1) == [1]
    assert ast.parse(module)


def test_a_cell_that_failed_or_is_no_python_is_passed_over(main: ModuleType, write: Cells) -> None:
    write("def build(hp): return 1\n")
    texts = [Text(origin="In [1]", content="def build(:"), Text(origin="In [2]", content="import json\n")]
    vars(main)["json"] = __import__("json")

    assert "import json" in write_module("json", vars(main), texts)


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        (["def build(hp): return FILTERS\n"], "build uses FILTERS, which has no value here. Define it first"),
        (["def build(hp): return get_ipython()\n"], "build uses get_ipython, which only notebooks have"),
        (["def build(hp): return display(1)\n"], "build uses display, which only notebooks have"),
        (
            ["(x, y), z = (object(), 2), 3\ndef build(hp): return x\n"],
            "build uses x, an object that no single statement `x = …` makes",
        ),
        (
            ["x = object()\nx = [x]\ndef build(hp): return x\n"],
            "build uses x, a list that no single statement `x = …` makes",
        ),
        (
            ["globals()['z'] = object()\ndef build(hp): return z\n"],
            "build uses z, an object of which it is not known how",
        ),
    ],
)
def test_what_cannot_be_handed_over_is_one_line(write: Cells, cells: list[str], told: str) -> None:
    with pytest.raises(SourceUnavailableError, match=re.escape(told)) as raised:
        write(*cells)

    assert "\n" not in str(raised.value)


def test_a_function_without_known_source_is_told(main: ModuleType) -> None:
    exec("def build(hp): return 1", vars(main))  # noqa: S102 - as Python's prompt does

    with pytest.raises(SourceUnavailableError, match="the source of build is not known here"):
        write_module("build", vars(main), [])


def test_names_of_all_scopes_are_found_and_local_ones_are_not() -> None:
    found = free_names(
        "@deco(A)\ndef f(x: T = B, *, y=C):\n"
        "    import os\n    def g():\n        global G\n        return [D(i) for i in x if i in E] + os\n"
        "    class K(Base):\n        attr = F\n        other = attr\n"
        "    return lambda z: z + H + y\n"
    )

    assert sorted(found) == ["A", "B", "Base", "C", "D", "E", "F", "G", "H", "T", "deco"]


def test_a_script_is_read_from_its_file(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("N = 1\n")

    assert read_texts({"__file__": str(script)}) == [Text(origin="script.py", content="N = 1\n")]
    assert read_texts({}) == []
