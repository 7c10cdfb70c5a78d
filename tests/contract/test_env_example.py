"""`deploy/env.example` says what the settings classes say, and a process starts with it."""

from pathlib import Path

from fourpoint_api.settings import ApiSettings, ServerSettings
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


def test_what_is_commented_out_are_the_defaults() -> None:
    required = _variables(commented=False)
    everything = required | _variables(commented=True)
    for settings in (ApiSettings, WorkerSettings, ServerSettings, CompactSettings, SamSettings):
        assert settings.from_mapping(everything) == settings.from_mapping(required)
