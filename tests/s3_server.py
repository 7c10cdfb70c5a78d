"""A real S3 server for the tests: OpenStack Swift with its S3 interface, from wheels, in `.venv-swift`.

Needs no root, no container and no service: one child process on free loopback ports, ready in about a second.
It ends with its parent, also when that is killed.

    python tests/s3_server.py install     make `.venv-swift`; nothing to do when it is up to date
    python tests/s3_server.py serve       run one until interrupted, and print how to reach it

In tests, `s3_server` is a session fixture (one server per xdist worker), `s3_bucket` an empty bucket of one
test, and `with running_s3() as server:` a server of one's own, to be stopped or killed.
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from minio import Minio

REPOSITORY = Path(__file__).resolve().parent.parent
ENVIRONMENT = REPOSITORY / ".venv-swift"
LOCK = REPOSITORY / "requirements-swift.lock"
SERVER = Path(__file__).with_name("swift_process.py")
STOP_SECONDS = 60


@dataclass(frozen=True)
class S3Server:
    """How to reach a running server."""

    port: int
    data_directory: Path
    process: subprocess.Popen[str]
    access_key: str = "test:tester"
    secret_key: str = "testing-secret"
    region: str = "us-east-1"
    # Far below S3's 1000, so that a listing of some hundred objects has to continue.
    page_size: int = 100

    @property
    def endpoint(self) -> str:
        """Host and port, as the minio SDK takes them."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """`http://host:port`; a bucket's storage URL is this, a slash and its name."""
        return f"http://{self.endpoint}"

    def client(self) -> Minio:
        """The SDK, logged in."""
        return Minio(self.endpoint, self.access_key, self.secret_key, secure=False, region=self.region)

    @property
    def guest_key(self) -> str:
        """Access key of somebody who may only read where `let_guest_read` says so; the secret is the same."""
        return f"{self.access_key.split(':')[0]}:guest"

    def let_guest_read(self, bucket: str) -> None:
        """Let everybody list a bucket and read its objects."""
        self.client()._execute(
            "PUT", bucket, query_params={"acl": ""}, headers={"x-amz-acl": "public-read"}, body=b""
        )

    def make_bucket(self) -> str:
        """A new, empty bucket with a name of its own."""
        bucket = f"b-{uuid.uuid4().hex[:20]}"
        self.client().make_bucket(bucket)
        return bucket


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """One real S3 server for all tests of this process."""
    with running_s3() as server:
        yield server


@pytest.fixture
def s3_bucket(s3_server: S3Server) -> str:
    """The name of an empty bucket. It goes with the server."""
    return s3_server.make_bucket()


@contextmanager
def running_s3(page_size: int = S3Server.page_size, directory: Path | None = None) -> Iterator[S3Server]:
    """A server, answering; stopped, and its data removed, when the block ends.

    directory: where its data lies, on a file system that takes user xattrs; None finds one.

    Call it from a thread that outlives the server: Linux ends a child with the thread that started it.
    """
    install()
    with _started() as process, ExitStack() as afterwards:
        server = _configured(process, directory or _directory_with_xattrs(), page_size)
        # It removes its data itself, unless it was killed.
        afterwards.callback(shutil.rmtree, server.data_directory, ignore_errors=True)
        afterwards.callback(_stop, process)
        yield server


@contextmanager
def _started() -> Iterator[subprocess.Popen[str]]:
    command = [ENVIRONMENT / "bin" / "python", "-W", "ignore", SERVER, str(os.getpid())]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            _stop(process)


def _configured(process: subprocess.Popen[str], data_parent: Path, page_size: int) -> S3Server:
    account, user = S3Server.access_key.split(":")
    config = {
        "data_parent": str(data_parent),
        "region": S3Server.region,
        "page_size": page_size,
        "account": account,
        "user": user,
        "secret_key": S3Server.secret_key,
    }
    assert process.stdin and process.stdout
    process.stdin.write(json.dumps(config) + "\n")
    process.stdin.flush()
    answer = process.stdout.readline()
    if not answer:
        raise RuntimeError("the S3 server ended while starting; its message is above")
    ready = json.loads(answer)
    return S3Server(ready["port"], Path(ready["data_directory"]), process, page_size=page_size)


def _stop(process: subprocess.Popen[str]) -> None:
    """SIGTERM lets it remove its data; SIGKILL if it does not."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _directory_with_xattrs() -> Path:
    """Where Swift can keep an object's metadata: some file systems, overlays among them, refuse xattrs."""
    candidates = [REPOSITORY, Path(tempfile.gettempdir()), Path("/dev/shm")]
    for directory in candidates:
        if takes_xattrs(directory):
            return _data_parent(directory)
    raise RuntimeError(f"no user xattrs in any of {', '.join(map(str, candidates))}: Swift cannot store there")


def _data_parent(directory: Path) -> Path:
    """Inside the repository, data goes below the environment's directory, which Git ignores."""
    return ENVIRONMENT if directory == REPOSITORY else directory


def takes_xattrs(directory: Path) -> bool:
    """Whether files there may carry what Swift notes of an object."""
    try:
        with tempfile.TemporaryFile(dir=directory) as file:
            os.setxattr(file.fileno(), "user.swift.metadata", b"x" * 2048)
    except OSError:
        return False
    return True


def install() -> None:
    """Make `.venv-swift` as `requirements-swift.lock` says, unless it is already like that."""
    wanted = hashlib.sha256(LOCK.read_bytes() + sys.version.encode()).hexdigest()
    stamp = ENVIRONMENT / "installed"
    # The lock file locks: xdist workers that all find nothing must not install at the same time.
    with LOCK.open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text() == wanted:
            return
        shutil.rmtree(ENVIRONMENT, ignore_errors=True)
        _uv("venv", "--python", sys.executable, str(ENVIRONMENT))
        _uv("pip", "install", "--python", str(ENVIRONMENT), "--only-binary", ":all:", "-r", str(LOCK))
        stamp.write_text(wanted)


def _uv(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "uv", *arguments, "--quiet"], check=True)


def _serve_until_interrupted() -> None:
    with running_s3() as server, suppress(KeyboardInterrupt):
        variables = {
            "FOURPOINT_STORAGE_URL": f"{server.url}/{server.make_bucket()}",
            "FOURPOINT_STORAGE_ACCESS_KEY": server.access_key,
            "FOURPOINT_STORAGE_SECRET_KEY": server.secret_key,
            "FOURPOINT_STORAGE_REGION": server.region,
        }
        sys.stdout.writelines(f"{name}={value}\n" for name, value in variables.items())
        sys.stdout.flush()
        server.process.wait()


if __name__ == "__main__":
    actions = {"install": install, "serve": _serve_until_interrupted}
    if len(sys.argv) != 2 or sys.argv[1] not in actions:
        sys.exit(__doc__)
    actions[sys.argv[1]]()
