"""Settings of the HTTP process."""

from dataclasses import dataclass
from enum import StrEnum

from fourpoint_core.errors import SettingsError
from fourpoint_core.settings import MEBIBYTE, CoreSettings, variable


class Auth(StrEnum):
    """Whether callers must say who they are."""

    REQUIRED = "required"
    OFF = "off"


@dataclass(frozen=True)
class ApiSettings(CoreSettings):
    """What only the API needs, on top of CoreSettings."""

    # Defaults keep the dataclass valid after its parent's; an empty secret is refused in `check`.
    secret_key: str = variable(
        "FOURPOINT_SECRET_KEY",
        "signs cursors; 16 characters or more, the same on all replicas",
        "",
        secret=True,
    )
    max_file_bytes: int = variable("FOURPOINT_MAX_FILE_BYTES", "size limit of one uploaded image", 5 * MEBIBYTE)
    max_batch_bytes: int = variable(
        "FOURPOINT_MAX_BATCH_BYTES", "size limit of all images of one upload", 8 * MEBIBYTE
    )
    max_json_bytes: int = variable("FOURPOINT_MAX_JSON_BYTES", "size limit of a JSON body", 4 * MEBIBYTE)
    max_wait_seconds: float = variable("FOURPOINT_MAX_WAIT_SECONDS", "longest `Prefer: wait`", 30.0)
    max_waiters: int = variable(
        "FOURPOINT_MAX_WAITERS", "requests of one process that may wait for jobs at once", 24
    )

    auth: Auth = variable(
        "FOURPOINT_AUTH",
        "`required`, or `off`: everybody who reaches the API is the built-in user, an admin",
        Auth.REQUIRED,
    )
    auth_cache_seconds: float = variable(
        "FOURPOINT_AUTH_CACHE_SECONDS", "how long a revoked token may go on at most", 5.0
    )
    max_token_days: int = variable("FOURPOINT_MAX_TOKEN_DAYS", "longest life of an API token", 365)

    def check(self) -> None:
        """See FromVariables.check."""
        super().check()
        if len(self.secret_key) < 16:
            raise SettingsError("FOURPOINT_SECRET_KEY is not set, or shorter than 16 characters")
