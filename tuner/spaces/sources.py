"""The source files of a person's own builder, read and never run.

They are the file of its module and those of the modules that it imports, directly or through another module, from the
folder that it came from or from the current one. What is installed (Python's own modules, packages in `site-packages`)
is not among them: versions tell that. Imports are found in the text, so that a module imported by a computed name is
not found.
"""

import ast
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from weakref import WeakKeyDictionary

from tuner.errors import TunerError
from tuner.spaces.own_code import is_installed

_log = logging.getLogger(__name__)

#: All files of a builder together: more is neither hashed nor kept.
MAX_TOTAL_BYTES = 4 * 1024**2

#: As they were when first asked for, which is right after the import: what runs in this process.
_read: "WeakKeyDictionary[ModuleType, Mapping[str, bytes]]" = WeakKeyDictionary()


class SourceUnreadableError(TunerError):
    """A source file of a builder is there and cannot be read."""

    def __init__(self, module: str, file: Path, error: OSError) -> None:
        super().__init__(
            f"Cannot read {file}, which belongs to the source of the builder {module}: {error.strerror or error}. Its "
            "hash is stored with each study: make the file readable."
        )


def read_sources(module: ModuleType) -> Mapping[str, bytes]:
    """Return path below the import folder → content of each file, sorted by path; empty without a file to read.

    A second call for a module returns what the first one did: the code that this process runs. Logs a warning if the
    files exceed `MAX_TOTAL_BYTES` together; those found first are returned.

    Raises:
        SourceUnreadableError: A file cannot be read.
    """
    if module not in _read:
        _read[module] = dict(sorted(_find(module).items()))
    return _read[module]


def _find(module: ModuleType) -> dict[str, bytes]:
    file = getattr(module, "__file__", None)
    # A notebook's or a prompt's module has no file.
    if file is None or not _is_file(Path(file)) or is_installed(Path(file)):
        return {}
    root = _import_folder(module.__name__, Path(file))
    roots = tuple(dict.fromkeys((root, Path.cwd())))
    found: dict[str, bytes] = {}
    waiting = [(module.__name__, Path(file), root)]
    while waiting:
        name, path, root = waiting.pop()
        key = path.relative_to(root).as_posix()
        if key in found:
            continue
        content = _read_file(module.__name__, path)
        if sum(map(len, found.values())) + len(content) > MAX_TOTAL_BYTES:
            _log.warning(
                "The source files of the builder %s exceed %d MiB: %s and the modules that it imports are neither "
                "hashed nor kept with its models, and a change in them goes unnoticed. Load large data from a file.",
                module.__name__,
                MAX_TOTAL_BYTES // 1024**2,
                key,
            )
            return found
        found[key] = content
        waiting += [each for each in _imported(name, path, content, roots) if not is_installed(each[1])]
    return found


def _read_file(module: str, path: Path) -> bytes:
    """Return a file's content, up to one byte above the limit."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_TOTAL_BYTES + 1)
    except OSError as error:
        raise SourceUnreadableError(module, path, error) from error


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        # A name that is too long, or a folder closed to this user: Python finds no module there either.
        return False


def _import_folder(name: str, file: Path) -> Path:
    """Return the folder on `sys.path` from which the module came."""
    n_packages = name.count(".") + (file.name == "__init__.py")
    return file.parents[n_packages]


def _imported(name: str, file: Path, content: bytes, roots: Sequence[Path]) -> Iterator[tuple[str, Path, Path]]:
    """Yield the modules that a file imports, each with its name, its file and its import folder."""
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        # A template, another version's file, or an expression nested too deeply for Python's parser, beside the
        # builder: its hash counts, its imports do not.
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            wanted = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = _absolute(node, package)
            wanted = [start, *(f"{start}.{alias.name}" if start else alias.name for alias in node.names)]
        else:
            continue
        for each in wanted:
            yield from _files_of(each, roots)
    yield from _files_of(package, roots)


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    parts = parts[: len(parts) - (node.level - 1)]
    return ".".join([*parts, *([node.module] if node.module else [])])


def _files_of(name: str, roots: Sequence[Path]) -> Iterator[tuple[str, Path, Path]]:
    """Find the module of that name and the packages that hold it, below the first import folder that has it."""
    parts = name.split(".") if name else []
    # This package has a hash of its own.
    if not parts or parts[0] == __name__.partition(".")[0]:
        return
    for root in roots:
        found = list(_files_below(parts, root))
        if found:
            yield from found
            return


def _files_below(parts: Sequence[str], root: Path) -> Iterator[tuple[str, Path, Path]]:
    for n_parts in range(1, len(parts) + 1):
        start = root.joinpath(*parts[:n_parts])
        for path in (start / "__init__.py", start.with_name(f"{start.name}.py")):
            if _is_file(path):
                yield ".".join(parts[:n_parts]), path, root
                break
