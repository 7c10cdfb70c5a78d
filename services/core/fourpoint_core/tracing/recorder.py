"""Spans by OpenTelemetry's SDK, sent by OTLP over HTTP. Loaded only where tracing is on.

Where to, how many and under which name is said by the standard variables, which the SDK reads itself:
OTEL_EXPORTER_OTLP_*, OTEL_TRACES_SAMPLER, OTEL_BSP_*, OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from fourpoint_core.tracing import HEADER, NOTHING, Facts, Kind, Span, Stages

_STOP_SECONDS = 2.0
# What happens before a message's job is known.
_CLAIM_STEPS = 10
# `tracestate` and baggage are left out: they hold whatever a stranger likes.
_propagator = TraceContextTextMapPropagator()


@dataclass(slots=True)
class _Room:
    """How many steps of the work at hand may still be told, and how many were not."""

    left: int
    left_out: int = 0


_room_var: ContextVar[_Room | None] = ContextVar("room", default=None)


class _Told:
    """See Span."""

    def __init__(self, span: trace.Span):
        self.span = span

    def say(self, facts: Facts) -> None:
        """See Span."""
        self.span.set_attributes(dict(facts))

    def fail(self, reason: str) -> None:
        """See Span."""
        self.span.set_attribute("error.type", reason)
        self.span.set_status(StatusCode.ERROR)

    def end(self) -> None:
        """See Span."""
        self.span.end()


class _Stages:
    """See Stages."""

    def __init__(self, recorder: "Recorder"):
        self._recorder = recorder
        self._around = context.get_current()
        self._thread = threading.get_ident()
        self._stage: str | None = None
        self._told: Span = NOTHING

    def enter(self, stage: str) -> None:
        """See Stages."""
        if stage == self._stage or threading.get_ident() != self._thread:
            return
        self.leave()
        self._stage = stage
        self._told = told = self._recorder.begin(stage, "internal", {})
        if isinstance(told, _Told):
            # Never detached: the work that is around all stages restores what was before it.
            context.attach(trace.set_span_in_context(told.span))

    def leave(self) -> None:
        """See Stages."""
        if self._stage is not None and threading.get_ident() == self._thread:
            self._told.end()
            context.attach(self._around)
            self._stage = None


class Recorder:
    """What tells of one process."""

    def __init__(self, role: str):
        named = {SERVICE_NAME: f"fourpoint-{role}", **OTELResourceDetector().detect().attributes}
        # Sends from a thread of its own, out of a queue that is bounded: what finds no room is dropped.
        self._provider = TracerProvider(resource=Resource.create(named), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("fourpoint")

    def stop(self) -> None:
        """Send what has not been sent, and wait for that no longer than somebody would who is to end."""
        sending = threading.Thread(target=self._provider.shutdown, name="last spans", daemon=True)
        sending.start()
        sending.join(_STOP_SECONDS)

    @contextmanager
    def work(self, name: str, kind: Kind, parent: str | None, facts: Facts, room: int) -> Iterator[Span]:
        """See `tracing.work`."""
        mine = _Room(room)
        outer = _room_var.set(mine)
        try:
            with self._entered(name, kind, facts, _context_of(parent)) as told:
                yield told
                if mine.left_out:
                    told.say({"fourpoint.steps_left_out": mine.left_out})
        finally:
            _room_var.reset(outer)

    def step(self, name: str, kind: Kind, facts: Facts) -> AbstractContextManager[Span]:
        """See `tracing.step`."""
        return self._entered(name, kind, facts, None) if _takes_room() else _nothing()

    def begin(self, name: str, kind: Kind, facts: Facts) -> Span:
        """See `tracing.begin`."""
        if not _takes_room():
            return NOTHING
        return _Told(self._tracer.start_span(name, kind=SpanKind[kind.upper()], attributes=dict(facts)))

    def fail(self, reason: str) -> None:
        """See `tracing.fail`."""
        _Told(trace.get_current_span()).fail(reason)

    def past(self, name: str, seconds: float, parent: str | None) -> None:
        """See `tracing.past`."""
        now = time.time_ns()
        began = now - int(seconds * 1e9)
        self._tracer.start_span(name, _context_of(parent), start_time=began).end(now)

    def stages(self) -> Stages:
        """See `tracing.stages`."""
        return _Stages(self)

    @contextmanager
    def continued(self, traceparent: str) -> Iterator[None]:
        """See `tracing.continued`."""
        token = context.attach(_context_of(traceparent) or context.get_current())
        outer = _room_var.set(_Room(_CLAIM_STEPS))
        try:
            yield
        finally:
            _room_var.reset(outer)
            context.detach(token)

    def traceparent(self) -> str | None:
        """See `tracing.traceparent`."""
        carrier: dict[str, str] = {}
        _propagator.inject(carrier)
        return carrier.get(HEADER)

    def ids(self) -> dict[str, str]:
        """See `tracing.ids`."""
        at_hand = trace.get_current_span().get_span_context()
        if not at_hand.is_valid:
            return {}
        return {
            "trace_id": trace.format_trace_id(at_hand.trace_id),
            "span_id": trace.format_span_id(at_hand.span_id),
        }

    @contextmanager
    def _entered(self, name: str, kind: Kind, facts: Facts, around: Context | None) -> Iterator[Span]:
        with self._tracer.start_as_current_span(
            name,
            around,
            SpanKind[kind.upper()],
            dict(facts),
            # What the SDK would note of an exception quotes parameters, addresses and names.
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            told = _Told(span)
            try:
                yield told
            except BaseException as error:
                told.fail(type(error).__name__)
                raise


@contextmanager
def _nothing() -> Iterator[Span]:
    yield NOTHING


def _takes_room() -> bool:
    """Whether a step is told: in work that is sampled, as long as there is room."""
    room = _room_var.get()
    if room is None or not trace.get_current_span().get_span_context().trace_flags.sampled:
        return False
    if room.left <= 0:
        room.left_out += 1
        return False
    room.left -= 1
    return True


def _context_of(traceparent: str | None) -> Context | None:
    """Where a span is to begin; None: where we are, also for what is no traceparent."""
    if not traceparent:
        return None
    found = _propagator.extract({HEADER: traceparent}, Context())
    return found if trace.get_current_span(found).get_span_context().is_valid else None
