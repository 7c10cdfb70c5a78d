"""What the proxy of compose.yaml answers where no replica does."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_ANSWER = re.compile(
    r"^ +http-error status (\d+) content-type (\S+) string '(.*)'(?: hdr Retry-After (\d+))?$", re.M
)
ANSWERS = _ANSWER.findall((ROOT / "deploy" / "haproxy.cfg").read_text())


def test_it_says_everything_that_it_may_have_to_say_itself() -> None:
    assert [status for status, *_ in ANSWERS] == ["408", "502", "503", "504"]


@pytest.mark.parametrize(("status", "media_type", "said", "pause"), ANSWERS)
def test_it_speaks_as_the_api_does(status: str, media_type: str, said: str, pause: str) -> None:
    problem = json.loads(said)
    assert media_type == "application/problem+json"
    assert problem["status"] == int(status)
    assert problem["type"] == f"urn:fourpoint:problem:{problem['code']}"
    assert {"title", "detail", "errors"} <= set(problem)
    assert bool(pause) == status.startswith("5")
    assert f"`{problem['code']}`" in (ROOT / "docs" / "api.md").read_text()
