"""A thread that does one thing again and again."""

import logging
import threading
from collections.abc import Callable

from fourpoint_core.errors import FourpointError

logger = logging.getLogger(__name__)


class Periodic:
    """Calls `action` every `seconds` until stopped; what one round raises is logged, and the next one comes."""

    def __init__(self, name: str, seconds: float, action: Callable[[], None]):
        self._seconds = seconds
        self._action = action
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin, with a first round at once."""
        self._thread.start()

    def stop(self) -> None:
        """End, and wait for a round in hand to finish."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def _run(self) -> None:
        while True:
            self._round()
            if self._stop.wait(self._seconds):
                return

    def _round(self) -> None:
        try:
            self._action()
        except FourpointError as error:
            logger.warning("%s failed this time", self._thread.name, extra={"reason": error.detail})
        except Exception:
            # A thread that ended here would take leases or the sweep with it, silently.
            logger.exception("%s failed this time", self._thread.name)
