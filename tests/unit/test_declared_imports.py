"""What `tuner` imports against what `pyproject.toml` declares."""

import ast
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tuner.extras import EXTRAS

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def names_of(requirements: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(text).name) for text in requirements}


BASE = names_of(PROJECT["dependencies"])
EXTRA_PACKAGES = {extra: names_of(texts) for extra, texts in PROJECT["optional-dependencies"].items()}


def imported_packages() -> dict[str, str]:
    """Return each package that is imported anywhere, without Python's own and ours, and a file that does it."""
    found: dict[str, str] = {}
    for path in sorted((ROOT / "tuner").rglob("*.py")):
        for module in _imports(ast.parse(path.read_text(encoding="utf-8"))):
            found.setdefault(module.partition(".")[0], str(path.relative_to(ROOT)))
    # `_typeshed` is there for type checkers alone.
    ours = sys.stdlib_module_names | {"tuner", "_typeshed"}
    return {name: file for name, file in found.items() if name not in ours}


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


DISTRIBUTIONS = packages_distributions()


@pytest.mark.parametrize(("package", "file"), imported_packages().items())
def test_an_imported_package_is_declared(package: str, file: str) -> None:
    distributions = {canonicalize_name(name) for name in DISTRIBUTIONS.get(package, [package])}
    extras = {extra for extra, names in EXTRA_PACKAGES.items() if names & distributions}

    if distributions & BASE:
        assert package not in EXTRAS
    else:
        assert extras, f"{file} imports {package}, which neither the dependencies nor an extra declare"
        assert EXTRAS[package] in extras


def test_the_packages_own_description_leads_nowhere_that_an_installed_package_lacks() -> None:
    text = (ROOT / PROJECT["readme"]).read_text(encoding="utf-8")

    assert "](" not in text
    assert all(f"`{extra}`" in text for extra in PROJECT["optional-dependencies"])
    assert f"tuner-{PROJECT['version']}-py3-none-any.whl" in text


def test_every_extra_that_is_named_to_people_exists() -> None:
    for package, extra in EXTRAS.items():
        distributions = {canonicalize_name(name) for name in DISTRIBUTIONS.get(package, [package])}
        assert distributions & EXTRA_PACKAGES[extra], package
