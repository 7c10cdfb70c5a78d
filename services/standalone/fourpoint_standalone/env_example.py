"""`deploy/env.example`, out of the settings classes: `python -m fourpoint_standalone.env_example FILE`."""

import sys
import textwrap
from dataclasses import MISSING, Field, fields
from enum import Enum
from pathlib import Path
from typing import Any

from fourpoint_api.settings import ApiSettings, ServerSettings
from fourpoint_core.settings import FILE_SUFFIX, CoreSettings, FromVariables
from fourpoint_worker.segmenter.compact.settings import CompactSettings
from fourpoint_worker.segmenter.sam.settings import SamSettings
from fourpoint_worker.settings import WorkerSettings

_HEAD = f"""\
# Every variable of Fourpoint, with what it means and its default. Made by `make env-example`.
# A secret may lie in a file instead: <NAME>{FILE_SUFFIX}=/run/secrets/name.
"""
_SECTIONS: tuple[tuple[str, type[FromVariables]], ...] = (
    ("All processes", CoreSettings),
    ("The API", ApiSettings),
    ("The API's server", ServerSettings),
    ("The workers", WorkerSettings),
    ("The engine `compact`", CompactSettings),
    ("The engine `sam`", SamSettings),
)
# What has no default, what is refused without a value of one's own, and what compose.yaml makes so.
_EXAMPLES = {
    "FOURPOINT_DATABASE_URL": "postgresql://fourpoint_service:change-me-too@postgres:5432/fourpoint",
    "FOURPOINT_REDIS_URL": "redis://redis:6379/0",
    "FOURPOINT_STORAGE_URL": "http://minio:9000/fourpoint",
    "FOURPOINT_STORAGE_PUBLIC_URL": "http://localhost:9000/fourpoint",
    "FOURPOINT_STORAGE_ACCESS_KEY": "fourpoint",
    "FOURPOINT_STORAGE_SECRET_KEY": "change-me-change-me",
    # Nobody's: a key that everybody can read here would sign links for everybody.
    "FOURPOINT_SECRET_KEY": "",
}
_WIDTH = 110
# Read by OpenTelemetry itself, with FOURPOINT_TRACING=true. Others: https://opentelemetry.io/docs/specs/otel/configuration
_OPENTELEMETRY = """
## Traces, with FOURPOINT_TRACING=true: variables of OpenTelemetry, which knows more of them

# the collector, by OTLP over HTTP
# OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318

# what it wants to be shown, as authorization=Bearer%20...
# OTEL_EXPORTER_OTLP_HEADERS=

# which traces: parentbased_always_on, or parentbased_traceidratio with a share such as 0.1
# OTEL_TRACES_SAMPLER=parentbased_always_on
# OTEL_TRACES_SAMPLER_ARG=
"""


def text() -> str:
    """The whole file."""
    shown: set[str] = set()
    parts = [_HEAD]
    for title, kind in _SECTIONS:
        own = [item for item in fields(kind) if item.metadata["variable"] not in shown]
        shown.update(item.metadata["variable"] for item in own)
        parts.append(f"\n## {title}\n\n" + "\n".join(_entry(item) for item in own))
    return "".join([*parts, _OPENTELEMETRY])


def _entry(item: "Field[Any]") -> str:
    name = item.metadata["variable"]
    lines = textwrap.wrap(item.metadata["meaning"], _WIDTH, initial_indent="# ", subsequent_indent="# ")
    if name in _EXAMPLES:
        lines.append(f"{name}={_EXAMPLES[name]}")
    else:
        lines.append(f"# {name}={_written(item.default)}")
    return "\n".join(lines) + "\n"


def _written(default: Any) -> str:
    if default is MISSING:
        return ""
    if isinstance(default, bool):
        return str(default).lower()
    return str(default.value if isinstance(default, Enum) else default)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(text())
