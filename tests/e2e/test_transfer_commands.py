"""`fourpoint export` and `fourpoint import` as people use them, against a running system."""

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest
from tests.http_client import JSON, Client, disc_photo

from fourpoint_standalone.stack import Stack

pytestmark = pytest.mark.xdist_group("e2e")
FOURPOINT = Path(sys.executable).with_name("fourpoint")
Run = Callable[..., str]
RING = [[10.25, 10.5], [60.5, 12.25], [40.75, 70.5]]


@pytest.fixture
def run(stack: Stack, tmp_path: Path) -> Run:
    """Runs `fourpoint …` in an empty directory; what it prints, on either stream."""
    environment = {"FOURPOINT_URL": stack.base_url, "FOURPOINT_TOKEN": stack.admin_token}

    def do(*arguments: str | Path, fails: bool = False) -> str:
        line = [FOURPOINT, *arguments]
        done = subprocess.run(
            line, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
        )
        assert (done.returncode != 0) == fails, done.stderr
        return done.stdout + done.stderr

    return do


@pytest.fixture
def dataset(client: Client) -> JSON:
    """One image with one object, one without."""
    made = client.create_dataset(f"kitchen {uuid4()}")
    first, _ = client.upload(made["id"], ("one.png", disc_photo()), ("two.png", disc_photo(1)))
    label = client.post(f"/v1/datasets/{made['id']}/labels", {"name": "cup"})
    client.post(
        f"/v1/samples/{first['id']}/annotations",
        {"label_id": label["id"], "contour": {"parts": [{"outer": RING, "holes": []}]}},
    )
    return made


def annotations(file: Path) -> list[JSON]:
    with zipfile.ZipFile(file) as archive:
        found: list[JSON] = json.loads(archive.read("annotations/instances_default.json"))["annotations"]
    return found


def test_what_is_exported_is_imported_from_the_archive_or_its_folder(
    client: Client, dataset: JSON, run: Run, tmp_path: Path
) -> None:
    said = run("export", dataset["name"], "--format", "coco", "--with-images", "--output", "first.zip")
    assert "first.zip: 2 images, 4 files" in said
    assert not (tmp_path / "first.zip.part").exists()
    with zipfile.ZipFile(tmp_path / "first.zip") as archive:
        archive.extractall(tmp_path / "folder")
    for number, source in enumerate(("first.zip", "folder")):
        other = client.create_dataset(f"copy {uuid4()}")
        dry = run("import", other["name"], source, "--format", "coco", "--dry-run")
        wet = run("import", other["name"], source, "--format", "coco", "--label", "cup=mug")
        assert "images_added 2" in wet and "objects_added 1" in wet
        assert dry == wet
        run("export", other["id"], "--format", "coco", "--status", "labeled", "--output", f"{number}.zip")
        (saved,) = annotations(tmp_path / f"{number}.zip")
        assert saved["segmentation"] == [[value for vertex in RING for value in vertex]]


def test_a_version_goes_to_a_path_of_the_bucket_and_comes_from_there(
    client: Client, dataset: JSON, run: Run
) -> None:
    run("versions", "publish", dataset["name"])
    said = run("export", dataset["name"], "--format", "modelarts", "--version", "V001", "--to-bucket", "out/")
    assert "4 files below out/" in said and "coordinates_rounded 1" in said
    path = said.partition(" below ")[2].splitlines()[0]
    other = client.create_dataset(f"copy {uuid4()}")
    assert "objects_added 1" in run("import", other["id"], path, "--format", "modelarts", "--from-bucket")


def test_what_is_refused_is_said_with_its_line(client: Client, run: Run, tmp_path: Path) -> None:
    other = client.create_dataset(f"copy {uuid4()}")
    (tmp_path / "all.json").write_text('{"images":\n[{"id": 1, "file_name": "lost.png"}],\n"annotations": []}')
    said = run("import", other["name"], "all.json", "--format", "coco")
    assert "all.json:2: size_missing" in said


def test_what_cannot_be_meant_is_refused_with_a_sentence(dataset: JSON, run: Run, tmp_path: Path) -> None:
    for wrong in ("0.5", "a,b,c"):
        said = run("export", dataset["name"], "--format", "yolo", "--split", wrong, fails=True)
        assert "such as 0.8,0.1,0.1" in said
    assert "add up to 1" in run("export", dataset["name"], "--format", "yolo", "--split", "1,1,1", fails=True)
    (tmp_path / "empty.zip").write_text("no archive at all")
    said = run("import", dataset["name"], "empty.zip", "--format", "coco", fails=True)
    assert "Nothing of the format coco was found in empty.zip" in said
    assert "There is no nowhere" in run("import", dataset["name"], "nowhere", "--format", "coco", fails=True)
