"""What gunicorn serves: `fourpoint_api.wsgi:app`."""

import gc
import os

from fourpoint_api.app import create_app
from fourpoint_api.clients import build_clients
from fourpoint_api.settings import ApiSettings
from fourpoint_core import tracing
from fourpoint_core.imaging.memory import give_freed_memory_back
from fourpoint_core.logs import configure_logging

settings = ApiSettings.from_mapping(os.environ)
configure_logging(settings.log_level)
give_freed_memory_back()
if settings.tracing:
    tracing.start("api")
app = create_app(build_clients(settings))
# What is there by now stays: a full collection would look at all of it, and every request would wait.
gc.collect()
gc.freeze()
