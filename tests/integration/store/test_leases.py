"""The quick claim of a waiting job, against the rule that it is a part of."""

from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from sqlalchemy import update
from tests.factories import make_dataset, make_job, make_sample

from fourpoint_core.domain.jobs import JobState, Verdict, judge
from fourpoint_core.store.models import Job
from fourpoint_core.store.queries import job_transitions, jobs, leases
from fourpoint_core.store.session import Sessions, autocommit, unit_of_work

HOUR = timedelta(hours=1)
SITUATIONS = [
    {
        "state": state.value,
        "attempts": attempts,
        "deadline_at": deadline,
        "run_after": run_after,
        "cancel_requested_at": cancelled,
        "lease_expires_at": lease,
    }
    for state, attempts, deadline, run_after, cancelled, lease in product(
        JobState, (0, 5), (-HOUR, HOUR), (None, -HOUR, HOUR), (None, -HOUR), (None, -HOUR, HOUR)
    )
]


@pytest.fixture
def job(sessions: Sessions) -> Job:
    """A queued click."""
    return make_job(sessions, make_sample(sessions, make_dataset(sessions)))


def _put(sessions: Sessions, job: Job, situation: dict[str, Any]) -> None:
    now = datetime.now(UTC)
    values = {name: now + value if isinstance(value, timedelta) else value for name, value in situation.items()}
    with unit_of_work(sessions) as session:
        session.execute(update(Job).where(Job.id == job.id).values(max_attempts=5, **values))


def _claim(sessions: Sessions, job: Job) -> leases.ClaimedJob | None:
    with autocommit(sessions) as session:
        return leases.claim_waiting(session, job.id, "worker", 30)


def test_the_quick_claim_takes_exactly_the_queued_jobs_that_may_run(sessions: Sessions, job: Job) -> None:
    for situation in SITUATIONS:
        _put(sessions, job, situation)
        with unit_of_work(sessions) as session:
            row = jobs.get_job(session, job.id)
            verdict = judge(job_transitions.situation(row), job_transitions.database_time(session))
        may_run = situation["state"] == JobState.QUEUED.value and verdict is Verdict.RUN
        assert (_claim(sessions, job) is not None) is may_run, situation


def test_the_quick_claim_leaves_the_row_and_the_try_that_the_careful_one_leaves(
    sessions: Sessions, job: Job
) -> None:
    other = make_job(sessions, make_sample(sessions, make_dataset(sessions)))
    quick = _claim(sessions, job)
    with unit_of_work(sessions) as session:
        careful = leases.claim(session, other.id, "worker", 30)
    assert quick is not None and careful is not None
    assert (quick.payload, quick.created_by, quick.lease.number) == (job.payload, job.created_by, 1)
    assert quick.seconds_left == pytest.approx(careful.seconds_left, abs=5)
    assert 0 < quick.seconds_queued < 5
    with unit_of_work(sessions) as session:
        rows = [jobs.get_job(session, each.id) for each in (job, other)]
        tries = [jobs.attempts_of(session, each.id) for each in (job, other)]
    states = [(row.state, row.worker, row.attempts, row.lease_number, row.run_after) for row in rows]
    assert states[0] == states[1]
    assert all(row.started_at is not None and row.lease_expires_at is not None for row in rows)
    assert [(len(each), each[0].worker, each[0].outcome) for each in tries] == [(1, "worker", None)] * 2


def test_a_job_is_claimed_once(sessions: Sessions, job: Job) -> None:
    assert _claim(sessions, job) is not None
    assert _claim(sessions, job) is None
