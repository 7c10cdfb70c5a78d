"""Settings: frozen values, read once at a process's entry point from a mapping of variables.

A missing or malformed variable stops the start and is named in the message. Values are parsed,
never truth-tested: "false" is false.
"""

import math
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from enum import Enum
from pathlib import Path
from typing import Any, Self, get_type_hints
from urllib.parse import urlsplit

from fourpoint_core.errors import SettingsError
from fourpoint_core.outbound import parse_networks
from fourpoint_core.tracing import is_installed

GIBIBYTE = 1024**3
MEBIBYTE = 2**20
FILE_SUFFIX = "_FILE"
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off"}


def variable(
    name: str, meaning: str, default: Any = MISSING, *, secret: bool = False, may_be_zero: bool = False
) -> Any:
    """Declare a setting: its environment variable, what it means, and its default if it has one.

    secret: holds a password or a key, and is left out where the settings are printed.
    may_be_zero: of a number, which is above zero else.
    """
    metadata = {"variable": name, "meaning": meaning, "least": 0 if may_be_zero else None}
    return field(default=default, repr=not secret, metadata=metadata)


def metrics_directory() -> Any:
    """The setting of servers that have several processes."""
    return variable(
        "FOURPOINT_METRICS_DIRECTORY",
        "where processes of one server add up what they count; best in memory; empty: the system's directory",
        "",
    )


@dataclass(frozen=True)
class FromVariables:
    """Base of settings classes: every field is declared with `variable`."""

    @classmethod
    def from_mapping(cls, variables: Mapping[str, str]) -> Self:
        """Build from e.g. `os.environ`. Raises SettingsError naming every wrong or missing variable."""
        types = get_type_hints(cls)
        values: dict[str, Any] = {}
        problems: list[str] = []
        for item in fields(cls):
            name = item.metadata["variable"]
            try:
                text = given(variables, name, secret=not item.repr)
            except ValueError as error:
                problems.append(f"{name}{FILE_SUFFIX}: {error}")
                continue
            if text == "":
                if item.default is MISSING:
                    problems.append(f"{name} is not set: {item.metadata['meaning']}")
                continue
            try:
                values[item.name] = _parse(text, types[item.name])
            except ValueError as error:
                problems.append(f"{name}: {error}")
        if problems:
            raise SettingsError("\n".join(problems))
        settings = cls(**values)
        settings.check()
        return settings

    def check(self) -> None:
        """Reject combinations that parse but cannot work. Raises SettingsError."""


def given(variables: Mapping[str, str], name: str, *, secret: bool = False) -> str:
    """What a variable says; empty: nothing. A secret may also lie in the file that `<name>_FILE` names.

    Orchestrators mount secrets as files: what stands in the environment is shown by `inspect` and inherited by
    every child. Raises ValueError where the file cannot be read, or both are set.
    """
    text, path = variables.get(name, ""), variables.get(name + FILE_SUFFIX, "")
    if not secret or not path:
        return text
    if text:
        raise ValueError(f"{name} is set as well; leave one of the two out")
    try:
        return Path(path).read_text().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error


def _parse(text: str, kind: Any) -> Any:
    if kind is bool:
        lowered = text.strip().lower()
        if lowered in _TRUE | _FALSE:
            return lowered in _TRUE
        raise ValueError(f"{text!r} is neither true nor false")
    if kind is int:
        return int(text)
    if kind is float:
        number = float(text)
        if not math.isfinite(number):
            raise ValueError(f"{text!r} is not finite")
        return number
    if issubclass(kind, Enum):
        allowed = [str(member.value) for member in kind]
        if text not in allowed:
            raise ValueError(f"{text!r} is none of {', '.join(allowed)}")
        return kind(text)
    return text


@dataclass(frozen=True)
class CoreSettings(FromVariables):
    """What every Fourpoint process needs to know."""

    database_url: str = variable(
        "FOURPOINT_DATABASE_URL", "postgresql://user:password@host:5432/name", secret=True
    )
    redis_url: str = variable("FOURPOINT_REDIS_URL", "redis://host:6379/0", secret=True)
    storage_url: str = variable(
        "FOURPOINT_STORAGE_URL", "file:///directory, or https://endpoint/bucket (http:// without TLS)"
    )
    storage_public_url: str = variable(
        "FOURPOINT_STORAGE_PUBLIC_URL",
        "where clients reach the bucket, if not at FOURPOINT_STORAGE_URL: https://endpoint/bucket",
        "",
    )
    storage_access_key: str = variable("FOURPOINT_STORAGE_ACCESS_KEY", "access key of the bucket", "")
    storage_secret_key: str = variable(
        "FOURPOINT_STORAGE_SECRET_KEY", "secret key of the bucket", "", secret=True
    )
    storage_region: str = variable("FOURPOINT_STORAGE_REGION", "region of the bucket", "us-east-1")

    lease_seconds: float = variable(
        "FOURPOINT_LEASE_SECONDS", "how long a worker owns a job without renewing", 6.0
    )
    sweep_seconds: float = variable("FOURPOINT_SWEEP_SECONDS", "pause between two sweeps", 2.0)
    redispatch_seconds: float = variable(
        "FOURPOINT_REDISPATCH_SECONDS",
        "a queued job is published again after this, then ever more slowly",
        3.0,
    )
    upload_intent_seconds: float = variable(
        "FOURPOINT_UPLOAD_INTENT_SECONDS", "an upload that has not ended by then is undone", 3600.0
    )
    trash_days: float = variable(
        "FOURPOINT_TRASH_DAYS",
        "how long deleted samples can be restored; their objects stay in the bucket",
        7.0,
    )
    idempotency_hours: float = variable(
        "FOURPOINT_IDEMPOTENCY_HOURS", "how long the answer of an `Idempotency-Key` is kept", 24.0
    )
    outbound_networks: str = variable(
        "FOURPOINT_OUTBOUND_NETWORKS",
        "networks beside the public internet that addresses given by users may lead to, as 10.0.0.0/8",
        "",
    )
    webhook_log_days: float = variable(
        "FOURPOINT_WEBHOOK_LOG_DAYS", "how long the log of webhooks keeps what has ended", 30.0
    )
    export_days: float = variable(
        "FOURPOINT_EXPORT_DAYS", "how long the archive of an export can be downloaded", 7.0
    )
    picture_hours: float = variable(
        "FOURPOINT_PICTURE_HOURS",
        "how long images that Label Studio and CVAT sent for an outline lie in the bucket",
        24.0,
    )
    embeddings_seconds: int = variable(
        "FOURPOINT_EMBEDDINGS_SECONDS", "how long an embedding is kept that nobody asks for", 24 * 3600
    )
    max_import_bytes: int = variable(
        "FOURPOINT_MAX_IMPORT_BYTES", "archives and manifests that are imported may be so large", 5 * GIBIBYTE
    )
    max_image_pixels: int = variable(
        "FOURPOINT_MAX_IMAGE_PIXELS", "images that decode to more are refused", 100_000_000
    )
    decoders: int = variable(
        "FOURPOINT_DECODERS", "processes beside each of the API and of io that decode images for it", 1
    )
    decoder_bytes: int = variable(
        "FOURPOINT_DECODER_BYTES",
        "memory that one of them may take; 20 bytes for each of FOURPOINT_MAX_IMAGE_PIXELS do for all images",
        2560 * MEBIBYTE,
    )
    decoder_seconds: float = variable(
        "FOURPOINT_DECODER_SECONDS", "an image that takes longer is refused", 20.0
    )
    tracing: bool = variable(
        "FOURPOINT_TRACING",
        "whether traces are sent by OpenTelemetry; where to, and how many, its own variables say, OTEL_...",
        False,
    )
    log_level: str = variable("FOURPOINT_LOG_LEVEL", "DEBUG, INFO, WARNING or ERROR", "INFO")
    database_pool_size: int = variable("FOURPOINT_DATABASE_POOL", "connections a process keeps", 10)

    @property
    def visibility_timeout_seconds(self) -> int:
        """How long Redis waits before it delivers an unacknowledged message again.

        Longer than any lease: a redelivery is then the second safety net, never the first.
        """
        return max(60, round(self.lease_seconds * 4))

    def check(self) -> None:
        """See FromVariables.check."""
        scheme = urlsplit(self.storage_url).scheme
        if scheme not in {"file", "http", "https"}:
            raise SettingsError(f"FOURPOINT_STORAGE_URL: {scheme!r} is none of file, http, https")
        if not self.database_url.startswith("postgresql"):
            raise SettingsError("FOURPOINT_DATABASE_URL: only postgresql:// is supported")
        if self.log_level not in LOG_LEVELS:
            raise SettingsError(f"FOURPOINT_LOG_LEVEL: {self.log_level!r} is none of {', '.join(LOG_LEVELS)}")
        parse_networks(self.outbound_networks)
        if self.tracing and not is_installed():
            raise SettingsError("FOURPOINT_TRACING needs OpenTelemetry's SDK: `pip install 'fourpoint[otel]'`")
        for item in fields(self):
            value = getattr(self, item.name)
            if not isinstance(value, int | float) or isinstance(value, bool) or value > 0:
                continue
            if value < 0 or item.metadata.get("least") is None:
                raise SettingsError(f"{item.metadata['variable']}: must be above zero")
