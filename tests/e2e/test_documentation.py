"""What docs/api.md says can be pasted is pasted here."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.e2e import guide

from fourpoint_standalone.stack import Stack

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.xdist_group("e2e")


@pytest.mark.skipif(shutil.which("curl") is None, reason="the page speaks curl, which this machine lacks")
def test_every_command_of_the_api_page_works_in_its_order(stack: Stack) -> None:
    page = (ROOT / "docs" / "api.md").read_text()
    script = "\n".join(re.findall(r"```bash\n(.*?)```", page, flags=re.DOTALL))
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=ROOT,
        env={"BASE": stack.base_url, "TOKEN": stack.admin_token, "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "lies outside the image" in done.stdout


@pytest.mark.skipif(shutil.which("curl") is None, reason="the page speaks curl, which this machine lacks")
def test_every_call_of_the_frontend_guide_is_answered_as_it_says(stack: Stack) -> None:
    wanted = guide.steps((ROOT / "docs" / "frontend-guide.md").read_text())
    printed = guide.run(wanted, ROOT, BASE=stack.base_url, TOKEN=stack.admin_token)
    for step, output in zip(wanted, printed, strict=True):
        guide.check(step, output)
