"""Applications of the tests: making one takes longer than most tests, giving it other clients takes nothing."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import cast

from flask import Flask

from fourpoint_api.app import create_app
from fourpoint_api.clients import Clients, attach
from fourpoint_api.settings import ApiSettings

AppMaker = Callable[[Clients], Flask]


@dataclass(frozen=True)
class _Told:
    """The settings that make applications differ. Should there be more, making one fails here."""

    max_json_bytes: int
    tracing: bool
    origins: tuple[str, ...]
    trusted_proxies: int
    hsts_seconds: int

    @classmethod
    def of(cls, settings: ApiSettings) -> "_Told":
        return cls(*(getattr(settings, field.name) for field in fields(cls)))


@dataclass(frozen=True)
class _Nobody:
    """Clients of an application that is being made: it needs none of them yet."""

    settings: _Told


# Those of tests that have ended.
_free: dict[_Told, list[Flask]] = defaultdict(list)


@contextmanager
def lent() -> Iterator[AppMaker]:
    """Makes applications over clients, or takes such as were given back; whoever gets one may not change it."""
    taken = []

    def app_over(clients: Clients) -> Flask:
        told = _Told.of(clients.settings)
        app = _free[told].pop() if _free[told] else create_app(cast(Clients, _Nobody(told)))
        taken.append((told, app))
        attach(app, clients)
        return app

    yield app_over
    for told, app in taken:
        _free[told].append(app)
