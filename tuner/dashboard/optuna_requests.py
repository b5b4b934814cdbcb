"""Which requests reach Optuna Dashboard: it responds with an internal error to those that it does not expect."""

import io
import json
import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from tuner.dashboard.responses import Response, refusal
from tuner.studies.database.storage import Storage
from tuner.studies.database.texts import can_be_stored
from tuner.studies.trial_details import find_addressed

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

#: The largest id that Postgres keeps.
LARGEST_ID = 2**31 - 1
_OF_STUDY = re.compile(r"/(?:api/studies|csv|artifacts|api/artifacts)/(?P<study>\d+)(?:/(?P<trial>\d+)(?:/.*)?|/.*)?")
_OF_TRIAL = re.compile(r"/api/trials/(?P<trial>\d+)(?:/.*)?")
_NUMBER = re.compile(r"\d{1,10}")
_DRAWS = re.compile(r"/api/studies/\d+/(?:plot/.*|param_importances)")
_NOTE, _ATTRIBUTES = re.compile(r"/api/studies/\d+(?:/\d+)?/note"), re.compile(r"/api/trials/\d+/user-attrs")
#: No note or attribute is longer.
_LONGEST_BODY = 256 * 1024


def read_id(text: str) -> int | None:
    """Return the number that a path or query names, or None where no row can have it."""
    number = int(text) if text.isascii() and _NUMBER.fullmatch(text) else None
    return None if number is None or number > LARGEST_ID else number


def refuse_unanswerable(storage: Storage, environ: "WSGIEnvironment", path: str) -> Response | None:
    """Return the response to a request that Optuna Dashboard would fail on; None when it can handle the request.

    The body of a request that writes is read and put back.
    """
    after = parse_qs(environ.get("QUERY_STRING", "")).get("after", ["0"])[0]
    if read_id(after) is None:
        return refusal(HTTPStatus.BAD_REQUEST, "Expected a number of trials as `after`.")
    if any(segment.lstrip("-").isdecimal() and read_id(segment) is None for segment in path.split("/")):
        return refusal(HTTPStatus.NOT_FOUND, "Nothing has that number.")
    place = _OF_STUDY.fullmatch(path) or _OF_TRIAL.fullmatch(path)
    if place is None:
        return None
    asked = place.groupdict()
    study_id, trial_id = (int(asked[key]) if asked.get(key) else None for key in ("study", "trial"))
    found = find_addressed(storage, study_id, trial_id)
    if study_id is not None and not found.study_exists:
        return refusal(HTTPStatus.NOT_FOUND, "No study has that number.")
    if found.uid is not None:
        # Optuna may still hold trials of a deleted study that had the same number.
        storage.meet(found.uid)
    state = found.trial_state
    if trial_id is not None and state is None:
        return refusal(HTTPStatus.NOT_FOUND, "No trial has that number.")
    return _refuse_body(environ, path, is_finished=state is not None and state.is_finished())


def with_clear_failures(path: str, start_response: "StartResponse") -> "StartResponse":
    """Return a `start_response` that turns status 500 into 422 where Optuna cannot draw a figure of a study."""
    if not _DRAWS.fullmatch(path):
        return start_response

    def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:
        return start_response("422 Unprocessable Entity" if status.startswith("500") else status, headers, exc_info)

    return start


def _refuse_body(environ: "WSGIEnvironment", path: str, *, is_finished: bool) -> Response | None:
    method = environ["REQUEST_METHOD"]
    if method == "PUT" and _NOTE.fullmatch(path):
        return None if _is_note(_take_json(environ)) else refusal(HTTPStatus.BAD_REQUEST, _EXPECTED_NOTE)
    if method == "POST" and _ATTRIBUTES.fullmatch(path):
        if is_finished:
            return refusal(HTTPStatus.CONFLICT, "The trial has ended; its attributes can no longer be set.")
        return None if _has_attributes(_take_json(environ)) else refusal(HTTPStatus.BAD_REQUEST, _EXPECTED_ATTRIBUTES)
    return None


_EXPECTED_NOTE = 'Expected JSON as {"body": "text", "version": 1}.'
_EXPECTED_ATTRIBUTES = 'Expected JSON as {"user_attrs": {"name": "text or number"}}.'


def _is_note(value: Any) -> bool:
    if not isinstance(value, Mapping):
        return False
    version = value.get("version")
    return _is_text(value.get("body")) and type(version) is int and 0 <= version <= LARGEST_ID


def _has_attributes(value: Any) -> bool:
    attributes = value.get("user_attrs") if isinstance(value, Mapping) else None
    return isinstance(attributes, Mapping) and all(
        _is_text(name) and len(name) <= 512 and (isinstance(item, int | float | bool) or _is_text(item))  # noqa: PLR2004 - Optuna's column
        for name, item in attributes.items()
    )


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and can_be_stored(value)


def _take_json(environ: "WSGIEnvironment") -> Any:
    length = read_id(environ.get("CONTENT_LENGTH") or "0") or 0
    body = environ["wsgi.input"].read(min(length, _LONGEST_BODY))
    environ["wsgi.input"] = io.BytesIO(body)
    # Optuna Dashboard ignores a body of another content type.
    environ["CONTENT_TYPE"] = "application/json"
    try:
        return json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"JSON has no {name}.")
