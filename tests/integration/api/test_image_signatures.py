"""Signed addresses of images: an `<img>` sends no token, and still shows nothing that its user may not see."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from tests.factories import make_dataset, make_sample

from fourpoint_api.settings import ApiSettings
from fourpoint_api.web import image_signatures
from fourpoint_api.web.image_signatures import ImageSignature
from fourpoint_core.domain.access import Role
from fourpoint_core.storage import ObjectStore
from fourpoint_core.store.models import Dataset, Sample
from fourpoint_core.store.session import Sessions


@pytest.fixture
def browser(app: Flask) -> FlaskClient:
    """Sends no token."""
    return app.test_client()


def signature_of(person: Any, dataset: Dataset) -> str:
    answer = person.get(f"/v1/datasets/{dataset.id}/image-signature")
    assert answer.headers["Cache-Control"] == "no-store"
    return str(answer.json["signature"])


def shown(browser: FlaskClient, sample: Sample, signature: str, what: str = "image") -> Any:
    return browser.get(f"/v1/samples/{sample.id}/{what}", query_string={"signature": signature})


@pytest.mark.parametrize("what", ["image", "thumbnail"])
def test_a_signed_address_shows_an_image(
    browser: FlaskClient, person: Callable[..., Any], dataset: Dataset, sample: Sample, what: str
) -> None:
    ada = person(dataset, Role.VIEWER)
    with_token = ada.get(f"/v1/samples/{sample.id}/{what}")
    answer = shown(browser, sample, signature_of(ada, dataset), what)
    assert (answer.status_code, answer.data) == (200, with_token.data)


def test_an_admin_who_is_no_member_sees_it_too(
    browser: FlaskClient, client: FlaskClient, dataset: Dataset, sample: Sample
) -> None:
    assert shown(browser, sample, signature_of(client, dataset)).status_code == 200


def test_it_opens_nothing_but_images(
    browser: FlaskClient, person: Callable[..., Any], dataset: Dataset, sample: Sample
) -> None:
    signature = signature_of(person(dataset, Role.OWNER), dataset)
    answer = browser.get(f"/v1/samples/{sample.id}/annotations", query_string={"signature": signature})
    assert answer.status_code == 401


def test_it_opens_no_other_dataset(
    browser: FlaskClient,
    client: FlaskClient,
    dataset: Dataset,
    sessions: Sessions,
    object_store: ObjectStore,
) -> None:
    other = make_sample(sessions, make_dataset(sessions, "Dogs"), object_store)
    assert shown(browser, other, signature_of(client, dataset)).status_code == 404


def test_it_ends_with_the_membership(
    browser: FlaskClient, client: FlaskClient, person: Callable[..., Any], dataset: Dataset, sample: Sample
) -> None:
    ada = person(dataset, Role.VIEWER)
    signature = signature_of(ada, dataset)
    client.delete(f"/v1/datasets/{dataset.id}/members/{ada.user.id}")
    assert shown(browser, sample, signature).status_code == 404


def test_it_ends_with_the_token(
    browser: FlaskClient, person: Callable[..., Any], dataset: Dataset, sample: Sample
) -> None:
    ada = person(dataset, Role.OWNER)
    signature = signature_of(ada, dataset)
    token_id = ada.get("/v1/me").json["token_id"]
    assert ada.delete(f"/v1/tokens/{token_id}").status_code == 204
    answer = shown(browser, sample, signature)
    assert (answer.status_code, answer.json["code"]) == (401, "token_invalid")


@pytest.mark.parametrize(
    "change", [lambda said: said[:-1], lambda said: "A" + said, lambda said: "ä", lambda said: ""]
)
def test_a_changed_signature_opens_nothing(
    browser: FlaskClient, client: FlaskClient, dataset: Dataset, sample: Sample, change: Callable[[str], str]
) -> None:
    answer = shown(browser, sample, change(signature_of(client, dataset)))
    assert (answer.status_code, answer.json["code"]) == (401, "token_invalid")


def test_a_token_counts_more_than_a_signature(client: FlaskClient, sample: Sample) -> None:
    assert shown(client, sample, "whatever").status_code == 200


def test_a_signature_runs_out(
    browser: FlaskClient,
    person: Callable[..., Any],
    dataset: Dataset,
    sample: Sample,
    api_settings: ApiSettings,
) -> None:
    ada = person(dataset, Role.VIEWER)
    over = ImageSignature(dataset.id, ada.user.id, None, False, datetime.now(UTC) - timedelta(seconds=1))
    answer = shown(browser, sample, image_signatures.signed(over, api_settings.secret_key))
    assert (answer.status_code, answer.json["code"]) == (401, "token_invalid")
    assert "has run out" in answer.json["detail"]
