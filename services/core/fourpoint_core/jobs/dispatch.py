"""Publish a job's message after its row is committed. Losing the message costs time, not the job."""

import logging
from collections.abc import Sequence

from celery import Celery
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from fourpoint_core import tracing
from fourpoint_core.jobs.contracts import KINDS
from fourpoint_core.store.queries import jobs
from fourpoint_core.store.session import Sessions, unhurried_commit

logger = logging.getLogger(__name__)


class Dispatcher:
    """Sends the messages of jobs that are committed, and that count as dispatched."""

    def __init__(self, app: Celery, sessions: Sessions):
        self._app = app
        self._sessions = sessions

    def dispatch(self, messages: Sequence[jobs.Message]) -> int:
        """Publish the messages; returns how many went out. The sweep sends the others later."""
        for sent, message in enumerate(messages):
            try:
                self._publish(message)
            except (OperationalError, RedisError, OSError) as error:
                self._leave_to_the_sweep(messages[sent:], error)
                return sent
        return len(messages)

    def _leave_to_the_sweep(self, messages: Sequence[jobs.Message], error: Exception) -> None:
        logger.warning(
            "messages not published; the sweep will", extra={"reason": str(error), "count": len(messages)}
        )
        with unhurried_commit(self._sessions) as session:
            jobs.take_back_dispatch(session, [message.job_id for message in messages])

    def _publish(self, message: jobs.Message) -> None:
        kind = KINDS[message.kind]
        facts = {"messaging.destination.name": message.queue, "fourpoint.job_id": str(message.job_id)}
        # In the job's own trace, also when the sweep publishes it again.
        with tracing.work(f"publish {message.queue}", "producer", parent=message.traceparent, facts=facts):
            traceparent = tracing.traceparent()
            self._app.send_task(
                kind.task_name,
                args=[str(message.job_id)],
                queue=message.queue,
                headers=None if traceparent is None else {tracing.HEADER: traceparent},
                retry=False,
                ignore_result=True,
            )
