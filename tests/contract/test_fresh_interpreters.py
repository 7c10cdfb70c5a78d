"""What each process loads, and what it can do without, seen in interpreters of their own.

The import linter reads sources; imports by string, and those of libraries, escape it.
"""

import json
import subprocess
import sys
from functools import cache
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

TRACING = "opentelemetry"
HEAVY = ["torch", "cv2", "onnxruntime", "scipy", "skimage"]
WEB = ["flask", "flask_smorest", "marshmallow", "webargs", "apispec", "werkzeug"]
ENTRIES = {
    "api": "import fourpoint_api.wsgi",
    "inference": "import fourpoint_worker.inference_app as it; it.create_app(settings)",
    "io": "import fourpoint_worker.io_app as it; it.create_app(settings)",
}
_WORKER_SETTINGS = """
import os
from fourpoint_worker.settings import WorkerSettings
settings = WorkerSettings.from_mapping(os.environ)
"""
# Raises ImportError for the modules named, as if they were not installed.
HIDE = """
import sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names!r}:
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Hidden())
"""
_REPORT = """
import json, sys
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


@cache
def lacking(*extras: str) -> list[str]:
    """Modules that are installed here and not in the image whose Dockerfile asks wanted.py for `extras`."""
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "deploy/wanted.py", *extras]
    asked = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    there, todo = set(), [Requirement(line) for line in asked.splitlines()]
    while todo:
        requirement = todo.pop()
        wanted = {(canonicalize_name(requirement.name), extra) for extra in {"", *requirement.extras}}
        for name, extra in wanted - there:
            found = map(Requirement, requires(name) or ())
            todo += [each for each in found if each.marker is None or each.marker.evaluate({"extra": extra})]
        there |= wanted
    names = {name for name, _ in there} | {"fourpoint"}
    return [
        module
        for module, owners in packages_distributions().items()
        if names.isdisjoint(map(canonicalize_name, owners))
    ]


def run(program: str, directory: Path, **more: str) -> str:
    variables = {
        **more,
        "PATH": "/usr/bin:/bin",
        "FOURPOINT_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
        "FOURPOINT_REDIS_URL": "redis://127.0.0.1:1/0",
        "FOURPOINT_STORAGE_URL": (directory / "objects").as_uri(),
        "FOURPOINT_SECRET_KEY": "a secret of the tests",
    }
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def program_of(process: str) -> str:
    return ENTRIES[process] if process == "api" else _WORKER_SETTINGS + ENTRIES[process]


def loaded(process: str, directory: Path) -> set[str]:
    return set(json.loads(run(program_of(process) + _REPORT, directory).splitlines()[-1]))


def test_the_api_loads_no_heavy_library(tmp_path: Path) -> None:
    assert loaded("api", tmp_path).isdisjoint(HEAVY)


def test_the_api_starts_where_nothing_is_installed_that_it_can_do_without(tmp_path: Path) -> None:
    hidden = [*lacking("api"), "fourpoint_worker", "fourpoint_standalone"]
    assert {*HEAVY, TRACING} <= {*hidden, "torch"}
    run(HIDE.format(names=hidden) + program_of("api"), tmp_path)


def test_the_command_line_starts_in_the_image_of_the_api(tmp_path: Path) -> None:
    run(HIDE.format(names=lacking("api")) + "import fourpoint_standalone.cli", tmp_path)


def test_the_api_loads_neither_the_worker_nor_the_launcher(tmp_path: Path) -> None:
    assert loaded("api", tmp_path).isdisjoint({"fourpoint_worker", "fourpoint_standalone"})


@pytest.mark.parametrize("process", ["inference", "io"])
def test_a_worker_loads_no_web_framework(tmp_path: Path, process: str) -> None:
    assert loaded(process, tmp_path).isdisjoint({*WEB, "fourpoint_api"})


@pytest.mark.parametrize("process", ["inference", "io"])
def test_a_worker_starts_where_nothing_is_installed_that_it_can_do_without(
    tmp_path: Path, process: str
) -> None:
    hidden = [*lacking("worker"), "fourpoint_api", "fourpoint_standalone"]
    assert {*WEB, TRACING} <= set(hidden)
    run(HIDE.format(names=hidden) + program_of(process), tmp_path)


def test_the_io_process_never_loads_an_engine(tmp_path: Path) -> None:
    assert loaded("io", tmp_path).isdisjoint(HEAVY)


def test_an_inference_process_without_weights_loads_no_torch(tmp_path: Path) -> None:
    program = (
        program_of("inference")
        + """
from fourpoint_worker.segmenter.engines import build_engine
build_engine("weight-free").warm_up()
"""
    )
    assert "torch" not in json.loads(run(program + _REPORT, tmp_path).splitlines()[-1])


def test_an_engine_whose_extra_is_missing_says_what_to_install(tmp_path: Path) -> None:
    program = (
        HIDE.format(names=["torch", "torchvision", "segment_anything"])
        + """
from fourpoint_core.errors import SettingsError
from fourpoint_worker.segmenter.engines import build_engine
try:
    build_engine("sam")
except SettingsError as error:
    print(error)
"""
    )
    assert "fourpoint[sam]" in run(program, tmp_path)


def test_numpy_comes_only_through_shapely_in_the_modules_of_geometry(tmp_path: Path) -> None:
    """With shapely, and whatever needs it, taken away, nothing of the API or the core asks for numpy."""
    program = (
        HIDE.format(names=["numpy"])
        + """
import types
class Stub(types.ModuleType):
    def __getattr__(self, name):
        return type(name, (), {})
for name in ("shapely", "shapely.geometry", "shapely.validation"):
    sys.modules[name] = Stub(name)
import fourpoint_api.wsgi
users = {name for name, module in sys.modules.items()
         if name.startswith("fourpoint_") and any(isinstance(value, type) and value.__module__ == "__main__"
                                                  for value in vars(module).values())}
assert users == {"fourpoint_core.domain.geometry", "fourpoint_core.domain.meetings"}, users
"""
    )
    run(program, tmp_path)


@pytest.mark.parametrize("process", ENTRIES)
def test_importing_an_entry_opens_no_connection(tmp_path: Path, process: str) -> None:
    """Neither database nor Redis is there; the process would fail, or wait, if it asked."""
    run(program_of(process), tmp_path)


def test_the_api_names_the_settings_it_misses(tmp_path: Path) -> None:
    program = "import os; os.environ.pop('FOURPOINT_DATABASE_URL'); os.environ.pop('FOURPOINT_REDIS_URL')\n"
    with pytest.raises(AssertionError) as refused:
        run(program + ENTRIES["api"], tmp_path)
    assert "FOURPOINT_DATABASE_URL is not set" in str(refused.value)
    assert "FOURPOINT_REDIS_URL is not set" in str(refused.value)


@pytest.mark.parametrize("process", ENTRIES)
def test_without_tracing_nothing_of_it_is_loaded_and_so_nothing_sent(tmp_path: Path, process: str) -> None:
    told = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "otlp"}
    # redis loads the SDK's metrics wherever they are installed, and does nothing with them.
    report = "\nimport sys; print({'opentelemetry.sdk.trace', 'opentelemetry.exporter'} & set(sys.modules))"
    assert run(program_of(process) + report, tmp_path, **told).splitlines()[-1] == "set()"


def test_a_process_that_is_to_be_traced_and_cannot_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(AssertionError) as refused:
        run(HIDE.format(names=[TRACING]) + ENTRIES["api"], tmp_path, FOURPOINT_TRACING="true")
    assert "fourpoint[otel]" in str(refused.value)
