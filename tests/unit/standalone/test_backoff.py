from fourpoint_standalone.supervisor import (
    FIRST_PAUSE_SECONDS,
    LONGEST_PAUSE_SECONDS,
    STEADY_SECONDS,
    WATCHDOG_STATUS,
    Backoff,
    how_it_ended,
)


def test_each_early_end_doubles_the_pause():
    backoff = Backoff()
    pauses = [backoff.pause_seconds(1, lived_seconds=0.1) for _ in range(3)]
    assert pauses == [FIRST_PAUSE_SECONDS, 2 * FIRST_PAUSE_SECONDS, 4 * FIRST_PAUSE_SECONDS]


def test_the_pause_has_an_upper_bound():
    backoff = Backoff()
    assert [backoff.pause_seconds(1, 0.1) for _ in range(50)][-1] == LONGEST_PAUSE_SECONDS


def test_a_service_that_lived_a_while_starts_over_with_the_first_pause():
    backoff = Backoff()
    for _ in range(5):
        backoff.pause_seconds(1, lived_seconds=0.1)
    assert backoff.pause_seconds(1, lived_seconds=STEADY_SECONDS) == FIRST_PAUSE_SECONDS


def test_a_worker_that_its_watchdog_ended_is_started_at_once():
    backoff = Backoff()
    assert [backoff.pause_seconds(WATCHDOG_STATUS, 0.1) for _ in range(3)] == [0, 0, 0]


def test_a_signal_is_named_whether_popen_or_a_keeper_tells_of_it():
    assert how_it_ended(-9) == how_it_ended(128 + 9) == "was ended by SIGKILL"


def test_a_status_is_a_number():
    assert how_it_ended(70) == "ended with status 70"
