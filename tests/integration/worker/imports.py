"""Files brought into a dataset by a worker."""

import io
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select
from tests.integration.worker.scenes import DECODER, Scene

from fourpoint_core.domain.transfers import FormatName, ImportOrder
from fourpoint_core.ids import LOCAL_USER_ID, new_id
from fourpoint_core.jobs.contracts import IMPORT_DATASET
from fourpoint_core.jobs.payloads.transfers import ImportDataset
from fourpoint_core.storage.staging import staged_key
from fourpoint_core.store.models import Annotation, ImportLine, Job, Label, Sample
from fourpoint_core.store.queries import imports, uploads
from fourpoint_core.store.session import unit_of_work
from fourpoint_worker.tasks.import_dataset import ImportDatasetWork


def another(scene: Scene) -> Scene:
    """An empty dataset in the same world."""
    return Scene(scene.sessions, scene.store, scene.redis)


def work(scene: Scene, max_bytes: int = 2**30) -> ImportDatasetWork:
    """What runs imports."""
    return ImportDatasetWork(scene.sessions, scene.store, "file:///bucket", max_bytes, 10**8, DECODER)


def queue(scene: Scene, format_name: str = "coco", **how: Any) -> UUID:
    """A committed job that imports into the scene's dataset."""
    order = ImportOrder(FormatName(format_name), **how)
    return scene.queue(IMPORT_DATASET, ImportDataset(scene.dataset_id, order))


def bring(scene: Scene, format_name: str = "coco", **how: Any) -> Job:
    """Import, and read the job."""
    return scene.run(queue(scene, format_name, **how), work(scene))


def zipped(files: Mapping[str, bytes]) -> bytes:
    """An archive."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in files.items():
            archive.writestr(path, data)
    return out.getvalue()


def upload(scene: Scene, data: bytes, name: str = "export.zip") -> UUID:
    """A file in a slot of the dataset."""
    with unit_of_work(scene.sessions) as session:
        files = [{"name": name, "size_bytes": len(data), "content_type": "application/zip"}]
        made = uploads.open_slots(session, new_id(), scene.dataset_id, LOCAL_USER_ID, files, 3600)
    scene.store.put(staged_key(made.id, 0), data, content_type="application/zip")
    return made.id


def place(scene: Scene, files: Mapping[str, bytes], prefix: str = "elsewhere/") -> str:
    """Files in the bucket, apart from every dataset."""
    for path, data in files.items():
        scene.store.put(prefix + path, data, content_type="application/octet-stream")
    return prefix


def counts(job: Job) -> dict[str, int]:
    """What the job counted, without zeros."""
    assert job.state == "succeeded", job.error
    return {name: count for name, count in (job.result or {})["counts"].items() if count}


def lines(scene: Scene, job: Job) -> Sequence[ImportLine]:
    """What the job had to say."""
    with unit_of_work(scene.sessions) as session:
        return imports.list_lines(session, job.id, None, 0, 1000)[0]


def objects(scene: Scene) -> dict[str, list[str]]:
    """Labels of the objects of every image, by the image's path."""
    with unit_of_work(scene.sessions) as session:
        rows = session.execute(
            select(Sample.object_key, Label.name)
            .outerjoin(Annotation, (Annotation.sample_id == Sample.id) & Annotation.valid_to.is_(None))
            .outerjoin(Label, Label.id == Annotation.label_id)
            .where(Sample.dataset_id == scene.dataset_id)
            .order_by(Sample.object_key, Label.name)
        )
        found: dict[str, list[str]] = {}
        for key, label in rows:
            found.setdefault(key.removeprefix(scene.input_path), []).extend([] if label is None else [label])
        return found
