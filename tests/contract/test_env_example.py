"""`deploy/env.example` says what the settings classes say, and a process starts with it."""

from pathlib import Path
from urllib.parse import urlsplit

import yaml

from fourpoint_api.settings import ApiSettings, ServerSettings
from fourpoint_core.storage import staging
from fourpoint_standalone import env_example
from fourpoint_worker.segmenter.compact.settings import CompactSettings
from fourpoint_worker.segmenter.sam.settings import SamSettings
from fourpoint_worker.settings import WorkerSettings

FILE = Path(__file__).parents[2] / "deploy" / "env.example"


def _variables(*, commented: bool) -> dict[str, str]:
    lines = FILE.read_text().splitlines()
    wanted = [line.removeprefix("# ") for line in lines if line.startswith("# FOURPOINT_") is commented]
    return dict(line.split("=", 1) for line in wanted if line.startswith("FOURPOINT_"))


def test_the_file_is_what_the_settings_make() -> None:
    assert FILE.read_text() == env_example.text(), "run `make env-example`"


def test_a_process_starts_with_what_the_file_sets() -> None:
    variables = _variables(commented=False)
    ApiSettings.from_mapping(variables)
    WorkerSettings.from_mapping(variables)


def test_direct_uploads_are_signed_for_where_the_proxy_of_compose_takes_them() -> None:
    public = urlsplit(_variables(commented=False)["FOURPOINT_STORAGE_PUBLIC_URL"])
    compose = yaml.safe_load((FILE.parent / "compose.yaml").read_text())
    assert f"${{FOURPOINT_OBJECTS_PORT:-{public.port}}}:9000" in compose["services"]["proxy"]["ports"]
    proxy = (FILE.parent / "haproxy.cfg").read_text()
    assert "bind :9000" in proxy
    assert f"path_beg {public.path}/{staging.FOLDER}/" in proxy


def test_what_is_commented_out_are_the_defaults() -> None:
    required = _variables(commented=False)
    everything = required | _variables(commented=True)
    for settings in (ApiSettings, WorkerSettings, ServerSettings, CompactSettings, SamSettings):
        assert settings.from_mapping(everything) == settings.from_mapping(required)
