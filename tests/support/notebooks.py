"""Run the notebooks of `examples/`, for tests; `python -m support.notebooks` runs all and stores what they show.

A notebook runs in a folder of its own with the pictures that it reads, so that no path of this machine is stored.
"""

import os
import re
import shutil
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
#: What TensorFlow writes when it is imported, whatever it is asked.
_NOISE = re.compile(
    r"^(WARNING: All log messages before absl|[IWE]0000 |To enable the following instructions).*\n?", re.MULTILINE
)


def run_notebook(name: str, folder: Path) -> nbformat.NotebookNode:
    """Run a notebook of `examples/` in `folder/examples` and return it with its outputs.

    Raises:
        CellExecutionError: A cell has failed.
    """
    shutil.copytree(ROOT / "tests" / "data" / "mnist", folder / "tests" / "data" / "mnist", dirs_exist_ok=True)
    place = folder / "examples"
    place.mkdir(exist_ok=True)
    notebook = nbformat.read(EXAMPLES / f"{name}.ipynb", as_version=4)
    client = NotebookClient(notebook, timeout=280, kernel_name="python3", resources={"metadata": {"path": str(place)}})
    client.execute()
    return notebook


def main() -> None:
    """Run all notebooks and store them with their outputs."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    folder = Path("/tmp/tuner-examples")  # noqa: S108 - the same in each stored path
    for path in sorted(EXAMPLES.glob("*.ipynb")):
        if sys.argv[1:] and path.stem not in sys.argv[1:]:
            continue
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        notebook = run_notebook(path.stem, folder)
        for cell in notebook.cells:
            # When a cell ran is no part of the example.
            cell.metadata.pop("execution", None)
            if "outputs" in cell:
                cell.outputs = _clean(cell.outputs)
        nbformat.write(notebook, path)


def _clean(outputs: list[nbformat.NotebookNode]) -> list[nbformat.NotebookNode]:
    kept = []
    for output in outputs:
        if output.output_type == "stream":
            output.text = _NOISE.sub("", output.text)
            if not output.text.strip():
                continue
            if kept and kept[-1].output_type == "stream" and kept[-1].name == output.name:
                kept[-1].text += output.text
                continue
        kept.append(output)
    return kept


if __name__ == "__main__":
    main()
