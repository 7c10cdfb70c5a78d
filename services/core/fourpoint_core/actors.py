"""On whose behalf something happens: set where a request, a job or a command begins, for the audit log."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class Via(StrEnum):
    """The way somebody came. DATABASE: past this service, or with a version that did not say."""

    API = "api"
    WORKER = "worker"
    COMMAND_LINE = "command line"
    DATABASE = "database"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts. user_id: None where nobody is signed in. name: of somebody who is no user.

    address: of the client, as far as proxies are believed. job_id: of the job that acts in the user's name.
    """

    via: Via
    user_id: UUID | None = None
    name: str | None = None
    token_id: UUID | None = None
    address: str | None = None
    request_id: str | None = None
    job_id: UUID | None = None

    def to_json(self) -> str:
        """As the triggers of the audit log read it: what is not known is left out."""
        known = {
            "via": self.via.value,
            "user_id": self.user_id,
            "name": self.name,
            "token_id": self.token_id,
            "address": self.address,
            "request_id": self.request_id,
            "job_id": self.job_id,
        }
        return json.dumps({key: str(value) for key, value in known.items() if value is not None})


actor_var: ContextVar[Actor | None] = ContextVar("actor", default=None)


@contextmanager
def acting(actor: Actor) -> Iterator[None]:
    """Do what is inside on somebody's behalf."""
    token = actor_var.set(actor)
    try:
        yield
    finally:
        actor_var.reset(token)
