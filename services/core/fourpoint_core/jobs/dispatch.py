"""Publish a job's message after its row is committed. Losing the message costs time, not the job."""

import logging
from collections.abc import Sequence
from uuid import UUID

from celery import Celery
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from fourpoint_core.jobs.contracts import KINDS
from fourpoint_core.store.queries import jobs
from fourpoint_core.store.session import Sessions, unhurried_commit

logger = logging.getLogger(__name__)


class Dispatcher:
    """Sends messages and stamps the rows they are about."""

    def __init__(self, app: Celery, sessions: Sessions):
        self._app = app
        self._sessions = sessions

    def dispatch(self, messages: Sequence[jobs.Message]) -> int:
        """Publish the messages; returns how many went out. The sweep sends the others later."""
        published: list[UUID] = []
        for message in messages:
            try:
                self._publish(message)
            except (OperationalError, RedisError, OSError) as error:
                logger.warning(
                    "message not published; the sweep will",
                    extra={"reason": str(error), "job": message.job_id},
                )
                break
            published.append(message.job_id)
        if published:
            with unhurried_commit(self._sessions) as session:
                jobs.stamp_dispatch(session, published)
        return len(published)

    def _publish(self, message: jobs.Message) -> None:
        kind = KINDS[message.kind]
        self._app.send_task(
            kind.task_name, args=[str(message.job_id)], queue=message.queue, retry=False, ignore_result=True
        )
