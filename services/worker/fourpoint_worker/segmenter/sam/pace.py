"""Whether the encoder is fast enough for the watchdog, which takes a slow call for one that hangs."""

import logging

from fourpoint_core.errors import SettingsError

logger = logging.getLogger(__name__)
# Other work on the same processors makes a call several times as long as it was while warming up.
_RESERVE = 4


def require_pace(call_seconds: float, stage_seconds: float) -> None:
    """call_seconds: what a call of the encoder took. stage_seconds: after how long the process ends itself.

    Warns where there is little between them. Raises SettingsError where no new image could ever be answered.
    """
    measured = (
        f"A call of the encoder takes {call_seconds:.1f} s here, "
        f"and FOURPOINT_STAGE_SECONDS is {stage_seconds:g}"
    )
    if call_seconds > stage_seconds:
        raise SettingsError(
            f"{measured}: each new image would end the process. Raise it to {_RESERVE * call_seconds:.0f}, "
            "run a smaller model, or run on a GPU."
        )
    if call_seconds > stage_seconds / _RESERVE:
        logger.warning(
            "%s: other work on this machine may make calls longer than that, which would end the process; "
            "raise it to %.0f",
            measured,
            2 * _RESERVE * call_seconds,
        )
