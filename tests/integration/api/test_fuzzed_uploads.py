"""Images with bytes changed by chance, sent as uploads are."""

import io
import random

from flask.testing import FlaskClient
from tests.fuzz import seeds
from tests.fuzz.mutations import mutated
from tests.integration.api.inventory import Inventory

from fourpoint_core.store.models import Dataset


def test_an_image_changed_by_chance_is_stored_and_shown_or_refused_without_a_trace(
    client: FlaskClient, dataset: Dataset, inventory: Inventory
) -> None:
    chance = random.Random(20)
    taken = 0
    for _ in range(40):
        data = mutated("image", chance.choice(seeds.of("image")), chance)
        before = inventory()
        answer = client.post(
            f"/v1/datasets/{dataset.id}/samples", data={"files": [(io.BytesIO(data), "photo")]}
        )
        if answer.status_code == 201:
            taken += 1
            sample_id = answer.json["items"][0]["id"]
            assert client.get(f"/v1/samples/{sample_id}/thumbnail").status_code == 200
        else:
            assert answer.status_code in {413, 415, 422}
            assert inventory() == before
    assert 0 < taken < 40
