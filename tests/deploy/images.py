"""Images for the tests of the deployment, built from the Dockerfiles as they are, with buildah."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PYTHON_IMAGE = "docker.io/library/python:3.11-slim-bookworm"
MIGRATIONS = "services/core/fourpoint_core/store/migrations/versions"
CLIENT = "clients/python/fourpoint_client"
_CONTENTS = ("services", CLIENT, "pyproject.toml", "README.md", "requirements.lock", "requirements-sam.lock")


def run(*command: str | Path, **options: object) -> str:
    """What a command prints. Raises AssertionError with all that it said where it fails."""
    options = {"text": True, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, **options}
    ended = subprocess.run([str(part) for part in command], check=False, **options)  # type: ignore[call-overload]
    assert ended.returncode == 0, f"{' '.join(map(str, command))}\n{ended.stdout}"
    return str(ended.stdout)


def require_tools() -> None:
    """Say what is missing, before anything else is done."""
    missing = [name for name in ("podman", "buildah", "openssl", "curl") if shutil.which(name) is None]
    assert not missing, f"install {' and '.join(missing)} (Debian: podman buildah runc netavark aardvark-dns)"
    assert os.geteuid() == 0, "run as root: the containers have a network of their own"


def make_python_image() -> None:
    """The image that the Dockerfiles begin with; where no registry serves it, one made of Debian's packages."""
    if subprocess.run(["podman", "image", "exists", PYTHON_IMAGE], check=False).returncode == 0:
        return
    pulled = subprocess.run(["podman", "pull", "-q", PYTHON_IMAGE], check=False, capture_output=True)
    if pulled.returncode == 0:
        return
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        packages = "ca-certificates,python3,python3-pip,python3-venv"
        run("debootstrap", "--variant=minbase", f"--include={packages}", "bookworm", directory)
        for file in Path(directory).glob("usr/lib/python3.*/EXTERNALLY-MANAGED"):
            file.unlink()
        (Path(directory) / "usr/bin/python").symlink_to("python3")
        path = "ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
        archive = Path(directory).with_suffix(".tar")
        try:
            run("tar", "-C", directory, "-cf", archive, ".")
            run(
                "podman", "import", "-q", "--change", path, "--change", 'CMD ["python3"]', archive, PYTHON_IMAGE
            )
        finally:
            archive.unlink(missing_ok=True)


def build(dockerfile: Path, tag: str, context: Path, target: str = "") -> None:
    """Build an image; layers that are there already are taken."""
    options = [
        "--layers",
        "--format",
        "docker",
        "--isolation",
        "chroot",
        "-q",
        "-f",
        str(dockerfile),
        "-t",
        tag,
    ]
    if target:
        options += ["--target", target]
    for settings in ("/etc/pip.conf", os.environ.get("PIP_CERT", "")):
        # As pip is set up here, it is to be there: mirrors and certificates are the machine's own.
        if settings and Path(settings).is_file():
            options += ["-v", f"{settings}:{settings}:ro"]
    run("buildah", "bud", *options, str(context))


def build_all() -> None:
    """The images of this version, as `latest`, and the stand-ins."""
    deploy = ROOT / "deploy"
    build(deploy / "api.Dockerfile", "localhost/fourpoint-api:latest", ROOT)
    build(deploy / "worker.Dockerfile", "localhost/fourpoint-worker:latest", ROOT, "cpu")
    with tempfile.TemporaryDirectory() as directory:
        # Without the .dockerignore of the repository, which leaves the tests out.
        for path in ("tests/swift_process.py", "requirements-swift.lock"):
            (Path(directory) / path).parent.mkdir(exist_ok=True)
            shutil.copy(ROOT / path, Path(directory) / path)
        shutil.copytree(ROOT / "tests/deploy/standins", Path(directory) / "tests/deploy/standins")
        dockerfile = ROOT / "tests/deploy/standins/Dockerfile"
        for target in ("packages", "objects"):
            build(dockerfile, f"localhost/fourpoint-standin-{target}:latest", Path(directory), target)


def build_previous() -> str:
    """The images of the version before the last migration, as `previous`; the commit that they are of."""
    last = run("git", "-C", ROOT, "log", "-1", "--format=%H", "--diff-filter=A", "--", MIGRATIONS).strip()
    commit = run("git", "-C", ROOT, "rev-parse", f"{last}^").strip()
    with tempfile.TemporaryDirectory() as directory:
        archive = Path(directory) / "previous.tar"
        kept = run("git", "-C", ROOT, "ls-tree", "--name-only", commit, "--", *_CONTENTS).split()
        run("git", "-C", ROOT, "archive", "-o", archive, commit, *kept)
        run("tar", "-C", directory, "-xf", archive)
        archive.unlink()
        # The Dockerfiles are those of now, and older versions had no client.
        (Path(directory) / CLIENT).mkdir(parents=True, exist_ok=True)
        (Path(directory) / "deploy").mkdir()
        shutil.copy(ROOT / "deploy" / "wanted.py", Path(directory) / "deploy")
        for name, target in (("api", ""), ("worker", "cpu")):
            tag = f"localhost/fourpoint-{name}:previous"
            build(ROOT / "deploy" / f"{name}.Dockerfile", tag, Path(directory), target)
    return commit
