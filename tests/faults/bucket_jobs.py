"""Jobs between a bucket and datasets, and all that they leave: what a run with a kill in it is compared by."""

import hashlib
import io
import json
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

from PIL import Image
from sqlalchemy import create_engine, text
from tests.http_client import JSON, Client

from fourpoint_core.store.session import Sessions, sessions_for, unit_of_work
from fourpoint_standalone.stack import Stack

SIDE = 24
IMAGES = 900
ARCHIVED = 150
CROWD = 30_000
_SQUARE = "".join(
    f"<x{i}>{x}</x{i}><y{i}>{y}</y{i}>" for i, (x, y) in enumerate([(2, 2), (20, 2), (20, 20), (2, 20)], 1)
)


@cache
def picture(number: int) -> bytes:
    """An image of its own for every number."""
    out = io.BytesIO()
    Image.new("RGB", (SIDE, SIDE), (number % 256, number // 256, 9)).save(out, "PNG")
    return out.getvalue()


def sidecar(label: str) -> bytes:
    """A file of labels with one square."""
    return (
        f"<annotation><filename>a.png</filename><size><width>{SIDE}</width><height>{SIDE}</height>"
        f"<depth>3</depth></size><segmented>1</segmented><object><name>{label}</name>"
        f"<polygon>{_SQUARE}</polygon></object></annotation>"
    ).encode()


def archive() -> bytes:
    """Images with a square each, as COCO; every tenth square lies far outside."""
    names = [f"{number:04}.png" for number in range(ARCHIVED)]
    square = [2, 2, 20, 2, 20, 20, 2, 20]
    absurd = [1, 1, 1e6, 1, 5, 5]
    document = {
        "categories": [{"id": 1, "name": "cup"}],
        "images": [{"id": n, "file_name": name, "width": SIDE, "height": SIDE} for n, name in enumerate(names)],
        "annotations": [
            {"id": n, "image_id": n, "category_id": 1, "segmentation": [square if n % 10 else absurd]}
            for n in range(ARCHIVED)
        ],
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        made.writestr("instances.json", json.dumps(document))
        for number, name in enumerate(names):
            made.writestr(f"images/{name}", picture(number))
    return out.getvalue()


@dataclass
class Bucket:
    """A running system, asked over HTTP, and its bucket and database looked into from the side."""

    stack: Stack

    def __post_init__(self) -> None:
        self.client = Client(self.stack.base_url, self.stack.admin_token)
        self.sessions: Sessions = sessions_for(create_engine(self.stack.database_url, pool_pre_ping=True))

    @property
    def directory(self) -> Path:
        """Where the objects are."""
        return self.stack.object_directory

    def post(self, address: str, /, **body: Any) -> JSON:
        """The body of a successful POST."""
        response = self.client.http.post(f"/v1{address}", json=body)
        assert response.is_success, response.text
        return dict(response.json())

    def rows(self, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        """What the database says."""
        with unit_of_work(self.sessions) as session:
            return [tuple(row) for row in session.execute(text(statement), values)]

    def job(self, job_id: str) -> JSON:
        """State, worker, result, error and seconds of the last try of a job."""
        with unit_of_work(self.sessions) as session:
            row = session.execute(
                text(
                    "SELECT state, result, error, lease_number,"
                    " extract(epoch FROM finished_at - started_at)::float AS seconds FROM jobs WHERE id = :id"
                ),
                {"id": job_id},
            ).one()
        return dict(row._mapping)

    # Synchronising

    def fill(self, folder: str) -> None:
        """A folder of images, half of them with labels."""
        for number in range(IMAGES):
            self.put(f"{folder}/{number:04}.png", picture(number))
            if number % 2:
                self.put(f"{folder}/{number:04}.xml", sidecar("cat"))

    def change(self, folder: str) -> None:
        """Images that are gone, renamed, replaced and new, and labels that are others now."""
        for number in range(0, IMAGES, 9):
            self._path(f"{folder}/{number:04}.png").unlink()
            self._path(f"{folder}/{number + 1:04}.png").rename(
                self._path(f"{folder}/moved-{number + 1:04}.png")
            )
            self.put(f"{folder}/{number + 2:04}.png", picture(number + 2000))
            self.put(f"{folder}/new-{number:04}.png", picture(number + 3000))
            self.put(f"{folder}/{number + 3:04}.xml", sidecar("dog"))

    def synchronised(self, job: JSON, dataset_id: UUID) -> Any:
        """All that a synchronisation decides, without ids and times."""
        rows = self.rows(
            "SELECT substr(object_key, length(input_path) + 1), missing_since IS NULL, changed_at IS NULL,"
            " samples.width, samples.height, samples.revision, samples.annotation_count"
            " FROM samples JOIN datasets ON datasets.id = dataset_id WHERE dataset_id = :id"
            ' ORDER BY object_key COLLATE "C"',
            id=dataset_id,
        )
        return rows, self.labels(dataset_id), {k: v for k, v in job["result"].items() if k != "dataset_id"}

    def labels(self, dataset_id: UUID) -> list[tuple[Any, ...]]:
        """What is drawn in a dataset: how many objects of which label, where."""
        return self.rows(
            "SELECT labels.name, annotations.contour::text, count(*) FROM annotations"
            " JOIN labels ON labels.id = label_id WHERE labels.dataset_id = :id AND valid_to IS NULL"
            " GROUP BY 1, 2 ORDER BY 1, 2",
            id=dataset_id,
        )

    # Importing

    def imported(self, job: JSON, dataset_id: UUID, job_id: str) -> Any:
        """All that an import leaves, without ids and times."""
        rows = self.rows(
            "SELECT name, digest, revision, annotation_count FROM samples WHERE dataset_id = :id ORDER BY name",
            id=dataset_id,
        )
        said = self.rows(
            "SELECT outcome, code, name, line FROM import_lines WHERE job_id = :id ORDER BY position", id=job_id
        )
        promised = self.rows("SELECT object_key FROM upload_intents WHERE upload_id = :id", id=job_id)
        [(path,)] = self.rows("SELECT input_path FROM datasets WHERE id = :id", id=dataset_id)
        return rows, said, promised, job["result"], self.labels(dataset_id), sorted(self.files(path))

    # Exporting

    def files(self, prefix: str, hide: str = "") -> dict[str, str]:
        """The digests of the files below a prefix, by their paths below it; `hide`: their own place in them."""
        root = self._path(prefix)
        return {
            path.relative_to(root).as_posix(): hashlib.sha256(
                path.read_bytes().replace(hide.encode(), b"") if hide else path.read_bytes()
            ).hexdigest()
            for path in root.rglob("*")
            if path.is_file()
        }

    def exported(self, job: JSON, dataset_id: UUID) -> Any:
        """The files that an export shows."""
        export = self.client.get(f"/v1/datasets/{dataset_id}/exports/{job['result']['export_id']}")
        files = self.files(export["path"], hide=export["path"])
        assert export["files"] == len(files)
        return files, export["report"]

    # Publishing

    def crowd(self, dataset_id: UUID) -> None:
        """So many more images that publishing them takes a while; nobody looks at their files."""
        self.write(
            "INSERT INTO samples (id, dataset_id, name, object_key, object_etag, digest, media_type,"
            " size_bytes, width, height, created_by) SELECT gen_random_uuid(), d.id, n || '.png',"
            " 'crowd/' || d.id || '/' || n, '1', lpad(n::text, 64, '0'), 'image/png', 1, 9, 9, d.created_by"
            " FROM generate_series(1, :count) n, datasets d WHERE d.id = :id",
            id=dataset_id,
            count=CROWD,
        )

    def stir(self, dataset_id: UUID, number: int) -> list[tuple[Any, ...]]:
        """Other bytes for most of the crowd; what a version of now must hold."""
        self.write(
            "UPDATE samples SET digest = lpad(:mark || substr(digest, 10), 64, '1')"
            " WHERE dataset_id = :id AND object_key LIKE 'crowd/%7'",
            id=dataset_id,
            mark=f"{number:09}",
        )
        return self.rows(
            _HELD.format(table="samples", sample="id", revision="revision", where="true"), id=dataset_id
        )

    def published(self, job: JSON, dataset_id: UUID) -> list[tuple[Any, ...]]:
        """What a version holds."""
        version = self.client.get(f"/v1/datasets/{dataset_id}/versions/{job['result']['version_id']}")
        assert (version["state"], version["is_current"]) == ("published", True)
        where = f"from_number <= {version['number']} AND (to_number IS NULL OR to_number > {version['number']})"
        held = self.rows(
            _HELD.format(table="version_samples", sample="sample_id", revision="content_revision", where=where),
            id=dataset_id,
        )
        assert version["samples"] == held[0][0]
        return held

    def write(self, statement: str, **values: Any) -> None:
        """Change what the database says."""
        with unit_of_work(self.sessions) as session:
            session.execute(text(statement), values)

    def put(self, key: str, data: bytes) -> None:
        """Somebody writes an object."""
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def _path(self, key: str) -> Path:
        return self.directory / key


_HELD = (
    "SELECT count(*), sum(hashtext(concat_ws(' ', {sample}, {revision}, digest, object_key)))"
    " FROM {table} WHERE dataset_id = :id AND {where}"
)
