"""The real MNIST: all of it where a person has it, and a small extract everywhere."""

from pathlib import Path

#: 2,000 training and 500 test images, in MNIST's four files.
MNIST_EXTRACT = Path(__file__).parents[1] / "data" / "mnist"


def is_whole_mnist(folder: Path) -> bool:
    """Whether the folder has MNIST's four files."""
    return all((folder / extract.name).exists() for extract in MNIST_EXTRACT.glob("*.gz"))
