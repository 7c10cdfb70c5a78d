"""Directories and buckets as the settings name them."""

import dataclasses

import pytest
from tests.integration.storage.addresses import ELSEWHERE, directory_settings

from fourpoint_core.errors import SettingsError, StorageUnavailableError
from fourpoint_core.settings import CoreSettings
from fourpoint_core.storage import open_store
from fourpoint_core.storage.local_store import LocalStore


def test_a_directory_is_made_where_it_is_missing(tmp_path):
    store = open_store(directory_settings(tmp_path / "not there" / "yet ü"))
    assert isinstance(store, LocalStore)
    store.put("a", b"x", content_type="text/plain")
    assert (tmp_path / "not there" / "yet ü" / "a").read_bytes() == b"x"


def test_a_file_in_the_directorys_place_is_said_to_be_wrong(tmp_path):
    (tmp_path / "bucket").touch()
    with pytest.raises(StorageUnavailableError):
        open_store(directory_settings(tmp_path / "bucket"))


@pytest.mark.parametrize("url", ["file://relative/bucket", "file:relative", "file:///", "file:"])
def test_an_address_that_is_no_directory_stops_the_start(tmp_path, url):
    settings = dataclasses.replace(directory_settings(tmp_path), storage_url=url)
    with pytest.raises(SettingsError, match="FOURPOINT_STORAGE_URL"):
        open_store(settings)


PUBLIC = "https://objects.example.org/bucket"
BUCKET = {
    **ELSEWHERE,
    "FOURPOINT_STORAGE_URL": "http://minio:9000/bucket",
    "FOURPOINT_STORAGE_ACCESS_KEY": "key",
    "FOURPOINT_STORAGE_SECRET_KEY": "secret",
    "FOURPOINT_STORAGE_PUBLIC_URL": PUBLIC,
}


def test_signed_requests_go_where_clients_reach_the_bucket():
    store = open_store(CoreSettings.from_mapping(BUCKET))
    slot = store.signed_put("a/b.png", size=5, content_type="image/png", seconds=60)
    assert slot.url.startswith(f"{PUBLIC}/a/b.png?")


@pytest.mark.parametrize(
    "changes",
    [{"PUBLIC_URL": "https://objects.example.org/other"}, {"PUBLIC_URL": "objects.example.org/bucket"}],
)
def test_a_public_address_of_something_else_stops_the_start(changes):
    settings = BUCKET | {f"FOURPOINT_STORAGE_{name}": value for name, value in changes.items()}
    with pytest.raises(SettingsError, match="FOURPOINT_STORAGE_PUBLIC_URL"):
        open_store(CoreSettings.from_mapping(settings))


def test_whoever_signs_for_elsewhere_must_know_the_region():
    settings = dataclasses.replace(CoreSettings.from_mapping(BUCKET), storage_region="")
    with pytest.raises(SettingsError, match="FOURPOINT_STORAGE_REGION"):
        open_store(settings)
