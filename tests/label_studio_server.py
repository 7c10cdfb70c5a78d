"""A real Label Studio, out of its wheel, in the environment `.venv-label-studio`; it reports to nobody.

with running_label_studio(directory) as label_studio:
    label_studio.post("/api/projects", {...})
"""

import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from fourpoint_standalone import processes

BIN = Path(__file__).resolve().parent.parent / ".venv-label-studio" / "bin"
USER, PASSWORD = "somebody@example.org", "a password of the tests"
START_SECONDS = 300.0
# Nothing is counted, reported or looked up elsewhere.
_SILENT = {
    "COLLECT_ANALYTICS": "false",
    "SENTRY_DSN": "",
    "FRONTEND_SENTRY_DSN": "",
    "LATEST_VERSION_CHECK": "false",
    "FEATURE_FLAGS_OFFLINE": "true",
}
# A backend on the loopback may be called, and be told of events, and a busy machine may take its time.
_LOCAL = {
    "ML_BLOCK_LOCAL_IP": "false",
    "SSRF_PROTECTION_ENABLED": "false",
    "ML_CONNECTION_TIMEOUT": "20",
    "ML_TIMEOUT_HEALTH": "20",
    "ML_TIMEOUT_SETUP": "20",
    "WEBHOOK_TIMEOUT": "20",
}


def variables(directory: Path, **more: str) -> dict[str, str]:
    """The environment of a Label Studio with its data in `directory`; in SQLite, unless `more` says other."""
    return {
        "PATH": os.defpath,
        "HOME": str(directory),
        "LABEL_STUDIO_BASE_DATA_DIR": str(directory),
        "DJANGO_DB": "sqlite",
        "LOG_LEVEL": "WARNING",
        **_SILENT,
        **_LOCAL,
        **more,
    }


class LabelStudio:
    """Talks to one that runs, as its user."""

    def __init__(self, base_url: str, auth: httpx.Auth | None = None):
        self.http = httpx.Client(base_url=base_url, auth=auth, timeout=120)

    def get(self, path: str, **parameters: Any) -> Any:
        """The body of a successful GET."""
        return self._body(self.http.get(path, params=parameters))

    def post(self, path: str, body: Any) -> Any:
        """The body of a successful POST."""
        return self._body(self.http.post(path, json=body))

    def project(self, config: str) -> int:
        """A new project with this labeling configuration."""
        return int(self.post("/api/projects/", {"title": "outlines", "label_config": config})["id"])

    def upload(self, project: int, name: str, image: bytes) -> dict[str, Any]:
        """An image as a file of Label Studio; the project's only task."""
        answer = self.http.post(f"/api/projects/{project}/import", files={"file": (name, image, "image/png")})
        self._body(answer)
        [task] = self.get("/api/tasks", project=project)["tasks"]
        return dict(task)

    @staticmethod
    def _body(response: httpx.Response) -> Any:
        assert response.is_success, response.text
        return response.json()


class PersonalToken(httpx.Auth):
    """A personal access token, which is traded for one of five minutes again and again."""

    requires_response_body = True

    def __init__(self, base_url: str, token: str):
        self.token = token
        self._refresh = f"{base_url}/api/token/refresh"
        self._access = ""

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """See httpx."""
        if self._access:
            request.headers["Authorization"] = f"Bearer {self._access}"
        if (yield request).status_code == httpx.codes.UNAUTHORIZED:
            answer = yield httpx.Request("POST", self._refresh, json={"refresh": self.token})
            self._access = answer.json()["access"]
            request.headers["Authorization"] = f"Bearer {self._access}"
            yield request


@contextmanager
def running_label_studio(directory: Path) -> Iterator[tuple[LabelStudio, PersonalToken]]:
    """One as `label-studio start` runs it, and a token of its user; the first half a minute are migrations."""
    assert BIN.exists(), "Label Studio has an environment of its own: make test-label-studio"
    directory.mkdir(parents=True)
    environment = variables(directory, LABEL_STUDIO_USERNAME=USER, LABEL_STUDIO_PASSWORD=PASSWORD)
    port = processes.free_port()
    base_url = f"http://127.0.0.1:{port}"
    log = directory / "label-studio.log"
    command = [
        str(BIN / "label-studio"), "start", "--no-browser", "--internal-host", "127.0.0.1", "--port", str(port)
    ]  # fmt: skip
    process = processes.spawn(command, log=log, environment=environment, directory=directory)
    try:
        processes.wait_until(
            lambda: is_up(base_url),
            seconds=START_SECONDS,
            process=process,
            failure=lambda: f"Label Studio did not start.\n{processes.tail(log)}",
        )
        token = PersonalToken(base_url, _personal_token(base_url))
        yield LabelStudio(base_url, token), token
    finally:
        processes.stop(process)


def is_up(base_url: str) -> bool:
    """Whether it answers."""
    try:
        return httpx.get(f"{base_url}/health").is_success
    except httpx.TransportError:
        return False


def _personal_token(base_url: str) -> str:
    """Made on the page of the account, as a person does."""
    with httpx.Client(base_url=base_url, headers={"Referer": base_url}, timeout=60) as browser:
        browser.get("/user/login/")
        form = {"email": USER, "password": PASSWORD, "csrfmiddlewaretoken": browser.cookies["csrftoken"]}
        browser.post("/user/login/", data=form)
        made = browser.post("/api/token/", headers={"X-CSRFToken": browser.cookies["csrftoken"]})
        assert made.is_success, made.text
        return str(made.json()["token"])
