"""Log lines: one JSON object each, that says which request and which job it belongs to."""

import json
import logging
import threading
from collections.abc import Iterator

import httpx
import pytest

from fourpoint_core.logs import JsonFormatter, configure_logging, job_id_var, log_context, request_id_var


def line(message: str = "done", *arguments: object, **extra: object) -> dict:
    record = logging.getLogger("test").makeRecord(
        "test", logging.INFO, "file", 1, message, arguments, None, extra=extra
    )
    text = JsonFormatter().format(record)
    assert "\n" not in text
    return json.loads(text)


def test_a_line_says_what_when_and_how_bad() -> None:
    written = line("done with %s", "it")
    assert (written["message"], written["level"], written["logger"]) == ("done with it", "INFO", "test")
    assert written["time"].endswith("+00:00")


def test_what_is_given_as_extra_becomes_a_key() -> None:
    assert line(milliseconds=5)["milliseconds"] == 5


def test_a_line_names_its_request_and_its_job() -> None:
    with log_context(request_id="r", job_id="j"):
        written = line()
    assert (written["request_id"], written["job_id"]) == ("r", "j")


def test_outside_of_both_a_line_names_neither() -> None:
    assert {"request_id", "job_id"}.isdisjoint(line())


def test_an_inner_context_keeps_what_it_does_not_name() -> None:
    with log_context(request_id="r"), log_context(job_id="j"):
        assert (request_id_var.get(), job_id_var.get()) == ("r", "j")


def test_a_context_ends_with_its_block() -> None:
    with log_context(request_id="outer"):
        with log_context(request_id="inner"):
            pass
        assert request_id_var.get() == "outer"


def test_threads_do_not_share_their_context() -> None:
    seen = []
    with log_context(request_id="mine"):
        other = threading.Thread(target=lambda: seen.append(request_id_var.get()))
        other.start()
        other.join()
    assert seen == [None]


def test_a_message_with_line_breaks_stays_one_line() -> None:
    assert line("a\nb")["message"] == "a\nb"


def test_what_json_does_not_know_is_written_as_text() -> None:
    assert line(where={1})["where"] == "{1}"


def test_an_exception_is_part_of_its_line() -> None:
    try:
        raise ValueError("of a kind")
    except ValueError as error:
        information = (type(error), error, error.__traceback__)
        record = logging.LogRecord("test", logging.ERROR, "file", 1, "failed", (), information)
    assert "ValueError: of a kind" in json.loads(JsonFormatter().format(record))["exception"]


@pytest.fixture
def configured(capfd: pytest.CaptureFixture[str]) -> Iterator[pytest.CaptureFixture[str]]:
    """Logging as a process sets it up; what it writes."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configure_logging("INFO")
    yield capfd
    logging.captureWarnings(False)
    root.handlers[:], root.level = handlers, level


def test_no_address_that_is_called_stands_in_a_log(configured: pytest.CaptureFixture[str]) -> None:
    anybody = httpx.MockTransport(lambda request: httpx.Response(200))
    httpx.Client(transport=anybody).get("https://hooks.example.org/?key=secret")
    assert configured.readouterr().err == ""
