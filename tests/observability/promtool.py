"""`make test-alerts`: Prometheus' own tool judges the alerts, and runs their tests.

It is taken from PATH, or out of Debian's package `prometheus`, which needs no root and is not installed.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"
PLACE = ROOT / ".venv-promtool"
UNPACKED = PLACE / "usr" / "bin" / "promtool"
MISSING = (
    "promtool is missing, and the alerts were not checked. Put it on PATH (it comes with Prometheus), or run "
    "this where `apt-get download` and `dpkg` work."
)


def promtool() -> str:
    """Where it is. Raises SystemExit."""
    if found := shutil.which("promtool"):
        return found
    if not UNPACKED.exists():
        _unpack()
    return str(UNPACKED)


def _unpack() -> None:
    PLACE.mkdir(exist_ok=True)
    try:
        subprocess.run(["apt-get", "download", "-qq", "prometheus"], cwd=PLACE, check=True)
        (package,) = PLACE.glob("prometheus_*.deb")
        subprocess.run(["dpkg", "-x", package.name, "."], cwd=PLACE, check=True)
        package.unlink()
    except (OSError, subprocess.CalledProcessError, ValueError) as error:
        sys.exit(f"{MISSING}\n{error}")


if __name__ == "__main__":
    tool = promtool()
    for command in (
        ["check", "rules", "alerts.yaml"],
        ["check", "config", "--syntax-only", "prometheus.yaml"],
        ["test", "rules", "alerts.test.yaml"],
    ):
        if subprocess.run([tool, *command], cwd=PROMETHEUS, env=os.environ, check=False).returncode:
            sys.exit(1)
