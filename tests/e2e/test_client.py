"""The base installation, which creates studies and shows them, and has nothing that only an extra brings."""

import json
import subprocess
import sys
from pathlib import Path

from tuner.extras import EXTRAS

#: Runs commands one after another in one process that finds none of the extras' packages, as an installation without
#: them; prints what each came to.
_COMMANDS = """
import importlib.util, json, sys
hidden, commands = json.loads(sys.argv[1])
find_spec = importlib.util.find_spec

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in hidden:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Hidden())
importlib.util.find_spec = lambda name, package=None: None if name in hidden else find_spec(name, package)

import contextlib, io
from tuner.cli import main

for words in commands:
    sys.argv = ["tuner", *words]
    out, err, status = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            status = end.code or 0
    print(json.dumps([status, out.getvalue(), err.getvalue()]), file=sys.__stdout__)
"""


def run_without_extras(folder: Path, *commands: str) -> list[tuple[int, str, str]]:
    """Return status, stdout and stderr of each command."""
    request = json.dumps([list(EXTRAS), [command.split() for command in commands]])
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(sys.path), "HOME": str(folder)}
    done = subprocess.run(
        [sys.executable, "-c", _COMMANDS, request],
        check=False,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return [tuple(json.loads(line)) for line in done.stdout.splitlines()]


def test_without_extras_studies_are_created_and_shown_and_a_missing_extra_is_named(tmp_path: Path) -> None:
    created, shown, listed, reported, examined, *refused = run_without_extras(
        tmp_path,
        "study create digits --set search.trials=3",
        "study show digits --json",
        "status",
        "report digits",
        "doctor",
        "run digits",
        "workers",
        "space show cnn",
        "study create --space=cnn --dataset=digits --name=w --vary=kernel_size=3,5",
        "study create digits --set search.sampler=gp --set name=g",
        "dashboard",
    )

    assert (created[0], shown[0], listed[0], reported[0], examined[0]) == (0, 0, 0, 0, 0)
    assert "Created study digits with a budget of 3 trials" in created[1]
    assert "Warning: search and finals: no training was tried, as this machine has no Keras backend." in created[2]
    assert json.loads(shown[1])["trials"]["waiting"] == 3
    assert (tmp_path / "report.html").stat().st_size > 100_000
    assert "this machine creates and shows studies, and trains none" in examined[1]
    *no_backend, comparison, sampler, dashboard = refused
    for status, _, said in (*no_backend, comparison):
        assert (status, said.count("\n")) == (1, 1)
        assert "needs a Keras backend" in said
        assert "`pip install 'tuner[tensorflow]'`" in said
    assert "Install it with `pip install 'tuner[gp]'`" in sampler[2]
    assert "`pip install 'tuner[dashboard]'`" in dashboard[2]
