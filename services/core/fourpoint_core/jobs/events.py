"""News of jobs over Redis: a hint that wakes whoever waits, never the truth."""

import json
import logging
from dataclasses import dataclass
from uuid import UUID

from redis import Redis
from redis.exceptions import RedisError

from fourpoint_core.domain.jobs import JobState

CHANNEL = "fourpoint:job-events"
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class JobEvent:
    """A job's state or progress changed; read the row for the rest."""

    job_id: UUID
    state: JobState

    def encode(self) -> bytes:
        """The message's bytes."""
        return json.dumps({"job_id": str(self.job_id), "state": self.state.value}).encode()

    @classmethod
    def decode(cls, message: bytes) -> "JobEvent":
        """The inverse of `encode`. Raises ValueError on anything else."""
        try:
            document = json.loads(message)
            return cls(UUID(document["job_id"]), JobState(document["state"]))
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError("The message is no news of a job.") from error


def announce(redis: "Redis", event: JobEvent) -> None:
    """Tell whoever waits. A Redis that is away only means that they hear of it later, from the row."""
    try:
        redis.publish(CHANNEL, event.encode())
    except RedisError as error:
        logger.warning("job event not published", extra={"reason": str(error)})
