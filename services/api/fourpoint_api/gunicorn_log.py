"""gunicorn's own lines, as JSON like all others."""

import logging
from typing import Any

from gunicorn.glogging import Logger

from fourpoint_core.logs import JsonFormatter


class JsonLogger(Logger):
    """See gunicorn; whatever it was to be written like."""

    def _set_handler(self, log: logging.Logger, output: Any, fmt: Any, stream: Any = None) -> None:
        super()._set_handler(log, output, JsonFormatter(), stream)
