"""A study in a script or a notebook: run it, look at it, take its model."""

import html
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from tuner.artifacts import ArtifactStore
from tuner.errors import TunerError
from tuner.python.describing import study_html, study_line
from tuner.python.study_errors import NoModelYetError, NoSuchModelError, UnknownFigureError, check_count
from tuner.settings import Settings
from tuner.studies import lifecycle
from tuner.studies.database.storage import Storage, open_storage, open_storage_to_read
from tuner.studies.deletion import remove_study
from tuner.studies.progress import read_progress
from tuner.studies.records.reading import load_outline, load_scores, load_study

if TYPE_CHECKING:
    import keras
    import numpy as np
    import optuna
    import pandas as pd
    import plotly.graph_objects as go
    from numpy.typing import NDArray

    from tuner.bundles.bundle import Bundle
    from tuner.studies.definitions.definition import StudyDefinition
    from tuner.studies.progress import StudyProgress
    from tuner.studies.records.finals import EnsembleRecord, FinalRecord
    from tuner.studies.records.study import StudyRecord
    from tuner.studies.records.trial import TrialRecord
    from tuner.studies.states import StudyState


class Study:
    """A study in the database; everything is read there when it is asked for, so that it is never out of date.

    `create_study`, `load_study` and `list_studies` return it. Accuracies are in [0, 1].

    Args:
        found: The study as the database has it.
        settings: Where database, data and artifacts are.
    """

    def __init__(self, found: lifecycle.Study, settings: Settings) -> None:
        self._uid, self._name = found.uid, found.name
        self._settings = settings
        self._storage_of_optuna: Storage | None = None

    @property
    def name(self) -> str:
        """What the study is called in commands, folders and URLs."""
        return self._name

    @property
    def definition(self) -> "StudyDefinition":
        """Everything that determines the study.

        >>> study.definition.search.trials, study.definition.seed
        (3, 0)
        """
        with self._open() as storage:
            return self._find(storage).definition

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes, in the order of a model's outputs."""
        with self._open() as storage:
            return self._find(storage).class_names

    @property
    def state(self) -> "StudyState":
        """`searching`, `finals`, `done` or `stopped`.

        >>> study.state
        'done'
        """
        with self._open() as storage:
            return self._find(storage).state

    @property
    def progress(self) -> "StudyProgress":
        """How many trials and finals are done, how many trials an hour, and the seconds that are left.

        >>> study.progress.finished, study.progress.budget
        (3, 3)
        """
        with self._open() as storage:
            return read_progress(storage, self._find(storage))

    @property
    def record(self) -> "StudyRecord":
        """Everything that the study has done so far, as plain values: trials with curves, finals, failures."""
        with self._open() as storage:
            return load_study(storage, self._find(storage).name)

    @property
    def trials(self) -> tuple["TrialRecord", ...]:
        """The trials of the search by number, with their curves.

        >>> [trial.number for trial in study.trials]
        [0, 1, 2]
        >>> [epoch.epoch for epoch in study.trials[0].curve]
        [1, 2, 3]
        """
        return self.record.trials

    @property
    def best_trial(self) -> "TrialRecord | None":
        """The trial of the best score of the search; None before there is one. The finals may choose another one.

        >>> 0 < study.best_trial.score <= 1
        True
        >>> sorted(study.best_trial.hyperparameters)
        ['dropout', 'learning_rate', 'units']
        """
        return self.record.best

    @property
    def finals(self) -> tuple["FinalRecord", ...]:
        """The best configurations by rank: confirmed with new seeds, retrained, and tested once.

        >>> [final.rank for final in study.finals]
        [1]
        """
        return self.record.finals

    @property
    def winner(self) -> "FinalRecord | None":
        """The final of the best rank that was tested; None while one of a better rank may yet be.

        >>> 0 <= study.winner.test_accuracy_mean <= 1
        True
        """
        return self.record.winner

    @property
    def ensemble(self) -> "EnsembleRecord | None":
        """The vote of all finals and its test accuracy; None where there is none.

        >>> study.ensemble.members
        1
        """
        return self.record.ensemble

    def run(
        self,
        *,
        workers: int | Literal["auto"] = "auto",
        device: str = "auto",
        report: bool | str | Path = False,
    ) -> Self:
        """Run search and finals in worker processes on this machine, show progress, and return when both are done.

        Start it again after an interruption: each trial resumes at its last finished epoch. Ctrl-C, or a notebook's
        stop button, lets workers finish their epochs; a second one ends them at once.

        Args:
            workers: Number of processes; `"auto"` starts one per GPU, or per CPU core without one.
            device: `cpu`, `gpu:0` or `auto`.
            report: Where to write the report at the end; True for `reports/NAME/report.html` in `TUNER_HOME`.

        Returns:
            This study.

        Raises:
            KeyboardInterrupt: It was interrupted, after the workers have ended.
            StudyStateError: It is stopped.
            RunFailedError: Workers failed, or the study ended without a score or with failed finals.

        >>> study.run(workers=1).state
        'done'
        """
        from tuner.python.running import run_study

        with self._open() as storage:
            found = self._find(storage)
        run_study(found, self._settings, workers=workers, device=device)
        if report:
            self.report(None if report is True else report)
        return self

    def trials_dataframe(self) -> "pd.DataFrame":
        """Return a pandas DataFrame with a row for each trial; a hyperparameter's column is `params_NAME`.

        Durations are in seconds, times are UTC; what a trial does not have is missing (NaN, None or NaT).

        Raises:
            PandasMissingError: pandas is not installed.

        >>> list(study.trials_dataframe().columns)[:4]
        ['number', 'state', 'score', 'best_epoch']
        """
        from tuner.python.tables import trials_dataframe

        return trials_dataframe(self._outline())

    @property
    def figures(self) -> tuple[str, ...]:
        """The names of the report's figures, in its order.

        >>> "history" in study.figures
        True
        """
        return tuple(self._draw())

    def figure(self, name: str) -> "go.Figure":
        """Return a figure of the report as a Plotly figure, which a notebook shows inline.

        Args:
            name: One of `figures`.

        Raises:
            UnknownFigureError: The report has none of that name.

        >>> study.figure("history").layout.title.text
        'Optimisation history'
        """
        drawn = self._draw()
        if name not in drawn:
            raise UnknownFigureError(name, tuple(drawn))
        return drawn[name]

    def report(self, path: str | Path | None = None, *, beside: Sequence["Study"] = ()) -> Path:
        """Write the report, one HTML file that needs no network, and return its absolute path.

        Args:
            path: The file; an older one is replaced. Default: `reports/NAME/report.html` in `TUNER_HOME`.
            beside: Other studies on the same data, which the page compares with this one.

        Raises:
            PageNotWrittenError: The file cannot be written.

        >>> study.report("report.html").name
        'report.html'
        """
        from tuner.report.page import write_report

        records = []
        for study in (self, *beside):
            with study._open() as storage:  # noqa: SLF001 - another object of this class
                records.append(load_scores(storage, study._find(storage).name))  # noqa: SLF001
        place = self._settings.home / "reports" / self.name / "report.html" if path is None else Path(path)
        return write_report(records, self._artifacts, place)

    def bundle(self, *, rank: int | None = None, repeat: int = 1) -> "Bundle":
        """Return a retrained model with its description: what `tuner predict` takes.

        Args:
            rank: Of the final. Default: the winner's.
            repeat: Which of its models, from 1.

        Raises:
            NoModelYetError: No model was tested yet.
            NoSuchModelError: There is no such model.

        >>> study.bundle().description.images.shape
        (8, 8, 1)
        """
        from tuner.bundles.bundle import read_bundle

        record = self._outline()
        final = record.winner if rank is None else next((one for one in record.finals if one.rank == rank), None)
        runs = final.runs if final else ()
        place = runs[repeat - 1].bundle if 1 <= repeat <= len(runs) else None
        if place is None:
            raise NoSuchModelError(record, rank=rank, repeat=repeat) if record.winner else NoModelYetError(record)
        return read_bundle(place, artifacts=self._settings.artifacts)

    def best_model(self) -> "keras.Model":
        """Return the winner's retrained model: a plain `keras.Model` with its weights.

        Its input is float32 of shape (n, height, width, channels), from 0 to 1, or to 255 by `data.images`; `predict`
        prepares images as the study's were.

        Raises:
            NoModelYetError: No final was tested yet.

        >>> study.best_model().output_shape
        (None, 10)
        """
        from tuner.training.backend import load_backend

        bundle = self.bundle()
        load_backend()
        return bundle.build_model()

    def predict(self, images: "NDArray[Any] | str | Path | Sequence[str | Path]") -> "NDArray[np.float32]":
        """Return the probabilities that the winner's model gives each class.

        Args:
            images: An array of shape (n, height, width) or (n, height, width, channels) with pixels as in the study's
                own images, or picture files of any size.

        Returns:
            float32, shape (n, classes), in the order of `class_names`; each row's sum is 1.

        Raises:
            NoModelYetError: No final was tested yet.
            UnreadableDataError: The images have another shape or range than the study's.
            ImagesUnreadableError: A file is missing or not a picture.

        >>> import numpy
        >>> study.predict(numpy.eye(8)[numpy.newaxis]).shape
        (1, 10)
        """
        from tuner.python.predicting import predict

        return predict(self.bundle(), images)

    @property
    def optuna_study(self) -> "optuna.Study":
        """The search as Optuna's own study, to read: its plots, importances and `trials` work; writing is refused.

        >>> len(study.optuna_study.trials)
        3
        """
        import optuna

        if self._storage_of_optuna is None:
            opened = open_storage_to_read(self._settings.storage)
            weakref.finalize(self, opened.close)
            self._storage_of_optuna = opened
        found = self._find(self._storage_of_optuna)
        return optuna.load_study(study_name=found.name, storage=self._storage_of_optuna.optuna)

    def extend(self, trials: int) -> Self:
        """Add this number of trials to the budget; `run` then searches again.

        Raises:
            WholeRepeatsError: The study varies one factor at a time, and the trials are no whole repeats.
        """
        with self._open() as storage:
            lifecycle.extend_study(storage, self._find(storage).name, n_trials=check_count(trials))
        return self

    def stop(self) -> Self:
        """Pause the study, from anywhere: running trials stop after the current epoch and can be resumed."""
        with self._open() as storage:
            lifecycle.stop_study(storage, self._find(storage))
        return self

    def resume(self) -> Self:
        """Let a stopped study go on; `run` then continues it.

        Raises:
            StudyStateError: It is not stopped.
        """
        with self._open() as storage:
            lifecycle.resume_study(storage, self._find(storage).name)
        return self

    def delete(self) -> None:
        """Remove the study with its trials, checkpoints and bundles; it cannot be undone.

        Arrays that were given as dataset, and builders of notebooks, stay in `TUNER_HOME`.
        """
        with self._open() as storage:
            remove_study(storage, self._artifacts, self._find(storage))

    @property
    def _artifacts(self) -> ArtifactStore:
        return ArtifactStore(self._settings.artifacts)

    def _open(self) -> Storage:
        return open_storage(self._settings.storage)

    def _find(self, storage: Storage) -> lifecycle.Study:
        """Return the study as it is now; another one that has its name since it was deleted is not this one."""
        found = lifecycle.find_study_by_uid(storage, self._uid)
        if found is None:
            raise lifecycle.StudyNotFoundError(self._name, lifecycle.list_names(storage))
        return found

    def _outline(self) -> "StudyRecord":
        with self._open() as storage:
            return load_outline(storage, self._find(storage).name)

    def _draw(self) -> "Mapping[str, go.Figure]":
        from tuner.report.single_figures import draw_figures

        with self._open() as storage:
            record = load_scores(storage, self._find(storage).name)
        return draw_figures(record, self._artifacts)

    def __repr__(self) -> str:
        try:
            return f"<Study {study_line(self.progress)}>"
        except TunerError as error:
            return f"<Study {self._name}: {error}>"

    def _repr_html_(self) -> str:
        try:
            return study_html(self._outline())
        except TunerError:
            return f"<pre>{html.escape(repr(self))}</pre>"
