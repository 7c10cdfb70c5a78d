"""How long a newcomer waits: from a fresh clone to the first outline, and to green tests, command by command.

Usage: python benchmarks/newcomer.py [--cold] [--without-tests] [--port 8040]

It needs git, make and a Python with `venv`, and nothing of this repository installed. The clone is of the last
commit, and is removed afterwards. --cold: as on a machine on which pip has never run.
"""

import argparse
import os
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Print minutes, and the sum so far."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cold", action="store_true", help="with empty caches of pip and uv")
    parser.add_argument("--without-tests", action="store_true")
    parser.add_argument("--port", type=int, default=8040, help="where the demo's API listens")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fourpoint-newcomer-") as directory:
        clone = Path(directory) / "fourpoint"
        environment = {**os.environ, **(_empty_caches(directory) if options.cold else {})}
        steps = [
            ("the code", ["git", "clone", "--quiet", str(ROOT), str(clone)], ROOT),
            ("the environment", ["make", "setup"], clone),
            ("the first outlines", ["make", "demo", "ONCE=1", f"PORT={options.port}"], clone),
            ("green tests", ["make", "test"], clone),
        ]
        _go_through(steps[:-1] if options.without_tests else steps, environment)


def _empty_caches(directory: str) -> dict[str, str]:
    return {name: f"{directory}/{name}" for name in ("PIP_CACHE_DIR", "UV_CACHE_DIR")}


def _go_through(steps: list[tuple[str, list[str], Path]], environment: dict[str, str]) -> None:
    """Do one after the other. Ends the program with what the first one said that fails."""
    begun = time.perf_counter()
    for what, command, directory in steps:
        before = time.perf_counter()
        ended = subprocess.run(
            command, cwd=directory, env=environment, capture_output=True, text=True, check=False
        )
        if ended.returncode != 0:
            raise SystemExit(f"{' '.join(command)} failed:\n{ended.stdout}{ended.stderr}")
        now = time.perf_counter()
        lines = [line for line in ended.stdout.splitlines() if line.strip()]
        print(
            f"{what}: {(now - before) / 60:.1f} min, {(now - begun) / 60:.1f} since the beginning", flush=True
        )
        if what == "green tests":
            print(lines[-1])


if __name__ == "__main__":
    main()
