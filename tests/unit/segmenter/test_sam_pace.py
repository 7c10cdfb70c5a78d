"""An encoder that the watchdog would take for one that hangs is found out at the start."""

import math

import pytest

from fourpoint_core.errors import SettingsError
from fourpoint_worker.segmenter.sam.pace import require_pace


def test_a_call_that_outlasts_a_stage_is_refused_with_what_to_set() -> None:
    with pytest.raises(
        SettingsError, match=r"takes 40\.0 s here.*FOURPOINT_STAGE_SECONDS is 30.*Raise it to 160"
    ):
        require_pace(40, 30)


def test_a_call_that_would_outlast_a_stage_on_a_busy_machine_is_warned_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    require_pace(8, 30)
    assert "takes 8.0 s here" in caplog.text and "raise it to 64" in caplog.text


@pytest.mark.parametrize(("call", "stage"), [(0.5, 30), (100, math.inf)])
def test_a_call_that_leaves_room_is_not_spoken_of(
    caplog: pytest.LogCaptureFixture, call: float, stage: float
) -> None:
    require_pace(call, stage)
    assert caplog.text == ""
