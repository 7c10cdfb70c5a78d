"""Archives in which one file was changed by chance, imported by a worker: what is read can also be kept."""

import random

import pytest
from tests.factories import image_bytes, picture
from tests.fuzz import seeds
from tests.fuzz.mutations import mutated
from tests.integration.worker.imports import another, bring, counts, upload, zipped
from tests.integration.worker.scenes import Scene
from tests.unit.formats.shapes import picture as exported

from fourpoint_worker.formats.catalogue import FORMATS

IMAGE = image_bytes("JPEG", picture(size=seeds.SIZE))


def imported(scene: Scene, name: str, files: dict[str, bytes]) -> dict[str, int]:
    """What an import into an empty dataset counts; it must have succeeded."""
    there = another(scene)
    # A manifest names the image by its address in the bucket, of which the archive holds the end.
    place = exported().path if name == "modelarts" else FORMATS[name].image_path(exported())
    archive = zipped({place: IMAGE, **files})
    return counts(bring(there, name, upload_id=upload(there, archive), with_images=True))


@pytest.mark.parametrize("name", seeds.FOREIGN)
def test_what_fuzzing_begins_with_is_kept(scene: Scene, name: str) -> None:
    assert imported(scene, name, seeds.tree(name))["objects_added"] >= 4


@pytest.mark.parametrize("name", seeds.FOREIGN)
def test_a_file_changed_by_chance_ends_no_import_as_a_defect(scene: Scene, name: str) -> None:
    chance = random.Random(name)
    for path in seeds.FOREIGN[name]:
        for _ in range(4):
            data = mutated(name, seeds.tree(name)[path], chance)
            imported(scene, name, {**seeds.tree(name), path: data})
