"""Spans of what this process does, for OpenTelemetry; where tracing is off, nothing is loaded and nothing done.

Work is what begins here: a request, a message, a try at a job. Steps are parts of it, and are told only inside
of work, so that what goes on by itself (the sweep, renewing leases) makes no traces. Facts are what a span says
beside its name: never a parameter of SQL, a header, an address or a text that a person wrote.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from fourpoint_core.tracing.recorder import Recorder

Facts = Mapping[str, str | int | float]
Kind = Literal["internal", "server", "client", "producer", "consumer"]
# Steps of one piece of work that are told; a long job has millions.
ROOM = 500
# Of a request, and of a message.
HEADER = "traceparent"


class Span(Protocol):
    """Something that has begun."""

    def say(self, facts: Facts) -> None:
        """Add facts."""

    def fail(self, reason: str) -> None:
        """It went wrong. reason: a code, or the name of a class; messages of errors quote values."""

    def end(self) -> None:
        """It is over; only for what `begin` began."""


class Stages(Protocol):
    """Steps of which one ends where the next begins; told on the thread that asked for them, and no other."""

    def enter(self, stage: str) -> None:
        """The next one begins."""

    def leave(self) -> None:
        """The last one is over."""


class _Nothing:
    """What there is while tracing is off."""

    def say(self, facts: Facts) -> None: ...

    def fail(self, reason: str) -> None: ...

    def end(self) -> None: ...

    def enter(self, stage: str) -> None: ...

    def leave(self) -> None: ...


NOTHING = _Nothing()
_NO_BLOCK: AbstractContextManager[Span] = nullcontext(NOTHING)
_recorder: "Recorder | None" = None


def is_installed() -> bool:
    """Whether what sends spans is there: the extra `otel`."""
    try:
        return (
            find_spec("opentelemetry.sdk") is not None and find_spec("opentelemetry.exporter.otlp") is not None
        )
    except ModuleNotFoundError:
        return False


def start(role: str) -> None:
    """Tell of this process from now on, as the variables OTEL_* say; to be called after any fork.

    role: api, inference or io.
    """
    global _recorder  # noqa: PLW0603 - one a process, as logging is
    # Loaded where it is asked for, and nowhere else.
    from fourpoint_core.tracing.recorder import Recorder  # noqa: PLC0415

    _recorder = Recorder(role)


def stop() -> None:
    """Send what has not been sent, for two seconds at most."""
    global _recorder
    recorder, _recorder = _recorder, None
    if recorder is not None:
        recorder.stop()


def work(
    name: str,
    kind: Kind = "internal",
    *,
    parent: str | None = None,
    facts: Facts | None = None,
    room: int = ROOM,
) -> AbstractContextManager[Span]:
    """A piece of work, of the trace that `parent` names, else of the one that it is in, else of a new one.

    parent: a W3C traceparent. room: how many of its steps are told.
    """
    return _NO_BLOCK if _recorder is None else _recorder.work(name, kind, parent, facts or {}, room)


def step(name: str, kind: Kind = "internal", facts: Facts | None = None) -> AbstractContextManager[Span]:
    """A part of the work at hand; outside of work, nothing."""
    return _NO_BLOCK if _recorder is None else _recorder.step(name, kind, facts or {})


def begin(name: str, kind: Kind, facts: Facts) -> Span:
    """A step that ends when `end` is called; what happens meanwhile is no part of it."""
    return NOTHING if _recorder is None else _recorder.begin(name, kind, facts)


def fail(reason: str) -> None:
    """The work at hand went wrong; see `Span.fail`."""
    if _recorder is not None:
        _recorder.fail(reason)


def past(name: str, seconds: float, parent: str | None) -> None:
    """A step that has just ended and took so long."""
    if _recorder is not None:
        _recorder.past(name, seconds, parent)


def stages() -> Stages:
    """The stages of the work at hand."""
    return NOTHING if _recorder is None else _recorder.stages()


def continued(traceparent: str | None) -> AbstractContextManager[object]:
    """What is inside belongs to a trace that another process began."""
    return _NO_BLOCK if _recorder is None or traceparent is None else _recorder.continued(traceparent)


def traceparent() -> str | None:
    """The W3C traceparent of the span at hand, for whoever goes on with it; None: there is none."""
    return None if _recorder is None else _recorder.traceparent()


def ids() -> Mapping[str, str]:
    """`trace_id` and `span_id` of the span at hand, for logs; empty: there is none."""
    return {} if _recorder is None else _recorder.ids()
