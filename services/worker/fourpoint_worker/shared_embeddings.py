"""The place of embeddings that configuration names."""

from redis import Redis

from fourpoint_core.storage import ObjectStore
from fourpoint_worker.segmenter.embeddings.object_shelf import ObjectShelf
from fourpoint_worker.segmenter.embeddings.redis_shelf import RedisShelf
from fourpoint_worker.segmenter.embeddings.shared import SharedTier
from fourpoint_worker.settings import EmbeddingsPlace, WorkerSettings


def open_shared_tier(settings: WorkerSettings, redis: "Redis", store: ObjectStore) -> SharedTier | None:
    """None where embeddings are not shared; nothing connects yet."""
    room, seconds = settings.embeddings_bytes, settings.embeddings_seconds
    if settings.embeddings is EmbeddingsPlace.OBJECTS:
        return SharedTier(ObjectShelf(store, room, seconds))
    if settings.embeddings is EmbeddingsPlace.NOWHERE:
        return None
    if settings.embeddings_redis_url:
        # A person waits: a cache that does not answer soon is worth less than no cache.
        redis = Redis.from_url(settings.embeddings_redis_url, socket_connect_timeout=1, socket_timeout=2)
    return SharedTier(RedisShelf(redis, room, seconds))
