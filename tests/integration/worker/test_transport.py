"""Workers and a broker that is away."""

import pytest
from kombu.exceptions import OperationalError

from fourpoint_core.jobs.broker import celery_app
from fourpoint_core.settings import CoreSettings
from fourpoint_worker import transport


def test_however_long_the_broker_is_away_a_worker_looks_for_it_once_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nobody_listens = "redis://127.0.0.1:1/0"
    app = celery_app(CoreSettings("postgresql://nowhere", nobody_listens, "file:///nowhere"), "worker")
    transport.install(app)
    monkeypatch.setattr("kombu.utils.functional.sleep", lambda seconds: None)
    pauses: list[float] = []
    with app.connection_for_read() as connection, pytest.raises(OperationalError):
        connection.ensure_connection(lambda error, pause: pauses.append(pause), max_retries=40)
    assert pauses == [1] * 40
