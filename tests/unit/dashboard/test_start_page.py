"""The dashboard's list of studies."""

from tuner.dashboard.pages import ListedStudy, start_page
from tuner.objectives import DEFAULT_OBJECTIVE, OBJECTIVES
from tuner.studies.progress import StudyProgress


def test_a_path_is_shown_by_its_last_part_and_is_whole_under_the_mouse() -> None:
    progress = StudyProgress(
        name="pets", state="searching", budget=3, complete=0, pruned=0, failed=0, running=0, waiting=3,
        best_score=None, finals_done=0, finals_planned=0, trials_per_hour=None, time_left_s=None,
        finals_time_left_s=None, total_time_left_s=None, stop_reason=None, priority=0, weight=1.0, max_workers=None,
        limit_left_s=None, search_ended=None, finals_ended=None,
    )  # fmt: skip
    study = ListedStudy(
        progress=progress,
        space="/home/me/builders/nets.py:build",
        dataset="/data/pets/",
        optuna_study_id=1,
        objective=OBJECTIVES[DEFAULT_OBJECTIVE],
    )

    html = start_page([study], signed_in=False).html

    assert '<span title="/home/me/builders/nets.py:build">nets.py:build</span>' in html
    assert '<span title="/data/pets/">pets</span>' in html
