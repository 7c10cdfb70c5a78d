"""The examples do what the documentation says of them, by the commands that it gives."""

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from fourpoint_standalone.stack import Stack

pytestmark = pytest.mark.xdist_group("e2e")
ROOT = Path(__file__).parents[2]


@pytest.fixture
def checkout(stack: Stack, tmp_path: Path) -> Path:
    """A folder in which documented commands find what they name, as in a checkout with a stack of its own."""
    (tmp_path / ".venv").symlink_to(sys.prefix)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (tmp_path / ".fourpoint").mkdir()
    (tmp_path / ".fourpoint" / "admin-token").write_text(stack.admin_token)
    return tmp_path


def test_a_folder_is_labeled_by_the_command_of_the_documentation(stack: Stack, checkout: Path) -> None:
    (command,) = re.findall(r"^    (.*label_a_folder.*)$", (ROOT / "docs" / "clients.md").read_text(), re.M)
    subprocess.run(["bash", "-c", command], cwd=checkout, env={"FOURPOINT_URL": stack.base_url}, check=True)
    made = checkout / "build" / "label_a_folder"
    with zipfile.ZipFile(made / "labels.zip") as archive:
        coco = json.loads(archive.read("annotations/instances_default.json"))
    assert sorted(label["name"] for label in coco["categories"]) == ["cup", "head", "rocket"]
    assert len(coco["annotations"]) == len(coco["images"]) == 3
    assert Image.open(made / "outlines.jpg").height == 400
