"""What a process of the API holds open, built in the app factory and never at import."""

from dataclasses import dataclass, field
from typing import cast

from flask import Flask, current_app
from redis import Redis

from fourpoint_api.dependencies import Dependencies
from fourpoint_api.settings import ApiSettings
from fourpoint_api.web.rate_limits import RateLimits
from fourpoint_api.web.signing_in import SignIn
from fourpoint_api.web.waiting import JobNews
from fourpoint_core.imaging.decoder import Decoder
from fourpoint_core.jobs.broker import celery_app
from fourpoint_core.jobs.dispatch import Dispatcher
from fourpoint_core.storage import ObjectStore, open_store
from fourpoint_core.store.session import MAX_QUEUED, SILENCE_SECONDS, Sessions, connect

_KEY = "fourpoint"


@dataclass(frozen=True)
class Clients:
    """Connections and settings that operations need."""

    settings: ApiSettings
    sessions: Sessions
    redis: Redis
    store: ObjectStore
    dispatcher: Dispatcher
    news: JobNews
    sign_in: SignIn
    rate_limits: RateLimits
    decoder: Decoder
    dependencies: Dependencies = field(init=False)

    def __post_init__(self) -> None:
        """Whoever replaces one of the clients asks after the new one."""
        object.__setattr__(self, "dependencies", Dependencies(self.sessions, self.redis, self.store))

    def close(self) -> None:
        """Give every connection back."""
        self.news.close()
        self.redis.close()
        self.rate_limits.close()
        self.decoder.close()
        self.sessions.kw["bind"].dispose()


def build_clients(settings: ApiSettings) -> Clients:
    """Nothing connects yet: each client does on first use."""
    sessions = connect(settings, silence_seconds=SILENCE_SECONDS)
    sessions.configure(info={MAX_QUEUED: settings.max_queued_jobs})
    redis = Redis.from_url(settings.redis_url, socket_connect_timeout=1, socket_timeout=5)
    return Clients(
        settings=settings,
        sessions=sessions,
        redis=redis,
        store=open_store(settings),
        dispatcher=Dispatcher(celery_app(settings, "fourpoint-api"), sessions),
        news=JobNews(redis, settings.max_waiters),
        sign_in=SignIn(settings, sessions),
        rate_limits=RateLimits(settings),
        decoder=Decoder.by(settings),
    )


def attach(app: Flask, clients: Clients) -> None:
    """Give the application its clients."""
    app.extensions[_KEY] = clients


def clients() -> Clients:
    """The clients of the application that serves this request."""
    return cast(Clients, current_app.extensions[_KEY])
