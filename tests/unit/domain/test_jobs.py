"""Who may move a job from one state to the next."""

from datetime import UTC, datetime, timedelta

import pytest

from fourpoint_core.domain.jobs import JobSituation, JobState, Verdict, judge, retry_pause

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SOON, PAST = NOW + timedelta(seconds=5), NOW - timedelta(seconds=5)


def job(**changes: object) -> JobSituation:
    facts: dict[str, object] = {
        "state": JobState.QUEUED,
        "attempts": 0,
        "max_attempts": 3,
        "lease_expires_at": None,
        "deadline_at": SOON,
        "run_after": None,
        "cancel_requested": False,
    }
    return JobSituation(**{**facts, **changes})  # type: ignore[arg-type]


def test_a_queued_job_may_run() -> None:
    assert judge(job(), NOW) is Verdict.RUN


@pytest.mark.parametrize("state", [JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED])
def test_a_job_that_has_ended_is_left_alone(state: JobState) -> None:
    assert judge(job(state=state, cancel_requested=True), NOW) is Verdict.LEAVE


def test_a_running_job_under_a_live_lease_is_its_owners() -> None:
    assert judge(job(state=JobState.RUNNING, lease_expires_at=SOON), NOW) is Verdict.LEAVE


def test_a_running_job_whose_lease_expired_may_run_again() -> None:
    assert judge(job(state=JobState.RUNNING, lease_expires_at=PAST), NOW) is Verdict.RUN


def test_a_cancelled_job_does_not_run() -> None:
    assert judge(job(cancel_requested=True), NOW) is Verdict.CANCEL


def test_a_job_past_its_deadline_expires() -> None:
    assert judge(job(deadline_at=PAST), NOW) is Verdict.EXPIRE


def test_a_job_without_attempts_left_is_exhausted() -> None:
    assert judge(job(attempts=3), NOW) is Verdict.EXHAUST


def test_a_job_that_must_wait_is_left_alone() -> None:
    assert judge(job(run_after=SOON), NOW) is Verdict.LEAVE


def test_pauses_between_tries_double_up_to_a_minute() -> None:
    assert [retry_pause(n).total_seconds() for n in (1, 2, 3, 10)] == [1, 2, 4, 60]
