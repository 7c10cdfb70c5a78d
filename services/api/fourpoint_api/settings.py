"""Settings of the HTTP process."""

import re
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from fourpoint_core.errors import SettingsError
from fourpoint_core.settings import MEBIBYTE, CoreSettings, FromVariables, metrics_directory, variable

_ORIGIN = re.compile(r"https?://([\w.-]+|\[[0-9a-fA-F:]+\])(:\d{1,5})?", re.ASCII)
_BASE = re.compile(_ORIGIN.pattern + r"(/[\w./-]*)?", re.ASCII)
LOOPBACK = {"127.0.0.1", "::1", "localhost"}


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
        "signs cursors and download links; 16 characters or more that nobody knows, the same on all replicas: "
        "`openssl rand -hex 32` makes some",
        "",
        secret=True,
    )
    storage_events_token: str = variable(
        "FOURPOINT_STORAGE_EVENTS_TOKEN",
        "what the bucket signs its notifications with; empty: none are taken",
        "",
        secret=True,
    )
    metrics_token: str = variable(
        "FOURPOINT_METRICS_TOKEN",
        "what Prometheus shows at GET /metrics in place of an admin's token; empty: admins only",
        "",
        secret=True,
    )
    max_file_bytes: int = variable("FOURPOINT_MAX_FILE_BYTES", "size limit of one uploaded image", 5 * MEBIBYTE)
    max_batch_bytes: int = variable(
        "FOURPOINT_MAX_BATCH_BYTES", "size limit of all images of one upload", 8 * MEBIBYTE
    )
    max_json_bytes: int = variable("FOURPOINT_MAX_JSON_BYTES", "size limit of a JSON body", 8 * MEBIBYTE)
    max_wait_seconds: float = variable(
        "FOURPOINT_MAX_WAIT_SECONDS",
        "longest `Prefer: wait`, and longest wait for another request of the same `Idempotency-Key`",
        30.0,
    )
    max_waiters: int = variable(
        "FOURPOINT_MAX_WAITERS",
        "requests of one process that may wait at once: half of them of one caller, and half event streams",
        24,
    )

    max_picture_bytes: int = variable(
        "FOURPOINT_MAX_PICTURE_BYTES", "size limit of an image that Label Studio or CVAT gives", 32 * MEBIBYTE
    )
    label_studio_url: str = variable(
        "FOURPOINT_LABEL_STUDIO_URL",
        "the Label Studio whose own images (/data/...) are fetched, as https://label.example.org; empty: none",
        "",
    )
    label_studio_token: str = variable(
        "FOURPOINT_LABEL_STUDIO_TOKEN",
        "token with which they are fetched: a personal access token of Label Studio, or a legacy one",
        "",
        secret=True,
    )

    cors_origins: str = variable(
        "FOURPOINT_CORS_ORIGINS",
        "origins of pages that may call the API, such as https://label.example.org, with commas between "
        "them; `*`: any; empty: pages of the API's own origin only",
        "",
    )
    rate_limit_token: int = variable(
        "FOURPOINT_RATE_LIMIT_TOKEN",
        "requests a minute with one token; 0: as many as come",
        30_000,
        may_be_zero=True,
    )
    rate_limit_address: int = variable(
        "FOURPOINT_RATE_LIMIT_ADDRESS",
        "requests a minute from one address, of all its tokens and of none; 0: as many as come",
        120_000,
        may_be_zero=True,
    )
    max_queued_jobs: int = variable(
        "FOURPOINT_MAX_QUEUED_JOBS", "jobs that may wait in one queue; more are refused with 503", 1000
    )
    hsts_seconds: int = variable(
        "FOURPOINT_HSTS_SECONDS",
        "how long browsers are to use https:// only; 0: nothing is said of it",
        0,
        may_be_zero=True,
    )
    trusted_proxies: int = variable(
        "FOURPOINT_TRUSTED_PROXIES",
        "proxies in front of the API whose X-Forwarded-For, -Proto and -Host are believed; 0: nobody's are",
        0,
        may_be_zero=True,
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

    oidc_issuer: str = variable(
        "FOURPOINT_OIDC_ISSUER", "whose access tokens are accepted, exactly as in their `iss`", ""
    )
    oidc_audience: str = variable("FOURPOINT_OIDC_AUDIENCE", "what has to be in their `aud`", "")
    oidc_jwks: str = variable(
        "FOURPOINT_OIDC_JWKS", "the provider's keys: path of a file, or an http(s) URL", ""
    )
    oidc_sign_up: bool = variable(
        "FOURPOINT_OIDC_SIGN_UP",
        "whether people whom the provider knows, and we do not yet, become users",
        True,
    )
    oidc_admin_claim: str = variable(
        "FOURPOINT_OIDC_ADMIN_CLAIM", "the claim that makes admins, e.g. groups; empty: none does", ""
    )
    oidc_admin_value: str = variable(
        "FOURPOINT_OIDC_ADMIN_VALUE", "what the claim has to be, or to hold when it is a list", ""
    )

    def check(self) -> None:
        """See FromVariables.check."""
        super().check()
        if len(self.secret_key) < 16 or self.secret_key.startswith("change-me"):
            # An earlier env.example had one, and with it anybody signs links to anything.
            raise SettingsError(
                "FOURPOINT_SECRET_KEY is not set, shorter than 16 characters, or from an example; "
                "set one of your own, the same on all replicas: `openssl rand -hex 32` makes one"
            )
        if self.storage_events_token and len(self.storage_events_token) < 16:
            raise SettingsError("FOURPOINT_STORAGE_EVENTS_TOKEN: give 16 characters or more")
        if self.metrics_token and len(self.metrics_token) < 16:
            raise SettingsError("FOURPOINT_METRICS_TOKEN: give 16 characters or more")
        if len({bool(value) for value in (self.oidc_issuer, self.oidc_audience, self.oidc_jwks)}) > 1:
            raise SettingsError("FOURPOINT_OIDC_ISSUER, _AUDIENCE and _JWKS: set all three, or none")
        if self.oidc_jwks.startswith("http://") and urlsplit(self.oidc_jwks).hostname not in LOOPBACK:
            # Who can answer in the provider's place could sign in as anybody.
            raise SettingsError("FOURPOINT_OIDC_JWKS: https:// only, or the path of a file")
        for origin in self.origins:
            if origin != "*" and not _ORIGIN.fullmatch(origin):
                raise SettingsError(
                    f"FOURPOINT_CORS_ORIGINS: {origin!r} is no origin; write https://host or https://host:port"
                )
        if self.label_studio_url and not _BASE.fullmatch(self.label_studio_url):
            raise SettingsError("FOURPOINT_LABEL_STUDIO_URL: write https://host or https://host:port/path")
        if bool(self.oidc_admin_claim) != bool(self.oidc_admin_value):
            raise SettingsError("FOURPOINT_OIDC_ADMIN_CLAIM and _ADMIN_VALUE: set both, or none")

    @property
    def origins(self) -> tuple[str, ...]:
        """The origins of pages that may call the API."""
        return tuple(origin for part in self.cors_origins.split(",") if (origin := part.strip()))


@dataclass(frozen=True)
class ServerSettings(FromVariables):
    """What gunicorn needs to know."""

    bind: str = variable("FOURPOINT_BIND", "address and port of the API", "127.0.0.1:8040")
    workers: int = variable("FOURPOINT_API_WORKERS", "processes of the API", 2)
    threads: int = variable("FOURPOINT_API_THREADS", "requests that a process serves at once", 32)
    drain_seconds: int = variable(
        "FOURPOINT_DRAIN_SECONDS",
        "how long a process that was told to end goes on taking requests, while /healthz says that it leaves: "
        "longer than a load balancer takes to notice; 0 where there is none",
        0,
        may_be_zero=True,
    )
    head_seconds: float = variable(
        "FOURPOINT_HEAD_SECONDS", "how long a client may take to send the head of a request", 10.0
    )
    body_seconds: float = variable(
        "FOURPOINT_BODY_SECONDS",
        "how long a body may take to come, or an answer to be taken, besides a second for each "
        "FOURPOINT_LEAST_RATE bytes of it",
        30.0,
    )
    least_rate: int = variable(
        "FOURPOINT_LEAST_RATE", "bytes of a body, or of an answer, that pass in a second at least", 4096
    )
    worker_tmp_dir: str = variable(
        "FOURPOINT_API_TEMPORARY_DIRECTORY",
        "where its processes show that they live; best in memory, as /dev/shm is; empty: the system's",
        "",
    )
    metrics_directory: str = metrics_directory()

    @property
    def graceful_seconds(self) -> int:
        """How long requests may take that are in flight when it is told to end: longer than they may wait."""
        return 35 + self.drain_seconds
