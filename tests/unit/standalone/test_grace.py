"""How long the launcher lets programs take to end."""

import pytest

from fourpoint_api.settings import ServerSettings
from fourpoint_standalone.processes import StandaloneError
from fourpoint_standalone.stack import API, grace_seconds


@pytest.mark.parametrize("drain_seconds", ["0", "20"])
def test_the_api_is_given_longer_than_it_gives_the_requests_that_it_has(drain_seconds: str) -> None:
    environment = {"FOURPOINT_DRAIN_SECONDS": drain_seconds}
    assert grace_seconds(API, environment) > ServerSettings.from_mapping(environment).graceful_seconds


def test_a_malformed_variable_is_named() -> None:
    with pytest.raises(StandaloneError, match="FOURPOINT_DRAIN_SECONDS"):
        grace_seconds(API, {"FOURPOINT_DRAIN_SECONDS": "soon"})
