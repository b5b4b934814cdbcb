"""Which page belongs to which path: tuner's own pages, and Optuna Dashboard's for all other paths."""

import gzip
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from tuner.artifacts import ArtifactNotRemovedError, ArtifactStore, ArtifactStoreAwayError
from tuner.dashboard.fleet import FleetWatch
from tuner.dashboard.guard import METRICS_PATH
from tuner.dashboard.optuna_page import SCRIPT_PATH, is_optuna_page, optuna_page, optuna_script
from tuner.dashboard.optuna_requests import read_id, refuse_unanswerable, with_clear_failures
from tuner.dashboard.pages import ListedStudy, Page, fleet_page, message_page, report_path, start_page
from tuner.dashboard.reports import RendererBusyError, ReportNotRenderedError, Reports
from tuner.dashboard.responses import Response, html_response, json_response, redirect, refusal
from tuner.dashboard.study_detail import StudyDetails
from tuner.errors import TunerError
from tuner.studies.database.errors import DatabaseAwayError, DatabaseUnusableError
from tuner.studies.database.storage import Storage
from tuner.studies.deletion import remove_study
from tuner.studies.lifecycle import StudyNotFoundError, find_studies
from tuner.studies.progress import read_all_progress
from tuner.studies.records.reading import read_winner
from tuner.studies.trial_details import read_study_head

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_log = logging.getLogger(__name__)

#: The report's own policy stands in its head; this one adds a sandbox without an origin.
_REPORT_POLICY = "sandbox allow-scripts allow-downloads; frame-ancestors 'none'"
_OPTUNA_STUDY = "/api/studies/"
#: The report of a study by its number, for links on Optuna Dashboard's page.
_OPTUNA_REPORT = "/dashboard-report/"
#: Studies in one report.
_MOST_COMPARED = 20


@dataclass(frozen=True, kw_only=True)
class Site:
    """WSGI application of all pages."""

    storage: Storage
    artifacts: ArtifactStore
    optuna_dashboard: "WSGIApplication"
    fleet: FleetWatch
    reports: Reports
    details: StudyDetails
    #: Whether visitors sign in, and may sign out again.
    signed_in: bool
    #: Whether they may change notes and delete studies.
    allow_writes: bool = False

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "") or "/"
        answer = self._find(environ, path)
        try:
            if answer is not None:
                return answer().send(environ, start_response)
            refused = refuse_unanswerable(self.storage, environ, path)
            if refused is not None:
                return refused.send(environ, start_response)
            pieces = self._study_detail(environ, path)
        except TunerError as error:
            return self._respond_to_error(error, environ, path).send(environ, start_response)
        if pieces is None:
            return self.optuna_dashboard(environ, with_clear_failures(path, start_response))
        start_response("200 OK", [("Content-Type", "application/json")])
        return pieces

    def _find(self, environ: "WSGIEnvironment", path: str) -> Callable[[], Response] | None:
        """Return the function that makes the response, or None for Optuna Dashboard's paths."""
        ours: Mapping[str, Callable[[], Response]] = {
            "/": self._start,
            "/fleet": lambda: _show(fleet_page(self.fleet.now(), signed_in=self.signed_in)),
            "/fleet.json": lambda: json_response(self.fleet.now()),
            SCRIPT_PATH: optuna_script,
            METRICS_PATH: self._metrics,
            "/report": lambda: self._report(environ, parse_qs(environ.get("QUERY_STRING", "")).get("study", [])),
        }
        if path in ours:
            return ours[path]
        if environ["REQUEST_METHOD"] == "GET" and is_optuna_page(path):
            return lambda: optuna_page(allow_writes=self.allow_writes)
        if path.startswith(_OPTUNA_REPORT):
            return lambda: self._lead_to_report(path.removeprefix(_OPTUNA_REPORT))
        if path.startswith("/report/"):
            return lambda: self._report(environ, [path.removeprefix("/report/")])
        study_id = read_id(path.removeprefix(_OPTUNA_STUDY))
        if environ["REQUEST_METHOD"] == "DELETE" and study_id is not None:
            return lambda: self._delete(study_id)
        return None

    def _study_detail(self, environ: "WSGIEnvironment", path: str) -> Iterable[bytes] | None:
        """Return the details of one of tuner's studies for Optuna Dashboard's page; None for other requests."""
        study_id = read_id(path.removeprefix(_OPTUNA_STUDY))
        after = read_id(parse_qs(environ.get("QUERY_STRING", "")).get("after", ["0"])[0])
        if environ["REQUEST_METHOD"] != "GET" or study_id is None or after is None:
            return None
        return self.details.write(study_id, after=after)

    def _respond_to_error(self, error: TunerError, environ: "WSGIEnvironment", path: str) -> Response:
        status, text = _explain(error)
        if not isinstance(error, StudyNotFoundError | RendererBusyError | ReportNotRenderedError):
            _log.warning("%s: %s", path, error)
        headers = {"Retry-After": "5"} if status is HTTPStatus.SERVICE_UNAVAILABLE else {}
        if path.endswith(".json") or "text/html" not in environ.get("HTTP_ACCEPT", "text/html"):
            return refusal(status, text, headers)
        return _show(message_page(status.phrase, text, signed_in=self.signed_in), status=status, headers=headers)

    def _start(self) -> Response:
        studies = [
            ListedStudy(
                progress=progress,
                space=study.definition.space,
                dataset=study.definition.dataset,
                optuna_study_id=study.optuna_study_id,
                objective=study.definition.objective,
                winner=read_winner(self.storage, study) if progress.finals_planned else None,
            )
            for study, progress in read_all_progress(self.storage)
        ]
        return _show(start_page(studies, signed_in=self.signed_in))

    def _metrics(self) -> Response:
        """Return what the database says, for Prometheus; the guard has asked for the token."""
        # It takes a tenth of a second to import.
        from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

        from tuner.workers.metrics import DatabaseCollector

        registry = CollectorRegistry()
        registry.register(DatabaseCollector(self.storage))
        policy = ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
        return Response(content_type=CONTENT_TYPE_LATEST, body=generate_latest(registry), headers=(policy,))

    def _report(self, environ: "WSGIEnvironment", names: list[str]) -> Response:
        chosen = list(dict.fromkeys(names))
        if not 0 < len(chosen) <= _MOST_COMPARED:
            text = f"Choose 1 to {_MOST_COMPARED} studies on the start page."
            return _show(message_page("Nothing chosen", text, signed_in=self.signed_in), status=HTTPStatus.BAD_REQUEST)
        etag = f'"{self.reports.version_of(chosen)}"'
        headers = {
            "Content-Security-Policy": _REPORT_POLICY,
            # The browser may cache it if it asks each time: a running study's report changes with every epoch.
            "Cache-Control": "private, no-cache",
            "Vary": "Accept-Encoding",
        }
        if environ.get("HTTP_IF_NONE_MATCH") == etag:
            not_modified = Response(status=HTTPStatus.NOT_MODIFIED, content_type="text/html; charset=utf-8", body=b"")
            return _with_headers(not_modified, {**headers, "ETag": etag})
        report = self.reports.render(chosen)
        headers["ETag"] = f'"{report.version}"'
        packed = "gzip" in environ.get("HTTP_ACCEPT_ENCODING", "")
        page = Response(
            content_type="text/html; charset=utf-8",
            body=report.compressed if packed else gzip.decompress(report.compressed),
        )
        return _with_headers(page, {**headers, "Content-Encoding": "gzip"} if packed else headers)

    def _lead_to_report(self, number: str) -> Response:
        """Redirect to the report of a study that Optuna Dashboard knows by its number."""
        study_id = read_id(number)
        head = None if study_id is None else read_study_head(self.storage, study_id)
        if head is None:
            return refusal(HTTPStatus.NOT_FOUND, "No study of tuner has that number.")
        return redirect(report_path(head.name))

    def _delete(self, optuna_study_id: int) -> Response:
        """Delete a study as `tuner study delete` does; Optuna Dashboard alone would leave tuner's tables and files."""
        for study in find_studies(self.storage, []):
            if study.optuna_study_id == optuna_study_id:
                remove_study(self.storage, self.artifacts, study)
                return Response(status=HTTPStatus.NO_CONTENT, content_type="application/json", body=b"")
        return refusal(HTTPStatus.NOT_FOUND, "No study of tuner has that number.")


def _show(page: Page, *, status: HTTPStatus = HTTPStatus.OK, headers: Mapping[str, str] | None = None) -> Response:
    return html_response(page.html, status=status, headers={**(headers or {}), **page.headers})


def _with_headers(response: Response, headers: Mapping[str, str]) -> Response:
    return Response(
        status=response.status,
        content_type=response.content_type,
        body=response.body,
        headers=tuple(headers.items()),
    )


#: Errors with their status and the sentence for visitors: None for the error's own. Messages about the database or the
#: artifact store may name its address or folder; those are for the log.
_TOLD: tuple[tuple[type[TunerError], HTTPStatus, str | None], ...] = (
    (StudyNotFoundError, HTTPStatus.NOT_FOUND, None),
    (RendererBusyError, HTTPStatus.SERVICE_UNAVAILABLE, None),
    (ReportNotRenderedError, HTTPStatus.INTERNAL_SERVER_ERROR, None),
    (
        ArtifactNotRemovedError,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "The study's files could not be removed, and the study was kept. The dashboard's log says why.",
    ),
    (
        ArtifactStoreAwayError,
        HTTPStatus.SERVICE_UNAVAILABLE,
        "The artifact store does not answer. Trying again may help.",
    ),
    (DatabaseAwayError, HTTPStatus.SERVICE_UNAVAILABLE, "The database does not answer. Trying again may help."),
    (DatabaseUnusableError, HTTPStatus.SERVICE_UNAVAILABLE, "The database does not answer. Trying again may help."),
    (TunerError, HTTPStatus.BAD_REQUEST, None),
)


def _explain(error: TunerError) -> tuple[HTTPStatus, str]:
    """Return the status and the sentence for visitors."""
    status, text = next((status, text) for kind, status, text in _TOLD if isinstance(error, kind))
    return status, str(error) if text is None else text


def open_site(
    storage: Storage, artifacts: ArtifactStore, *, storage_url: str, signed_in: bool, allow_writes: bool = False
) -> Site:
    """Build the WSGI application of all pages.

    Args:
        storage: Must stay open while the site is used.
        artifacts: Holds the files of reports and of Optuna Dashboard.
        storage_url: The storage's URL, for the processes that render reports.
        signed_in: Whether visitors sign in.
        allow_writes: Whether they may change notes and delete studies, so that the controls for it are shown.
    """
    from optuna_dashboard import wsgi

    from tuner.dashboard.optuna_files import OptunaFiles

    files: Any = OptunaFiles(storage=storage, artifacts=artifacts)
    return Site(
        storage=storage,
        artifacts=artifacts,
        optuna_dashboard=wsgi(storage.optuna, files),
        fleet=FleetWatch(storage=storage),
        details=StudyDetails(storage=storage),
        reports=Reports(storage=storage, storage_url=storage_url, artifacts_url=artifacts.url),
        signed_in=signed_in,
        allow_writes=allow_writes,
    )
