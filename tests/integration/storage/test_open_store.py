"""Directories as FOURPOINT_STORAGE_URL names them."""

import dataclasses

import pytest
from tests.integration.storage.addresses import directory_settings

from fourpoint_core.errors import SettingsError, StorageUnavailableError
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
