import dataclasses
import math
import re
from pathlib import Path
from types import SimpleNamespace

from support.objectives import ACCURACY
from support.report_sample import finished_study, searching_study

from tuner.artifacts import ArtifactStore
from tuner.python.describing import study_html
from tuner.python.notebook import draw_best_so_far, draw_progress
from tuner.python.study import Study
from tuner.report.single_figures import draw_figures
from tuner.settings import read_settings
from tuner.studies.progress import StudyProgress
from tuner.summaries import summary_html

NOW = StudyProgress(
    name="s", state="searching", budget=9, complete=3, pruned=1, failed=0, running=2, waiting=3, best_score=0.5,
    finals_done=0, finals_planned=0, trials_per_hour=60.0, time_left_s=90.0, finals_time_left_s=None,
    total_time_left_s=90.0, stop_reason=None, priority=0, weight=1.0, max_workers=None, limit_left_s=None,
    search_ended=None, finals_ended=None,
)  # fmt: skip


def test_text_is_escaped_and_cut_and_colours_are_the_notebooks() -> None:
    rows = {"a<b": "<script>", "number": 0.123456789, "flag": True, "none": None, "long": "x" * 999}

    shown = summary_html("<b>", rows)

    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown
    assert "0.1235" in shown
    assert "true" in shown
    assert "none" not in shown
    assert len(shown) < 1500
    assert "color:" not in shown


def test_progress_says_how_far_it_is_and_draws_the_best_so_far() -> None:
    study = searching_study(n_trials=12)

    shown = re.sub("<[^>]*>", " ", draw_progress(NOW, study, workers="2 of 2 training", problems=["no data"] * 2))

    for told in ("4 of 9, 1 pruned, 0 failed", "1 min 30 s", "50.00 %", "2 of 2 training", "no data"):
        assert told in shown
    assert draw_best_so_far(study, ACCURACY).count("<circle") == len(study.trials_in("complete", "pruned"))
    assert not draw_best_so_far(dataclasses.replace(study, trials=study.trials[:1]), ACCURACY)


def test_an_infinite_score_leaves_the_plot_of_the_others() -> None:
    study = searching_study(n_trials=12)
    first, *others = study.trials

    drawn = draw_best_so_far(
        dataclasses.replace(study, trials=(dataclasses.replace(first, score=math.inf), *others)), ACCURACY
    )

    assert "nan" not in drawn
    assert "inf" not in drawn


def test_a_study_whose_database_is_away_is_text_in_a_notebook(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    settings = read_settings({}, storage=f"sqlite:///{tmp_path}/file/tuner.db")
    study = Study(SimpleNamespace(uid="1", name="<i>"), settings)  # type: ignore[arg-type]

    shown = study._repr_html_()

    assert "Cannot use the database" in shown
    assert re.findall("<[^>]*>", shown) == ["<pre>", "</pre>"]


def test_studies_are_shown_from_their_first_moment_to_their_end(artifacts: ArtifactStore) -> None:
    finished = finished_study(artifacts, n_images=50, n_trials=12)

    begun, done = (study_html(study) for study in (searching_study(n_trials=0), finished))

    assert "0 of 20" in begun
    assert "9 models, test accuracy" in done
    assert all(len(repr(value)) < 120 for value in (finished, *finished.trials, *finished.finals))
    assert all("<table>" in value._repr_html_() for value in (*finished.trials, *finished.finals))


def test_figures_are_those_of_the_page_by_name(artifacts: ArtifactStore) -> None:
    drawn = draw_figures(searching_study(n_trials=12), artifacts)

    assert {"history", "intermediate", "timeline"} <= set(drawn)
    assert drawn["history"].layout.title.text == "Optimisation history"
    assert all(figure.layout.height > 100 for figure in drawn.values())
