"""deploy/compose.yaml on podman, under a name of its own."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from tests.deploy import tls
from tests.deploy.images import ROOT, run

COMPOSE = ROOT / ".venv-deploy" / "bin" / "podman-compose"
PASSWORD = "a-password-of-the-tests"
OWNERS_URL = f"postgresql://fourpoint:{PASSWORD}@postgres:5432/fourpoint"
SERVICE_URL = "postgresql://fourpoint_service:another-password@postgres:5432/fourpoint"


def wait_for(fact: Callable[[], bool], what: str, seconds: float = 600) -> None:
    """Wait until the fact is true. Raises AssertionError when it does not come true."""
    end = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.5)


class Stack:
    """Containers of one project. version: the tag of the images that the next ones are made of."""

    def __init__(self, name: str, port: int, directory: Path, version: str = "latest"):
        self.name = name
        self.port = port
        self.directory = directory
        self.version = version
        self.url = f"http://127.0.0.1:{port}"
        # Where the proxy takes direct uploads.
        self.objects_url = f"http://127.0.0.1:{port + 1000}"
        # Both again, once `turn_tls_on` was called.
        self.tls_url = f"https://localhost:{port + 2000}"
        self.tls_objects_url = f"https://localhost:{port + 3000}"
        self._files = ["compose.yaml", "compose.override.yaml"]
        (directory / "tls").mkdir(parents=True)
        for file in ("compose.yaml", "compose.tls.yaml", "haproxy.cfg"):
            shutil.copy(ROOT / "deploy" / file, directory)
        shutil.copy(ROOT / "tests/deploy/compose.override.yaml", directory)
        shutil.copy(ROOT / "deploy/env.example", directory / "fourpoint.env")
        self.set_variables(
            # Versions before this one have one role for everything.
            FOURPOINT_DATABASE_URL=OWNERS_URL if version == "previous" else SERVICE_URL,
            FOURPOINT_STORAGE_PUBLIC_URL=f"{self.objects_url}/fourpoint",
            # The stand-in's names of accounts have two parts.
            FOURPOINT_STORAGE_ACCESS_KEY="fourpoint:fourpoint",
            FOURPOINT_STORAGE_SECRET_KEY=PASSWORD,
            FOURPOINT_SECRET_KEY="a-secret-key-of-the-tests",
        )

    def set_variables(self, **values: str) -> None:
        """In fourpoint.env, for containers that are made from now on."""
        file = self.directory / "fourpoint.env"
        text = file.read_text()
        for name, value in values.items():
            text, count = re.subn(rf"^(?:# )?{name}=.*$", f"{name}={value}", text, flags=re.M)
            assert count == 1, name
        file.write_text(text)

    def compose(self, *arguments: str) -> str:
        """What podman-compose says."""
        variables = {
            "FOURPOINT_PORT": str(self.port),
            "FOURPOINT_OBJECTS_PORT": str(self.port + 1000),
            "FOURPOINT_TLS_PORT": str(self.port + 2000),
            "FOURPOINT_OBJECTS_TLS_PORT": str(self.port + 3000),
            "FOURPOINT_VERSION": self.version,
            "POSTGRES_PASSWORD": PASSWORD,
            "MINIO_ROOT_PASSWORD": PASSWORD,
        }
        files = (word for file in self._files for word in ("-f", file))
        return run(
            COMPOSE, "-p", self.name, *files, *arguments, cwd=self.directory, env={**os.environ, **variables}
        )

    def up_data(self) -> None:
        """PostgreSQL, Redis and the object store, answering, with a bucket."""
        names = ("postgres", "redis", "minio")
        self.compose("up", "-d", *names)
        for name in names:
            wait_for(lambda name=name: self.healthy(f"{name}_1"), f"{name} is healthy")  # type: ignore[misc]
        self.compose("up", "-d", "--no-deps", "bucket")
        assert self.exit_code("bucket_1") == 0, self.logs("bucket_1")

    def migrate(self) -> None:
        """The schema of this version."""
        subprocess.run(["podman", "rm", "-f", self.full("migrate_1")], check=False, capture_output=True)
        self.compose("up", "-d", "--no-deps", "migrate")
        assert self.exit_code("migrate_1") == 0, self.logs("migrate_1")

    def up(self) -> None:
        """Everything, ready."""
        self.up_data()
        self.migrate()
        self.compose("up", "-d", "--no-deps", "api", "inference", "io", "proxy")
        self.wait_until_ready()

    def down(self) -> None:
        """Nothing of it is left, its data included."""
        self.compose("down", "-v", "-t", "1")

    def wait_until_ready(self) -> None:
        """Until the service says so, through the proxy."""
        wait_for(self.is_ready, "the service is ready")

    def is_ready(self) -> bool:
        """What /readyz says."""
        try:
            return httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    def full(self, container: str) -> str:
        """The name that podman knows a container by."""
        return f"{self.name}_{container}"

    def containers(self, service: str) -> list[str]:
        """Those of a service that there are."""
        names = run("podman", "ps", "-a", "--format", "{{.Names}}").split()
        pattern = re.compile(rf"{self.name}_({service}_\d+)")
        return sorted(match[1] for name in names if (match := pattern.fullmatch(name)))

    def healthy(self, container: str) -> bool:
        """Whether the container's own health check passes, now."""
        ended = subprocess.run(
            ["podman", "healthcheck", "run", self.full(container)], check=False, capture_output=True
        )
        return ended.returncode == 0

    def exit_code(self, container: str) -> int:
        """How a container ended, once it has."""
        return int(run("podman", "wait", self.full(container)).strip())

    def logs(self, container: str) -> str:
        """What a container said."""
        return run("podman", "logs", "--tail", "50", self.full(container))

    def inspect(self, container: str) -> Any:
        """What podman knows of a container."""
        return json.loads(run("podman", "inspect", self.full(container)))[0]

    def execute(self, container: str, *command: str) -> str:
        """What a command prints inside of a container."""
        return run("podman", "exec", self.full(container), *command, stderr=None)

    def kill(self, container: str) -> None:
        """End a container in the middle of everything; it is started again by its restart policy."""
        state = self.inspect(container)["State"]
        before = state["StartedAt"]
        # Past podman, which would take it for a wish that the container stays down.
        os.kill(state["Pid"], signal.SIGKILL)

        def is_back() -> bool:
            state = self.inspect(container)["State"]
            return bool(state["Running"]) and state["StartedAt"] != before

        wait_for(is_back, f"{container} is started again")

    @contextmanager
    def paused(self, container: str) -> Iterator[None]:
        """Meanwhile none of its processes gets anything done."""
        run("podman", "pause", self.full(container))
        try:
            yield
        finally:
            run("podman", "unpause", self.full(container))

    def replace(self, container: str) -> None:
        """End a container as an operator does, and put one of the present version in its place."""
        service = container.rpartition("_")[0]
        run("podman", "stop", self.full(container))
        run("podman", "rm", self.full(container))
        self.compose("up", "-d", "--no-deps", "--no-recreate", service)
        wait_for(lambda: self.healthy(container), f"{container} is healthy")

    def roll(self, *services: str) -> None:
        """Replace all containers of these services, one at a time."""
        for service in services:
            for container in self.containers(service):
                self.replace(container)

    def turn_tls_on(self, certificate: Path) -> None:
        """The overlay, a certificate, and addresses that say https."""
        self._files.append("compose.tls.yaml")
        self.put_certificate(tls.both_parts(certificate))
        self.set_variables(
            FOURPOINT_STORAGE_PUBLIC_URL=f"{self.tls_objects_url}/fourpoint", FOURPOINT_HSTS_SECONDS="600"
        )
        self.roll("api")
        run("podman", "stop", self.full("proxy_1"))
        run("podman", "rm", self.full("proxy_1"))
        self.compose("up", "-d", "--no-deps", "proxy")
        self.wait_until_ready()

    def put_certificate(self, content: str) -> None:
        """In place of the one that is there; the proxy sees it when it is told to."""
        tls.put_in_place(content, self.directory / "tls")

    def reload_proxy(self) -> None:
        """Tell the proxy to read its configuration and certificates again."""
        run("podman", "kill", "-s", "USR2", self.full("proxy_1"))

    def make_admin(self) -> str:
        """The token of a new admin, made as an operator makes one."""
        self.execute("api_1", "fourpoint", "user", "add", "operator", "--admin")
        made = self.execute("api_1", "fourpoint", "token", "create", "--user", "operator", "--scope", "admin")
        return made.strip().splitlines()[-1]
