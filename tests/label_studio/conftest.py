"""Label Studio and Fourpoint side by side, each in processes of its own, each with the other's address."""

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.http_client import Client
from tests.label_studio_server import LabelStudio, running_label_studio

from fourpoint_standalone.photographs import COFFEE, Thing
from fourpoint_standalone.stack import Stack, StackOptions, remove_data

PHOTO, CUP = COFFEE, COFFEE.things[0]
CONFIG = (
    '<View><Image name="image" value="$image"/>'
    '<KeyPointLabels name="click" toName="image" smart="true"><Label value="cup"/></KeyPointLabels>'
    '<PolygonLabels name="outline" toName="image"><Label value="cup"/></PolygonLabels></View>'
)
BRUSHES = CONFIG.replace("Polygon", "Brush")
Json = dict[str, Any]


@pytest.fixture(scope="session")
def directory() -> Iterator[Path]:
    """Where both keep their data."""
    made = Path(tempfile.mkdtemp(prefix="fourpoint-label-studio-"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made, ignore_errors=True)


@dataclass(frozen=True)
class Pair:
    """Both, running."""

    label_studio: LabelStudio
    stack: Stack
    fourpoint: Client

    @property
    def url(self) -> str:
        """What is entered in Label Studio as the model's address."""
        return f"{self.stack.base_url}/integrations/label-studio"

    def backend(self, project: int, **more: Any) -> Json:
        """What connects a project with Fourpoint."""
        signing_in = {
            "auth_method": "BASIC_AUTH",
            "basic_auth_user": "any",
            "basic_auth_pass": self.stack.admin_token,
        }
        return {"url": self.url, "project": project, "is_interactive": True, **signing_in, **more}


@dataclass(frozen=True)
class Connected:
    """A project with a photograph and with Fourpoint as its model."""

    pair: Pair
    project: int
    task: Json
    backend: Json

    def ask(self, drawn: list[Json]) -> Json:
        """What the editor gets when a person has drawn this with Auto-Annotation on."""
        path = f"/api/ml/{self.backend['id']}/interactive-annotating"
        return dict(self.pair.label_studio.post(path, {"task": self.task["id"], "context": {"result": drawn}}))


@pytest.fixture(scope="session")
def pair(directory: Path) -> Iterator[Pair]:
    """Label Studio, and a Fourpoint that may fetch its images."""
    with running_label_studio(directory / "label-studio") as (label_studio, token):
        environment = {
            "FOURPOINT_LABEL_STUDIO_URL": str(label_studio.http.base_url).rstrip("/"),
            "FOURPOINT_LABEL_STUDIO_TOKEN": token.token,
        }
        options = StackOptions(directory / "fourpoint", api_port=0, io_processes=1, environment=environment)
        with Stack(options) as stack:
            yield Pair(label_studio, stack, Client(stack.base_url, stack.admin_token))
        remove_data(directory / "fourpoint")


def connect(pair: Pair, config: str) -> Connected:
    """A new project with the photograph, connected."""
    project = pair.label_studio.project(config)
    task = pair.label_studio.upload(project, PHOTO.file_name, PHOTO.read())
    return Connected(pair, project, task, pair.label_studio.post("/api/ml/", pair.backend(project)))


@pytest.fixture
def connected(pair: Pair) -> Connected:
    """A project that is answered with polygons."""
    return connect(pair, CONFIG)


def clicks(thing: Thing, width: int, height: int) -> list[Json]:
    """Four keypoints as Label Studio's editor draws them, in percent."""
    return [
        {
            "id": f"k{number}",
            "type": "keypointlabels",
            "from_name": "click",
            "to_name": "image",
            "original_width": width,
            "original_height": height,
            "image_rotation": 0,
            "is_positive": True,
            "value": {"x": x / width * 100, "y": y / height * 100, "width": 0.3, "keypointlabels": ["cup"]},
        }
        for number, (x, y) in enumerate(thing.points.values())
    ]
