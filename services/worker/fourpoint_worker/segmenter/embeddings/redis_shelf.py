"""Entries in Redis: found in about a millisecond by every worker."""

import logging
from collections.abc import Callable
from typing import Any, TypeVar

from redis import Redis
from redis.exceptions import RedisError

from fourpoint_worker.segmenter.embeddings.keys import EmbeddingKey
from fourpoint_worker.segmenter.embeddings.shared import Turn
from fourpoint_worker.segmenter.port import Urgency

T = TypeVar("T")

logger = logging.getLogger(__name__)
_PREFIX = "fourpoint:embeddings"
# Names by the time of their last use, and sizes by name, so that the cap holds over all workers.
_RECENCY, _SIZES, _TOTAL = f"{_PREFIX}:recency", f"{_PREFIX}:sizes", f"{_PREFIX}:bytes"
_KEEP = """
local name, entry, ttl, cap = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local now = tonumber(redis.call('TIME')[1])
-- A server that evicts takes an index as well as an entry. Where they disagree, all that they name goes.
local known, counted = redis.call('ZCARD', KEYS[2]), tonumber(redis.call('GET', KEYS[4]) or '0')
if known ~= redis.call('HLEN', KEYS[3]) or (known > 0) ~= (counted > 0) then
    for _, lost in ipairs(redis.call('HKEYS', KEYS[3])) do redis.call('DEL', ARGV[5] .. lost) end
    for _, lost in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do redis.call('DEL', ARGV[5] .. lost) end
    redis.call('DEL', KEYS[2], KEYS[3], KEYS[4])
end
local function drop(gone)
    local size = tonumber(redis.call('HGET', KEYS[3], gone) or '0')
    redis.call('DEL', ARGV[5] .. gone)
    redis.call('HDEL', KEYS[3], gone)
    redis.call('ZREM', KEYS[2], gone)
    redis.call('DECRBY', KEYS[4], size)
end
for _, gone in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now - ttl)) do drop(gone) end
if redis.call('HEXISTS', KEYS[3], name) == 1 then drop(name) end
if #entry > cap then return 0 end
local total = tonumber(redis.call('GET', KEYS[4]) or '0')
while total + #entry > cap do
    local oldest = redis.call('ZRANGE', KEYS[2], 0, 0)[1]
    if not oldest then break end
    drop(oldest)
    total = tonumber(redis.call('GET', KEYS[4]) or '0')
end
redis.call('SET', KEYS[1], entry, 'EX', ttl)
redis.call('ZADD', KEYS[2], now, name)
redis.call('HSET', KEYS[3], name, #entry)
redis.call('INCRBY', KEYS[4], #entry)
return 1
"""
_USE = """
local entry = redis.call('GET', KEYS[1])
if entry then
    redis.call('EXPIRE', KEYS[1], ARGV[2])
    -- Refused where no memory is left; the entry is found all the same.
    redis.pcall('ZADD', KEYS[2], 'XX', redis.call('TIME')[1], ARGV[1])
end
return entry
"""
_FORGET = """
local size = redis.call('HGET', KEYS[3], ARGV[1])
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('HDEL', KEYS[3], ARGV[1])
if size then redis.call('DECRBY', KEYS[4], size) end
"""
# A reservation is the digit of its urgency and the token of whoever made it. Locks of redis-py cannot be taken
# over by somebody in more of a hurry.
_RESERVE = """
local holder = redis.call('GET', KEYS[1])
if holder and tonumber(string.sub(holder, 1, 1)) <= tonumber(ARGV[2]) then return 0 end
redis.call('SET', KEYS[1], ARGV[2] .. ARGV[1], 'PX', ARGV[3])
return 1
"""
_RENEW = """
local holder = redis.call('GET', KEYS[1])
if holder and string.sub(holder, 2) == ARGV[1] then
    redis.call('SET', KEYS[1], ARGV[2] .. ARGV[1], 'PX', ARGV[3])
end
"""
_RELEASE = """
local holder = redis.call('GET', KEYS[1])
if holder and string.sub(holder, 2) == ARGV[1] then redis.call('DEL', KEYS[1]) end
"""


class RedisShelf:
    """See shared.Shelf. capacity_bytes: of all entries, of all workers and models."""

    name = "redis"

    def __init__(self, redis: "Redis", capacity_bytes: int, ttl_seconds: int):
        self._capacity_bytes = capacity_bytes
        self._ttl_seconds = ttl_seconds
        self._keep = redis.register_script(_KEEP)
        self._use = redis.register_script(_USE)
        self._forget = redis.register_script(_FORGET)
        self._reserve = redis.register_script(_RESERVE)
        self._renew = redis.register_script(_RENEW)
        self._release = redis.register_script(_RELEASE)

    def find(self, key: EmbeddingKey) -> bytes | None:
        """See Shelf."""
        entry = self._try(
            lambda: self._use(keys=[_entry(key), _RECENCY], args=[str(key), self._ttl_seconds]), None
        )
        return entry if isinstance(entry, bytes) else None

    def keep(self, key: EmbeddingKey, entry: bytes) -> bool:
        """See Shelf. Where Redis has no memory left it refuses, and everybody goes on without."""
        arguments: list[Any] = [str(key), entry, self._ttl_seconds, self._capacity_bytes, f"{_PREFIX}:entry:"]
        return bool(self._try(lambda: self._keep(keys=_keys(key), args=arguments), 0))

    def forget(self, key: EmbeddingKey) -> None:
        """See Shelf."""
        self._try(lambda: self._forget(keys=_keys(key), args=[str(key)]), None)

    def reserve(self, key: EmbeddingKey, token: str, urgency: Urgency, seconds: float) -> Turn:
        """See Shelf."""
        arguments = _reservation(token, urgency, seconds)
        mine = self._try(lambda: self._reserve(keys=[_making(key)], args=arguments), None)
        if mine is None:
            return Turn.UNKNOWN
        return Turn.MINE if mine else Turn.THEIRS

    def renew(self, key: EmbeddingKey, token: str, urgency: Urgency, seconds: float) -> None:
        """See Shelf."""
        arguments = _reservation(token, urgency, seconds)
        self._try(lambda: self._renew(keys=[_making(key)], args=arguments), None)

    def release(self, key: EmbeddingKey, token: str) -> None:
        """See Shelf."""
        self._try(lambda: self._release(keys=[_making(key)], args=[token]), None)

    def _try(self, step: Callable[[], T], otherwise: T) -> T:
        try:
            return step()
        except (RedisError, OSError) as error:
            logger.warning("Redis keeps no embeddings at the moment", extra={"reason": str(error)})
            return otherwise


def _keys(key: EmbeddingKey) -> list[str]:
    return [_entry(key), _RECENCY, _SIZES, _TOTAL]


def _entry(key: EmbeddingKey) -> str:
    return f"{_PREFIX}:entry:{key}"


def _making(key: EmbeddingKey) -> str:
    return f"{_PREFIX}:making:{key}"


def _reservation(token: str, urgency: Urgency, seconds: float) -> list[Any]:
    return [token, urgency.value, max(1, round(seconds * 1000))]
