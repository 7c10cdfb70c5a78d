"""Settings: read once, parsed and never guessed, and a process that cannot work does not start."""

from pathlib import Path

import pytest

from fourpoint_api.settings import ApiSettings, Auth
from fourpoint_core.errors import SettingsError
from fourpoint_core.settings import CoreSettings, given

NEEDED = {
    "FOURPOINT_DATABASE_URL": "postgresql://fourpoint:hidden-1@db/fourpoint",
    "FOURPOINT_REDIS_URL": "redis://:hidden-2@redis:6379/0",
    "FOURPOINT_STORAGE_URL": "file:///data",
    "FOURPOINT_STORAGE_SECRET_KEY": "hidden-3",
}
SECRET = {"FOURPOINT_SECRET_KEY": "hidden-4 and long enough"}


def refusal(**changes: str) -> str:
    with pytest.raises(SettingsError) as refused:
        CoreSettings.from_mapping({**NEEDED, **changes})
    return str(refused.value)


def test_what_is_needed_is_enough() -> None:
    settings = CoreSettings.from_mapping(NEEDED)
    assert (settings.storage_url, settings.lease_seconds) == ("file:///data", 6.0)


def test_every_missing_variable_is_named_with_its_meaning() -> None:
    with pytest.raises(SettingsError) as refused:
        CoreSettings.from_mapping({})
    for name in list(NEEDED)[:3]:
        assert f"{name} is not set: " in str(refused.value)


def test_an_empty_variable_is_a_missing_one() -> None:
    assert "FOURPOINT_REDIS_URL is not set" in refusal(FOURPOINT_REDIS_URL="")


def test_a_variable_replaces_its_default() -> None:
    assert CoreSettings.from_mapping({**NEEDED, "FOURPOINT_LEASE_SECONDS": "2.5"}).lease_seconds == 2.5


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("FOURPOINT_LEASE_SECONDS", "soon"),
        ("FOURPOINT_LEASE_SECONDS", "0"),
        ("FOURPOINT_LEASE_SECONDS", "-1"),
        ("FOURPOINT_LEASE_SECONDS", "nan"),
        ("FOURPOINT_LEASE_SECONDS", "inf"),
        ("FOURPOINT_SWEEP_SECONDS", "0"),
        ("FOURPOINT_MAX_IMAGE_PIXELS", "1e6"),
        ("FOURPOINT_MAX_IMAGE_PIXELS", "0"),
        ("FOURPOINT_DATABASE_POOL", "-5"),
        ("FOURPOINT_LOG_LEVEL", "LOUD"),
        ("FOURPOINT_STORAGE_URL", "ftp://host/x"),
        ("FOURPOINT_STORAGE_URL", "/data"),
        ("FOURPOINT_DATABASE_URL", "sqlite:///x"),
    ],
)
def test_a_variable_that_cannot_work_is_named(name: str, text: str) -> None:
    assert name in refusal(**{name: text})


def test_a_message_repeats_no_secret() -> None:
    assert "hidden" not in refusal(FOURPOINT_LEASE_SECONDS="0")


def test_printed_settings_hold_no_secret() -> None:
    settings = ApiSettings.from_mapping({**NEEDED, **SECRET})
    assert "hidden" not in repr(settings)


@pytest.mark.parametrize("secret", ["", "short"])
def test_the_api_does_not_start_with_a_secret_that_can_be_guessed(secret: str) -> None:
    with pytest.raises(SettingsError, match="FOURPOINT_SECRET_KEY"):
        ApiSettings.from_mapping({**NEEDED, "FOURPOINT_SECRET_KEY": secret})


def test_the_limits_are_those_of_the_contract() -> None:
    settings = ApiSettings.from_mapping({**NEEDED, **SECRET})
    assert (settings.max_file_bytes, settings.max_batch_bytes) == (5 * 2**20, 8 * 2**20)


@pytest.mark.parametrize("lease_seconds", [0.5, 15.0, 120.0])
def test_a_message_is_not_delivered_again_while_a_lease_may_live(lease_seconds: float) -> None:
    settings = CoreSettings.from_mapping({**NEEDED, "FOURPOINT_LEASE_SECONDS": str(lease_seconds)})
    assert settings.visibility_timeout_seconds > lease_seconds


def api_refusal(**changes: str) -> str:
    with pytest.raises(SettingsError) as refused:
        ApiSettings.from_mapping({**NEEDED, **SECRET, **changes})
    return str(refused.value)


def test_callers_must_sign_in_unless_told_otherwise() -> None:
    assert ApiSettings.from_mapping({**NEEDED, **SECRET}).auth is Auth.REQUIRED
    assert ApiSettings.from_mapping({**NEEDED, **SECRET, "FOURPOINT_AUTH": "off"}).auth is Auth.OFF


@pytest.mark.parametrize("text", ["OFF", "false", "none", "0", "optional"])
def test_nobody_turns_signing_in_off_by_accident(text: str) -> None:
    assert "FOURPOINT_AUTH" in api_refusal(FOURPOINT_AUTH=text)


def test_half_an_identity_provider_is_none() -> None:
    assert "set all three" in api_refusal(FOURPOINT_OIDC_ISSUER="https://login.example")


PROVIDER = {"FOURPOINT_OIDC_ISSUER": "https://login.example", "FOURPOINT_OIDC_AUDIENCE": "fourpoint"}


@pytest.mark.parametrize("jwks", ["https://login.example/jwks", "/etc/jwks.json", "http://localhost:1/jwks"])
def test_an_identity_provider_has_an_issuer_an_audience_and_keys(jwks: str) -> None:
    settings = ApiSettings.from_mapping({**NEEDED, **SECRET, **PROVIDER, "FOURPOINT_OIDC_JWKS": jwks})
    assert settings.oidc_jwks == jwks


def test_the_keys_of_an_identity_provider_travel_encrypted() -> None:
    assert "FOURPOINT_OIDC_JWKS" in api_refusal(**PROVIDER, FOURPOINT_OIDC_JWKS="http://login.example/jwks")


def test_a_claim_that_makes_admins_needs_its_value() -> None:
    assert "FOURPOINT_OIDC_ADMIN_CLAIM" in api_refusal(FOURPOINT_OIDC_ADMIN_CLAIM="groups")


@pytest.mark.parametrize(
    "text", ["https://a.example.org", "http://localhost:5173, https://b", "http://[::1]:80", "*", " "]
)
def test_origins_of_pages_are_taken(text: str) -> None:
    settings = ApiSettings.from_mapping({**NEEDED, **SECRET, "FOURPOINT_CORS_ORIGINS": text})
    assert ", ".join(settings.origins) == text.strip()


@pytest.mark.parametrize("text", ["a.example.org", "https://a/", "https://.*", "https://a,ftp://b", "null"])
def test_what_is_no_origin_of_a_page_is_named(text: str) -> None:
    with pytest.raises(SettingsError, match="FOURPOINT_CORS_ORIGINS"):
        ApiSettings.from_mapping({**NEEDED, **SECRET, "FOURPOINT_CORS_ORIGINS": text})


def test_a_secret_may_lie_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("from the file\n")
    assert given({"PASSWORD_FILE": str(file)}, "PASSWORD", secret=True) == "from the file"


def test_only_a_secret_is_looked_for_in_a_file(tmp_path: Path) -> None:
    assert given({"NAME_FILE": str(tmp_path / "missing")}, "NAME") == ""


def test_a_secret_in_two_places_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="leave one of the two out"):
        given({"PASSWORD": "a", "PASSWORD_FILE": str(tmp_path)}, "PASSWORD", secret=True)


def test_a_secret_file_that_cannot_be_read_stops_the_start_by_name(tmp_path: Path) -> None:
    variables = {**NEEDED, "FOURPOINT_DATABASE_URL_FILE": str(tmp_path / "missing")}
    del variables["FOURPOINT_DATABASE_URL"]
    with pytest.raises(SettingsError, match="FOURPOINT_DATABASE_URL_FILE"):
        CoreSettings.from_mapping(variables)
