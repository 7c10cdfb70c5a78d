"""What the clients do, without the sending: generators that yield requests and pauses and get the answers.

One copy serves both: `Client` and `AsyncClient` only carry the steps out.
"""

import time
import uuid
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar, cast

import httpx

from fourpoint_client import calls
from fourpoint_client.models import ContourRequest, Document, DocumentItem, Inference, Job
from fourpoint_client.problems import problem_of, problem_of_job
from fourpoint_client.requests import Call, Get, ListCall, Put, Result

# Less than proxies wait for an answer.
_WAIT = "wait=25"
_POLL_SECONDS = 1.0
# Of somebody who watches.
_LOOK_SECONDS = 0.5
_KEY = "Idempotency-Key"
# What has one effect however often it comes: a DELETE sent again would find nothing, and a PATCH may add up.
_REPEATABLE = frozenset({"GET", "PUT"})
_PASSING = frozenset({429, 502, 503, 504})
# What the next attempt would run into as well.
_LASTING = (httpx.UnsupportedProtocol, httpx.LocalProtocolError)

Point = tuple[float, float]


@dataclass(frozen=True)
class Pause:
    """Wait so many seconds."""

    seconds: float


Sent = Call[Any] | Put | Get
Step = Sent | Pause
Answer = httpx.Response | httpx.TransportError | None
Returned = TypeVar("Returned")
Flow = Generator[Step, Answer, Returned]


@dataclass(frozen=True)
class Retrying:
    """How often a request is sent at most, and the seconds in between, which double each time.

    patience: seconds for which it is sent on, beyond attempts, while another one of its key is carried out;
    longer than the service takes one for alive whose process has died.
    """

    attempts: int = 5
    first_pause: float = 0.2
    longest_pause: float = 5.0
    patience: float = 90.0


@dataclass(frozen=True)
class OpenDocument:
    """The annotations of a sample as they were read, and the tag of that state."""

    sample_id: str
    etag: str
    document: Document


@dataclass(frozen=True)
class Page(Generic[Result]):
    """Some of a list, and the call for what follows; None after the last."""

    body: Result
    following: ListCall[Result, Any] | None


def send(asked: Sent, retrying: Retrying) -> Flow[httpx.Response]:
    """Send until it is answered. Raises ProblemError, or httpx.TransportError after the last attempt."""
    asked = _named(asked) if isinstance(asked, Call) else asked
    left = retrying.attempts if _is_repeatable(asked) else 1
    patience = _Patience(retrying.patience if left > 1 else 0.0)
    pause = retrying.first_pause
    while True:
        answer = yield asked
        if not (_is_carried_out(answer) and patience.lasts()):
            left -= 1
        if isinstance(answer, httpx.Response) and not (left and _passes(answer)):
            if answer.is_error or answer.has_redirect_location:
                raise problem_of(answer)
            return answer
        if isinstance(answer, httpx.TransportError) and (not left or isinstance(answer, _LASTING)):
            raise answer
        told = _told_to_wait(answer)
        yield Pause(pause if told is None else told)
        pause = min(2 * pause, retrying.longest_pause)


def result(call: Call[Result], retrying: Retrying) -> Flow[Result]:
    """The body of an answer, as the contract types it."""
    return cast(Result, body_of((yield from send(call, retrying))))


def body_of(response: httpx.Response) -> object:
    """JSON as Python has it, nothing as None, all else as bytes."""
    if not response.content:
        return None
    is_json = response.headers.get("Content-Type", "").startswith("application/json")
    return response.json() if is_json else response.content


def page(call: ListCall[Result, Any], retrying: Retrying) -> Flow[Page[Result]]:
    """One page of a list. What is counted is counted with the first page only."""
    body = yield from result(call, retrying)
    cursor = cast(Mapping[str, Any], body)["next_cursor"]
    query = {**call.query, "cursor": cursor, "count": None}
    return Page(body, replace(call, query=query) if cursor else None)


def wait(job: Job | str, on_progress: Callable[[Job], None] | None, retrying: Retrying) -> Flow[Job]:
    """The job when it has succeeded, however long it takes. Raises ProblemError when it does not.

    on_progress: is shown the job twice a second, also as it ends.
    """
    job_id = job if isinstance(job, str) else job["id"]
    while True:
        call = calls.get_job(job_id, prefer=None if on_progress else _WAIT)
        response = yield from send(call, retrying)
        now = cast(Job, response.json())
        if on_progress is not None:
            on_progress(now)
        if now["state"] == "succeeded":
            return now
        if now["state"] in {"failed", "cancelled"}:
            raise problem_of_job(now)
        if "Preference-Applied" not in response.headers:
            yield Pause(_LOOK_SECONDS if on_progress else _POLL_SECONDS)


def click(
    sample_id: str,
    top: Point,
    bottom: Point,
    left: Point,
    right: Point,
    label: str | None,
    wait_seconds: int,
    retrying: Retrying,
) -> Flow[Inference]:
    """The outline between four extreme points, in pixels, however long it takes. label: to save it under."""
    request: ContourRequest = {"points": {"top": top, "bottom": bottom, "left": left, "right": right}}
    if label is not None:
        request |= {"save": "document", "label": label}
    response = yield from send(calls.infer_contour(sample_id, request, prefer=f"wait={wait_seconds}"), retrying)
    if response.status_code == httpx.codes.OK:
        return cast(Inference, response.json())
    job = yield from wait(cast(Job, response.json()), None, retrying)
    return cast(Inference, job["result"])


def open_document(sample_id: str, retrying: Retrying) -> Flow[OpenDocument]:
    """The annotations of a sample."""
    return _opened(sample_id, (yield from send(calls.get_annotations(sample_id), retrying)))


def save(opened: OpenDocument, items: Sequence[DocumentItem], retrying: Retrying) -> Flow[OpenDocument]:
    """Replace the annotations. Raises StaleError when somebody else has saved since.

    New objects get their ids here, so that a save that is sent again, its answer lost, is known for the same.
    """
    named: list[DocumentItem] = [{**item, "id": item.get("id") or str(uuid.uuid4())} for item in items]
    call = calls.replace_annotations(opened.sample_id, {"annotations": named}, if_match=opened.etag)
    return _opened(opened.sample_id, (yield from send(call, retrying)))


def request_of(call: Call[Any]) -> dict[str, Any]:
    """What httpx is told of a call."""
    content: dict[str, Any] = {}
    if call.json is not None:
        content["json"] = call.json
    if call.files is not None:
        content["files"] = [("files", file) for file in call.files]
    if call.content is not None:
        content["content"] = call.content
    return {
        "method": call.method,
        "url": call.path,
        "params": {name: _plain(value) for name, value in call.query.items() if value is not None},
        "headers": {name: value for name, value in call.headers.items() if value is not None},
        **content,
    }


def _plain(value: object) -> Any:
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value


def _named(call: Call[Any]) -> Call[Any]:
    if call.method != "POST" or call.headers.get(_KEY) is not None:
        return call
    headers: Mapping[str, str | None] = {**call.headers, _KEY: str(uuid.uuid4())}
    return replace(call, headers=headers)


def _is_repeatable(asked: Sent) -> bool:
    return asked.method in _REPEATABLE or (isinstance(asked, Call) and asked.headers.get(_KEY) is not None)


class _Patience:
    """Seconds that begin when they are first asked for."""

    def __init__(self, seconds: float):
        self._seconds = seconds
        self._end: float | None = None

    def lasts(self) -> bool:
        """Whether they have not all passed."""
        now = time.monotonic()
        self._end = now + self._seconds if self._end is None else self._end
        return now < self._end


def _passes(answer: httpx.Response) -> bool:
    return answer.status_code in _PASSING or _is_carried_out(answer)


def _is_carried_out(answer: Answer) -> bool:
    """Whether another request of the same key is at it: the one 409 that says when to come again."""
    return isinstance(answer, httpx.Response) and answer.status_code == 409 and "Retry-After" in answer.headers


def _told_to_wait(answer: Answer) -> float | None:
    try:
        return float(answer.headers["Retry-After"]) if isinstance(answer, httpx.Response) else None
    except (KeyError, ValueError):
        return None


def _opened(sample_id: str, response: httpx.Response) -> OpenDocument:
    return OpenDocument(sample_id, response.headers["ETag"], cast(Document, response.json()))
