"""An image can be prepared before anyone clicks on it."""

from typing import Any
from uuid import UUID, uuid4

from flask.testing import FlaskClient
from redis import Redis
from tests import factories

from fourpoint_core.domain.access import Role
from fourpoint_core.jobs.contracts import PrefetchSample, Queue
from fourpoint_core.store.models import Dataset, Job, Sample
from fourpoint_core.store.session import Sessions, unit_of_work


def test_opening_an_image_queues_its_preparation(client: FlaskClient, sessions: Sessions, redis: Redis) -> None:
    sample = factories.make_sample(sessions, factories.make_dataset(sessions))
    response = client.put(f"/v1/samples/{sample.id}/embedding")
    assert response.status_code == 202
    assert response.json["kind"] == "prefetch_sample"
    assert redis.llen(Queue.PREFETCH.value) == 1


def test_an_image_that_does_not_exist_cannot_be_prepared(client: FlaskClient) -> None:
    response = client.put(f"/v1/samples/{uuid4()}/embedding")
    assert (response.status_code, response.json["code"]) == (404, "not_found")


def prefetch(client: FlaskClient, sample: Sample, **query: Any) -> dict[str, Any]:
    answer = client.put(f"/v1/samples/{sample.id}/embedding", query_string=query)
    assert answer.status_code == 202, answer.json
    return answer.json


def job_of(sessions: Sessions, answer: dict[str, Any]) -> Job:
    with unit_of_work(sessions) as session:
        return session.get_one(Job, UUID(answer["id"]))


def test_what_comes_next_in_the_list_is_prepared_as_well(
    client: FlaskClient, sessions: Sessions, dataset: Dataset
) -> None:
    row = [factories.make_sample(sessions, dataset, name=f"{number}.png") for number in range(5)]
    default = PrefetchSample.from_json(job_of(sessions, prefetch(client, row[1])).payload)
    assert default.ahead == (row[2].id, row[3].id)
    other = prefetch(client, row[3], ahead=3, sort="-created_at", name_contains="png")
    assert PrefetchSample.from_json(job_of(sessions, other).payload).ahead == (row[2].id, row[1].id, row[0].id)
    alone = prefetch(client, row[1], ahead=0)
    assert PrefetchSample.from_json(job_of(sessions, alone).payload).ahead == ()


def test_who_opens_another_image_has_no_use_for_the_first(
    client: FlaskClient, sessions: Sessions, dataset: Dataset
) -> None:
    row = [factories.make_sample(sessions, dataset) for _ in range(2)]
    first, second = (prefetch(client, sample) for sample in row)
    assert job_of(sessions, first).state == "cancelled"
    assert job_of(sessions, second).state == "queued"


def test_somebody_elses_preparations_go_on(
    client: FlaskClient, sessions: Sessions, dataset: Dataset, person: Any
) -> None:
    sample = factories.make_sample(sessions, dataset)
    mine = prefetch(client, sample)
    prefetch(person(dataset, Role.LABELER), sample)
    assert job_of(sessions, mine).state == "queued"


def test_more_images_ahead_than_anybody_looks_at_are_refused(client: FlaskClient, sample: Sample) -> None:
    answer = client.put(f"/v1/samples/{sample.id}/embedding", query_string={"ahead": 17})
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, "?ahead")
