"""Requests that name themselves: one effect, and the first answer again.

A key is taken before the request is carried out, redeemed in the transaction of its effect, and answered
after it. Whoever dies before the redemption has changed nothing, and the next attempt carries the request
out; whoever dies behind it leaves a key that says so, and nobody does the same thing twice. An attempt that
was thought dead and comes back finds that the key is no longer its own, and its effect is rolled back.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from fourpoint_core.errors import AnswerLostError, IdempotencyKeyReusedError, RequestInProgressError
from fourpoint_core.store.models import IdempotencyKey
from fourpoint_core.store.session import noted_result


@dataclass(frozen=True, slots=True)
class Attempt:
    """The right to carry a request out, as long as the id is the row's. key: what it goes by."""

    user_id: UUID
    key: str
    id: UUID


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request was answered with.

    headers: those that belong to the answer, and not to its journey. body: as it is kept, sealed.
    """

    status: int
    headers: dict[str, Any]
    body: bytes


@dataclass(frozen=True, slots=True)
class Earlier:
    """An effect whose answer nobody kept. result: what it made."""

    result: dict[str, Any]


def take(session: Session, attempt: Attempt, fingerprint: str, patience: timedelta) -> Answer | Earlier | None:
    """Take the key for an attempt, or return the answer that it got before; or what the answer is made of.

    patience: how long an attempt may be silent until another one takes its place.
    Raises IdempotencyKeyReusedError for another request, RequestInProgressError while somebody is at it,
    and AnswerLostError where the effect is there, and nothing tells what was answered.
    """
    row = _taken(session, attempt, fingerprint, patience)
    if row.fingerprint != fingerprint:
        raise IdempotencyKeyReusedError(
            "This Idempotency-Key came with another request before; give each request a key of its own."
        )
    if row.status is not None:
        return Answer(row.status, row.headers or {}, row.body or b"")
    if row.attempt == attempt.id:
        return None
    if session.scalar(select(row.attempt_expires_at > func.clock_timestamp())):
        raise RequestInProgressError("A request with this Idempotency-Key is being carried out; wait for it.")
    if row.redeemed_at is not None and row.result is None:
        raise AnswerLostError("This request was carried out, and its answer was lost on the way.")
    row.attempt = attempt.id
    row.attempt_expires_at = func.clock_timestamp() + patience
    session.flush()
    return None if row.result is None else Earlier(row.result)


def is_settled(connection: Connection, attempt: Attempt) -> bool:
    """Whether nobody is at the request of this key any more: it is answered, or free for another attempt."""
    is_over = IdempotencyKey.status.is_not(None) | (IdempotencyKey.attempt_expires_at <= func.clock_timestamp())
    return connection.scalar(select(is_over).where(*_of_key(attempt))) is not False


def redeem(session: Session, attempt: Attempt) -> None:
    """Bind what this transaction does to the attempt. Raises RequestInProgressError where it lost its key.

    What an earlier transaction of the attempt has noted stays, unless this one notes something itself.
    """
    noted = noted_result(session)
    kept = session.scalar(
        update(IdempotencyKey)
        .where(*_held(attempt))
        .values(
            redeemed_at=func.coalesce(IdempotencyKey.redeemed_at, func.clock_timestamp()),
            result=IdempotencyKey.result if noted is None else noted,
        )
        .returning(IdempotencyKey.key)
        .execution_options(synchronize_session=False)
    )
    if kept is None:
        raise RequestInProgressError(
            "This attempt took too long, and another one with the same Idempotency-Key took its place."
        )


def is_redeemed(session: Session, attempt: Attempt) -> bool:
    """Whether the request has had its effect."""
    redeemed_at = session.scalar(select(IdempotencyKey.redeemed_at).where(*_held(attempt)))
    return redeemed_at is not None


def keep(session: Session, attempt: Attempt, answer: Answer) -> None:
    """Keep the answer for whoever asks again."""
    values = {"status": answer.status, "headers": answer.headers, "body": answer.body}
    session.execute(update(IdempotencyKey).where(*_held(attempt)).values(values))


def give_back(session: Session, attempt: Attempt) -> None:
    """Let the same request be carried out again at once; it had no effect."""
    session.execute(
        update(IdempotencyKey).where(*_held(attempt)).values(attempt_expires_at=func.clock_timestamp())
    )


def forget_old(session: Session, after: timedelta) -> None:
    """Remove keys that have served their time."""
    session.execute(delete(IdempotencyKey).where(IdempotencyKey.created_at < func.clock_timestamp() - after))


def _taken(session: Session, attempt: Attempt, fingerprint: str, patience: timedelta) -> IdempotencyKey:
    """The key's row, locked; of requests that come at once, one makes it and the others wait here."""
    session.execute(
        insert(IdempotencyKey)
        .values(
            user_id=attempt.user_id,
            key=attempt.key,
            fingerprint=fingerprint,
            attempt=attempt.id,
            attempt_expires_at=func.clock_timestamp() + patience,
        )
        .on_conflict_do_nothing()
    )
    return session.scalars(select(IdempotencyKey).where(*_of_key(attempt)).with_for_update()).one()


def _of_key(attempt: Attempt) -> tuple[Any, ...]:
    return IdempotencyKey.user_id == attempt.user_id, IdempotencyKey.key == attempt.key


def _held(attempt: Attempt) -> tuple[Any, ...]:
    return *_of_key(attempt), IdempotencyKey.attempt == attempt.id
