"""A dataset with something in it, exported by a worker."""

import io
import zipfile
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from tests.integration.worker.scenes import Scene, png

from fourpoint_core.domain.annotations import NewAnnotation, Traits
from fourpoint_core.domain.geometry import Contour, Part
from fourpoint_core.domain.transfers import ExportOrder, FormatName
from fourpoint_core.ids import LOCAL_USER_ID, new_id
from fourpoint_core.jobs.contracts import EXPORT_DATASET
from fourpoint_core.jobs.payloads.transfers import ExportDataset
from fourpoint_core.store.models import Export, Job, Sample
from fourpoint_core.store.queries import annotations, exports, labels, samples
from fourpoint_core.store.session import unit_of_work
from fourpoint_worker.tasks.export_dataset import ExportDatasetWork

BLOCK = Contour((Part(((2.5, 2.5), (10.5, 2.5), (10.5, 12.5), (2.5, 12.5))),))
RING = Contour(
    (
        Part(
            ((12.5, 2.5), (30.5, 2.5), (30.5, 20.5), (12.5, 20.5)),
            (((16.5, 6.5), (24.5, 6.5), (24.5, 14.5), (16.5, 14.5)),),
        ),
    )
)


def draw(scene: Scene, sample: Sample, label: str, contour: Contour = BLOCK, **traits: Any) -> UUID:
    """Save an object on a sample."""
    with unit_of_work(scene.sessions) as session:
        made, _ = labels.label_named(session, scene.dataset_id, label)
        locked = samples.get_sample(session, sample.id, lock=True)
        new = NewAnnotation(new_id(), made.id, contour, traits=Traits(**traits))
        annotations.add_annotation(session, locked, new, LOCAL_USER_ID)
    return new.id


def kitchen(scene: Scene) -> list[Sample]:
    """Three images: one with two objects, one with a hole and attributes, one without anything."""
    named = (("shelf/a.png", (1, 2, 3)), ("shelf/b.png", (4, 5, 6)), ("c.png", (7, 8, 9)))
    made = [scene.sample(png(colour), name) for name, colour in named]
    draw(scene, made[0], "cup")
    draw(scene, made[0], "plate", RING)
    draw(scene, made[1], "cup", RING, attributes={"colour": "red"}, occluded=True)
    return made


def work(scene: Scene) -> ExportDatasetWork:
    """What runs exports."""
    return ExportDatasetWork(scene.sessions, scene.store, "file:///bucket", days=7)


def queue(scene: Scene, order: ExportOrder) -> UUID:
    """A committed job that exports the scene's dataset."""
    return scene.queue(EXPORT_DATASET, ExportDataset(scene.dataset_id, order))


def export(scene: Scene, format_name: str = "coco", **how: Any) -> tuple[Job, Export]:
    """Export, and read what came of it."""
    job = scene.run(queue(scene, ExportOrder(FormatName(format_name), **how)), work(scene))
    assert job.state == "succeeded", job.error
    return job, read(scene, UUID((job.result or {})["export_id"]))


def read(scene: Scene, export_id: UUID) -> Export:
    """A finished export."""
    with unit_of_work(scene.sessions) as session:
        return exports.get_export(session, scene.dataset_id, export_id)


def contents(scene: Scene, made: Export) -> dict[str, bytes]:
    """The files of an export, from its archive or from the bucket."""
    if made.object_key is None:
        found = scene.store.list(made.prefix)
        return {info.key.removeprefix(made.prefix): scene.store.read(info.key) for info in found}
    with zipfile.ZipFile(io.BytesIO(scene.store.read(made.object_key))) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def keys_below(scene: Scene, *prefixes: str) -> Iterable[str]:
    """What lies in the bucket."""
    return [info.key for prefix in prefixes for info in scene.store.list(prefix)]
