"""Label Studio beside the API: its own wheel under gunicorn, on PostgreSQL."""

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from benchmarks.support import system_postgres
from benchmarks.support.servers import Server
from benchmarks.support.system_postgres import Cluster
from tests import label_studio_server
from tests.label_studio_server import BIN, is_up, variables

from fourpoint_standalone import processes

TOKEN = "0123456789012345678901234567890123456789"
WIDTH, HEIGHT = 1920, 1080
_START_SECONDS = 300.0


@contextmanager
def label_studio(directory: Path, cluster: Cluster, workers: int, threads: int) -> Iterator[Server]:
    """One with tables and a user, in so many processes; it may read files below `directory`."""
    if not BIN.is_dir():
        raise SystemExit(f"There is no Label Studio in {BIN}: `make test-label-studio` installs it.")
    directory.mkdir(parents=True)
    environment = variables(
        directory,
        DJANGO_DB="default",
        DJANGO_SETTINGS_MODULE="core.settings.label_studio",
        # What its own container says; it turns off the look for a newer version.
        APP_WEBSERVER="uwsgi",
        DEBUG="false",
        LOG_LEVEL="ERROR",
        POSTGRE_USER=system_postgres.USER,
        POSTGRE_PASSWORD="",
        POSTGRE_NAME="postgres",
        POSTGRE_HOST=str(cluster.sockets),
        POSTGRE_PORT=str(system_postgres.PORT),
        LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN="true",
        LOCAL_FILES_SERVING_ENABLED="true",
        LOCAL_FILES_DOCUMENT_ROOT=str(directory.parent),
    )
    user = ["--username", label_studio_server.USER, "--password", label_studio_server.PASSWORD]
    legacy = ["--user-token", TOKEN, "--enable-legacy-api-token", "--quiet"]
    log = directory / "label-studio.log"
    made = [BIN / "label-studio", "init", *user, *legacy]
    with log.open("ab") as output:
        ended = subprocess.run(made, env=environment, stdout=output, stderr=output, check=False)
    if ended.returncode:
        raise SystemExit(f"Label Studio made no tables:\n{processes.tail(log)}")
    [package] = BIN.parent.glob("lib/python3*/site-packages/label_studio")
    port = processes.free_port()
    command = [str(BIN / "python"), "-m", "gunicorn", "core.wsgi:application", f"--chdir={package}"]
    command += [f"--bind=127.0.0.1:{port}", f"--workers={workers}", f"--threads={threads}", "--timeout=900"]
    command += ["--worker-class=gthread", "--keep-alive=60", "--no-control-socket"]
    process = processes.spawn(
        command, log=log, environment={**environment, "PYTHONPATH": str(package)}, directory=directory
    )
    base_url = f"http://127.0.0.1:{port}"
    try:
        processes.wait_until(
            lambda: is_up(base_url),
            seconds=_START_SECONDS,
            process=process,
            failure=lambda: processes.tail(log),
        )
        yield Server(base_url, process.pid)
    finally:
        processes.stop(process)


def version() -> str:
    """Of the wheel."""
    asked = "from importlib.metadata import version; print(version('label-studio'))"
    return subprocess.run(
        [BIN / "python", "-c", asked], capture_output=True, text=True, check=True
    ).stdout.strip()


class Peer:
    """What people do in Label Studio, as calls of its API."""

    def __init__(self, server: Server, labels: Sequence[str]):
        self.http = httpx.Client(
            base_url=server.base_url, headers={"Authorization": f"Token {TOKEN}"}, timeout=900, trust_env=False
        )
        self._labels = list(labels)

    def call(self, method: str, path: str, **more: Any) -> Any:
        """The body of a successful answer."""
        response = self.http.request(method, path, **more)
        if not response.is_success:
            raise SystemExit(f"Label Studio: {path}: {response.status_code} {response.text[:500]}")
        return response.json() if response.content else None

    def project(self) -> int:
        """An empty one, for polygons of all labels."""
        tags = "".join(f'<Label value="{name}"/>' for name in self._labels)
        config = (
            '<View><Image name="image" value="$image"/>'
            f'<PolygonLabels name="outline" toName="image">{tags}</PolygonLabels></View>'
        )
        return int(
            self.call("POST", "/api/projects/", json={"title": "side by side", "label_config": config})["id"]
        )

    def upload(self, project: int, files: Sequence[tuple[str, bytes]]) -> None:
        """Images, in one request."""
        parts = [(f"file{number}", (name, data, "image/jpeg")) for number, (name, data) in enumerate(files)]
        self.call("POST", f"/api/projects/{project}/import", files=parts)

    def add(self, project: int, names: Sequence[str], ring: Any = None, per_request: int = 1000) -> None:
        """Tasks by their addresses, which nobody looks at; with a ring on three of four, as samples have it."""
        for begin in range(0, len(names), per_request):
            tasks = [
                self._task(name, begin + at, ring) for at, name in enumerate(names[begin : begin + per_request])
            ]
            self.call("POST", f"/api/projects/{project}/import", json=tasks)

    def add_folder(self, project: int, folder: Path) -> None:
        """Tasks for the files of a folder, found by a synchronisation."""
        body = {"project": project, "path": str(folder), "regex_filter": ".*jpg", "use_blob_urls": True}
        storage = self.call("POST", "/api/storages/localfiles/", json=body)
        self.call("POST", f"/api/storages/localfiles/{storage['id']}/sync", json={})

    def task_ids(self, project: int, count: int) -> list[int]:
        """The first so many."""
        pages = range(1, -(-count // 1000) + 1)
        path = "/api/tasks?project={}&page={}&page_size=1000"
        found = [one["id"] for page in pages for one in self.call("GET", path.format(project, page))["tasks"]]
        return found[:count]

    def view(self, project: int, column: str, operator: str, kind: str, value: str) -> int:
        """A saved view with one filter."""
        item = {"filter": f"filter:tasks:{column}", "operator": operator, "type": kind, "value": value}
        data = {"title": column, "filters": {"conjunction": "and", "items": [item]}}
        return int(self.call("POST", "/api/dm/views/", json={"project": project, "data": data})["id"])

    def result(self, number: int, ring: Any) -> list[dict[str, Any]]:
        """An annotation of one polygon. ring: in pixels."""
        points = [[x / WIDTH * 100, y / HEIGHT * 100] for x, y in ring]
        label = self._labels[number * 7919 % len(self._labels)]
        sizes = {"original_width": WIDTH, "original_height": HEIGHT, "image_rotation": 0}
        value = {"points": points, "closed": True, "polygonlabels": [label]}
        tags = {"type": "polygonlabels", "from_name": "outline", "to_name": "image"}
        return [{"id": f"{number:010x}", **tags, **sizes, "value": value}]

    def _task(self, name: str, number: int, ring: Any) -> dict[str, Any]:
        task: dict[str, Any] = {"data": {"image": f"http://127.0.0.1:9/in/{name}"}}
        if ring is not None and number % 4:
            task["annotations"] = [{"result": self.result(number, ring)}]
        return task


def body_of(result: list[dict[str, Any]]) -> bytes:
    """What is posted to save it."""
    return json.dumps({"result": result}).encode()
