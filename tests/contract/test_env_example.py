"""`deploy/env.example` says what the settings classes say, and a process starts with it."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from fourpoint_api.settings import ApiSettings, ServerSettings
from fourpoint_core.errors import SettingsError
from fourpoint_core.storage import staging
from fourpoint_standalone import env_example
from fourpoint_worker.segmenter.compact.settings import CompactSettings
from fourpoint_worker.segmenter.sam.settings import SamSettings
from fourpoint_worker.settings import WorkerSettings

KEY = {"FOURPOINT_SECRET_KEY": "a key of the tests"}
FILE = Path(__file__).parents[2] / "deploy" / "env.example"


def _variables(*, commented: bool) -> dict[str, str]:
    lines = FILE.read_text().splitlines()
    wanted = [line.removeprefix("# ") for line in lines if line.startswith("# FOURPOINT_") is commented]
    return dict(line.split("=", 1) for line in wanted if line.startswith("FOURPOINT_"))


def test_the_file_is_what_the_settings_make() -> None:
    assert FILE.read_text() == env_example.text(), "run `make env-example`"


def test_a_process_starts_with_what_the_file_sets_and_a_key_of_ones_own() -> None:
    variables = _variables(commented=False)
    ApiSettings.from_mapping(variables | KEY)
    WorkerSettings.from_mapping(variables)


@pytest.mark.parametrize("key", ["", "change-me-change-me-change-me"])
def test_without_a_key_of_ones_own_the_api_does_not_start_and_says_what_to_do(key: str) -> None:
    variables = _variables(commented=False)
    assert variables["FOURPOINT_SECRET_KEY"] == ""
    with pytest.raises(SettingsError, match=r"FOURPOINT_SECRET_KEY .*`openssl rand -hex 32`"):
        ApiSettings.from_mapping(variables | {"FOURPOINT_SECRET_KEY": key})


def test_direct_uploads_are_signed_for_where_the_proxy_of_compose_takes_them() -> None:
    public = urlsplit(_variables(commented=False)["FOURPOINT_STORAGE_PUBLIC_URL"])
    compose = yaml.safe_load((FILE.parent / "compose.yaml").read_text())
    assert f"${{FOURPOINT_OBJECTS_PORT:-{public.port}}}:9000" in compose["services"]["proxy"]["ports"]
    proxy = (FILE.parent / "haproxy.cfg").read_text()
    assert "bind :9000" in proxy
    assert f"path_beg {public.path}/{staging.FOLDER}/" in proxy


def test_what_is_commented_out_are_the_defaults() -> None:
    required = _variables(commented=False) | KEY
    everything = required | _variables(commented=True)
    for settings in (ApiSettings, WorkerSettings, ServerSettings, CompactSettings, SamSettings):
        assert settings.from_mapping(everything) == settings.from_mapping(required)
