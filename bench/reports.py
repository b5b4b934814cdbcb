"""The four reports' numbers beside ours: run a definition of `studies/reports`, and write `docs/results.md`.

    python bench/reports.py run recognizing-digits-ann [--variant NAME --set KEY=VALUE …]      resumes
    python bench/reports.py write                       docs/results.md, from what is stored

A run is an ordinary study, `results-NAME`, in the storage that `tuner` uses. What it came to is kept in
`bench/results/reports/NAME.json`, from which alone the page is written; a definition without such a file stands there
as not run, with the command that runs it.
"""

import argparse
import json
import shlex
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from machine import RESULTS, describe_machine

ROOT = Path(__file__).parents[1]
DEFINITIONS = ROOT / "studies" / "reports"
STORED = RESULTS / "reports"
PAGE = ROOT / "docs" / "results.md"

_HEAD = """# Results

Each number that the four reports published, and ours by the same protocol, from studies run by `bench/reports.py`. The
page is written by `python bench/reports.py write` from `bench/results/reports/`, never by hand. "Corrected" is what a
report's own data support where the published number cannot be right, see [reports.md](reports.md). Test sets are used
once for each model, after its last epoch; no setting was chosen by them.
"""


def main() -> None:
    """Run one definition, or write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="only say what would be written")
    commands = parser.add_subparsers(dest="command")
    run = commands.add_parser("run", help="run one definition and keep what it came to")
    run.add_argument("name", choices=sorted(path.stem for path in DEFINITIONS.glob("*.toml")))
    run.add_argument("--variant", help="a name for these settings, whose numbers stand beside those of the definition")
    run.add_argument("--set", action="append", default=[], dest="settings", metavar="KEY=VALUE")
    commands.add_parser("write", help="write docs/results.md")
    arguments = parser.parse_args()
    if arguments.command == "run":
        run_definition(arguments.name, arguments.settings, variant=arguments.variant)
    elif arguments.command == "write":
        PAGE.write_text(write_page())
    else:
        print(write_page())


def run_definition(name: str, settings: Sequence[str], *, variant: str | None) -> None:
    """Let `tuner run` begin the study, or go on with it, and keep its numbers."""
    key = name if variant is None else f"{name}+{variant}"
    study = f"results-{key.replace('+', '-')}"
    words = ["run", f"studies/reports/{name}.toml", "--name", study]
    words += [word for setting in settings for word in ("--set", setting)]
    stored = STORED / f"{key}.json"
    earlier = json.loads(stored.read_text())["sessions_s"] if stored.exists() else []
    started = time.monotonic()
    result: dict[str, Any] = {"command": shlex.join(["tuner", *words]), "rows": []}
    try:
        subprocess.run([sys.executable, "-m", "tuner", *words], cwd=ROOT, check=True)
        result["rows"] = list(measure(study))
    finally:
        # Of each time that it was begun or gone on with, whatever ended it.
        result["sessions_s"] = [*earlier, round(time.monotonic() - started, 1)]
        result |= {"date": datetime.now(UTC).date().isoformat(), "machine": describe_machine()}
        STORED.mkdir(parents=True, exist_ok=True)
        stored.write_text(json.dumps(result, indent=1) + "\n")


def measure(name: str) -> Iterator[Mapping[str, Any]]:
    """Yield a row for each published number of the study's definition, and its own test accuracy first."""
    from tuner.artifacts import ArtifactStore
    from tuner.report.finals_results import read_finals_results
    from tuner.report.headline import build_headline
    from tuner.report.page_sections.published import measure_beside
    from tuner.settings import read_settings
    from tuner.studies.database.storage import open_storage
    from tuner.studies.records.reading import load_study

    settings = read_settings()
    with open_storage(settings.storage) as storage:
        record = load_study(storage, name)
    headline = build_headline(record, read_finals_results(record, ArtifactStore(settings.artifacts)))
    test = {"name": "accuracy on the test set", "beside": "test"}
    for figure in [test, *(record.definition.get("published") or ())]:
        ours, how = measure_beside(figure, record, headline)
        yield {
            "name": figure["name"],
            "published": figure.get("value"),
            "corrected": figure.get("corrected"),
            "ours": ours,
            "how": how,
        }


def write_page() -> str:
    """Return the page."""
    return "\n".join([_HEAD, *(_sections(path) for path in sorted(DEFINITIONS.glob("*.toml")))])


def _sections(definition: Path) -> str:
    """Return what is known of a definition: its own numbers, then those of its variants."""
    own, variants = STORED / f"{definition.stem}.json", sorted(STORED.glob(f"{definition.stem}+*.json"))
    first = _section(own) if _is_finished(own) else _not_run(definition)
    return "\n".join([first, *map(_section, filter(_is_finished, variants))])


def _is_finished(stored: Path) -> bool:
    return stored.exists() and bool(json.loads(stored.read_text())["rows"])


def _not_run(definition: Path) -> str:
    published = tomllib.loads(definition.read_text()).get("published", [])
    numbers = "; ".join(f"{figure['name']}: {_percent(figure['value'])}" for figure in published) or "none"
    return (
        f"## {definition.stem}\n\nNot run. Published: {numbers}. Run it with "
        f"`python bench/reports.py run {definition.stem}`.\n"
    )


def _section(stored: Path) -> str:
    result = json.loads(stored.read_text())
    machine = result["machine"]
    minutes = sum(result["sessions_s"]) / 60
    conditions = (
        f"`{result['command']}`, {result['date']}, {minutes:.0f} minutes on {machine['cores']} cores "
        f"({machine['processor']}), load {machine['load_at_the_end']} at the end."
    )
    header = "| what | published | corrected | ours | how ours was measured |"
    rows = [
        "| "
        + " | ".join([row["name"], _percent(row["published"]), _percent(row["corrected"]), row["ours"], row["how"]])
        + " |"
        for row in result["rows"]
    ]
    lines = [f"## {stored.stem.replace('+', ': ')}", "", conditions, "", header, "|---|---|---|---|---|", *rows, ""]
    return "\n".join(lines)


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.2f} %"


if __name__ == "__main__":
    main()
