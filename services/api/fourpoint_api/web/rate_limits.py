"""How often a token and an address may ask: counted in Redis, in one round trip before anything else is done.

Each limit is a number of requests a minute, kept by the generic cell rate algorithm: so many may come at once,
and they come back evenly. What is refused does not count. Redis is a hint here as elsewhere: where it is away,
requests pass, and for a moment nobody asks it again.

A token counts as one however it is written, known or not; who tries out tokens meets the limit of the address.
"""

import hashlib
import ipaddress
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil

from flask import Flask, Response, g, request
from redis import Redis
from redis.exceptions import RedisError

from fourpoint_api.settings import ApiSettings
from fourpoint_api.web.credentials import authorization
from fourpoint_api.web.problems import TooManyRequestsError
from fourpoint_api.web.signing_in import token_in

WINDOW_SECONDS = 60
# Whoever asks whether the service lives must hear it, however much is asked besides.
UNLIMITED = {"/healthz", "/readyz"}
PREFIX = "fourpoint:rate:"
_PATIENCE_SECONDS = 0.25
_PAUSE_SECONDS = 1.0
# Time is Redis's own, so that processes with other clocks count alike. Per key: what is left, milliseconds
# until all is back, and milliseconds until one request may come (0: this one may).
_SCRIPT = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + clock[2] / 1000
local arrivals, answer, refused = {}, {}, false
for i, key in ipairs(KEYS) do
  local limit, window = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local due = math.max(tonumber(redis.call('GET', key) or 0), now) + window / limit
  arrivals[i] = {due, window, limit}
  if due - window > now then refused = true end
end
for i, key in ipairs(KEYS) do
  local due, window, limit = unpack(arrivals[i])
  local wait = math.max(0, due - window - now)
  if refused then
    due = due - window / limit
  else
    redis.call('SET', key, string.format('%.3f', due), 'PX', math.ceil(due - now))
  end
  table.insert(answer, math.floor((now + window - due) * limit / window + 0.0001))
  table.insert(answer, math.ceil(due - now))
  table.insert(answer, math.ceil(wait))
end
return answer
"""
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Quota:
    """name: as the headers call it; key: who it is that asks; limit: requests a minute."""

    name: str
    key: str
    limit: int


@dataclass(frozen=True, slots=True)
class Standing:
    """Of one quota, after this request.

    left: requests; full_in: seconds until all are back; retry_in: seconds, 0 where this one may pass.
    """

    quota: Quota
    left: int
    full_in: int
    retry_in: int


class RateLimits:
    """Counts requests; one a process."""

    def __init__(self, settings: ApiSettings):
        self._per_token = settings.rate_limit_token
        self._per_address = settings.rate_limit_address
        # Of its own: a limit that hangs is worse than none, so it waits for Redis less long than others do.
        self._redis = Redis.from_url(
            settings.redis_url, socket_connect_timeout=_PATIENCE_SECONDS, socket_timeout=_PATIENCE_SECONDS
        )
        self._script = self._redis.register_script(_SCRIPT)
        self._not_before = 0.0

    def close(self) -> None:
        """Give the connections back."""
        self._redis.close()

    def quotas(self, token: str | None, address: str | None) -> list[Quota]:
        """Those that a request counts for."""
        found = []
        if self._per_token and token:
            found.append(Quota("token", hashlib.sha256(token.encode()).hexdigest(), self._per_token))
        if self._per_address and address:
            found.append(Quota("address", network_of(address), self._per_address))
        return found

    def count(self, quotas: Sequence[Quota]) -> list[Standing]:
        """Count one request; nothing where Redis is away."""
        if not quotas or time.monotonic() < self._not_before:
            return []
        keys = [f"{PREFIX}{quota.name}:{quota.key}" for quota in quotas]
        arguments = [value for quota in quotas for value in (quota.limit, WINDOW_SECONDS * 1000)]
        try:
            numbers = self._script(keys=keys, args=arguments)
        except (RedisError, OSError) as error:
            logger.warning("requests are not counted", extra={"reason": str(error)})
            self._not_before = time.monotonic() + _PAUSE_SECONDS
            return []
        triples = zip(quotas, *(iter(numbers),) * 3, strict=True)
        return [
            Standing(quota, max(0, left), ceil(full / 1000), ceil(wait / 1000))
            for quota, left, full, wait in triples
        ]


def network_of(address: str) -> str:
    """Whom an address stands for: of IPv6 a customer has a whole network of 64 bits."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is None:
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(getattr(found, "ipv4_mapped", None) or found)


def install(app: Flask, limits_of_app: Callable[[], RateLimits]) -> None:
    """Refuse what is too much, before the token is looked at; and tell everybody where they stand."""

    def count() -> None:
        if request.path in UNLIMITED:
            return
        limits = limits_of_app()
        g.standings = limits.count(limits.quotas(token_in(authorization() or ""), request.remote_addr))
        waits = [standing for standing in g.standings if standing.retry_in]
        if waits:
            worst = max(waits, key=lambda standing: standing.retry_in)
            raise TooManyRequestsError(
                f"More than {worst.quota.limit:,} requests a minute came from this {worst.quota.name}.",
                worst.retry_in,
            )

    def tell(response: Response) -> Response:
        standings: list[Standing] = g.get("standings", [])
        if standings:
            response.headers["RateLimit-Policy"] = ", ".join(
                f'"{each.quota.name}";q={each.quota.limit};w={WINDOW_SECONDS}' for each in standings
            )
            response.headers["RateLimit"] = ", ".join(
                f'"{each.quota.name}";r={each.left};t={each.full_in}' for each in standings
            )
        return response

    app.before_request(count)
    app.after_request(tell)
