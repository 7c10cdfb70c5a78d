"""An image can be prepared before anyone clicks on it."""

from uuid import uuid4

from flask.testing import FlaskClient
from redis import Redis
from tests import factories

from fourpoint_core.jobs.contracts import Queue
from fourpoint_core.store.session import Sessions


def test_opening_an_image_queues_its_preparation(client: FlaskClient, sessions: Sessions, redis: Redis) -> None:
    sample = factories.make_sample(sessions, factories.make_dataset(sessions))
    response = client.put(f"/v1/samples/{sample.id}/embedding")
    assert response.status_code == 202
    assert response.json["kind"] == "prefetch_sample"
    assert redis.llen(Queue.PREFETCH.value) == 1


def test_an_image_that_does_not_exist_cannot_be_prepared(client: FlaskClient) -> None:
    response = client.put(f"/v1/samples/{uuid4()}/embedding")
    assert (response.status_code, response.json["code"]) == (404, "not_found")
