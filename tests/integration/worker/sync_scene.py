"""A dataset and its bucket, to be synchronised: files come and go, and what the table says of them is asked."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from PIL import Image
from sqlalchemy import func, select, update
from tests.factories import SQUARE, image_bytes
from tests.integration.worker.scenes import Scene

from fourpoint_core.domain.annotations import NewAnnotation
from fourpoint_core.domain.reconcile import Outcome
from fourpoint_core.ids import LOCAL_USER_ID, new_id
from fourpoint_core.jobs.payloads.syncs import Cause
from fourpoint_core.store.models import Annotation, Job, Label, Sample
from fourpoint_core.store.queries import annotations, labels, sync_items, syncs, tallies
from fourpoint_core.store.session import unit_of_work
from fourpoint_worker.syncer.context import Limits
from fourpoint_worker.tasks.sync_dataset import SyncDatasetWork

LIMITS = Limits(object_bytes=2**20, image_pixels=10**6, readers=4)
SIDE = 100


def picture(colour: int = 0, side: int = SIDE) -> bytes:
    """An image of its own for every colour."""
    return image_bytes("PNG", Image.new("RGB", (side, side), (colour, 7, 9)))


def xml(*names: str, side: int = SIDE, shift: int = 0) -> bytes:
    """A file of labels: a square each."""
    corners = [(10 + shift, 10), (60 + shift, 10), (60 + shift, 60), (10 + shift, 60), (10 + shift, 10)]
    ring = "".join(f"<x{i}>{x}</x{i}><y{i}>{y}</y{i}>" for i, (x, y) in enumerate(corners, 1))
    objects = "".join(
        f"<object><name>{name}</name><pose>Unspecified</pose><truncated>0</truncated><difficult>0</difficult>"
        f"<mask_color>255,0,0</mask_color><occluded>0</occluded><polygon>{ring}</polygon></object>\n"
        for name in names
    )
    return (
        "<annotation>\n<folder>NA</folder><filename>a.png</filename><source><database>Unknown</database></source>\n"
        f"<size><width>{side}</width><height>{side}</height><depth>3</depth></size><segmented>1</segmented>\n"
        f"{objects}</annotation>"
    ).encode()


@dataclass
class SyncScene(Scene):
    """See module."""

    limits: Limits = LIMITS

    def put(self, name: str, data: bytes | None = None) -> None:
        """Somebody writes a file into the bucket."""
        self.store.put(self.key(name), picture() if data is None else data, content_type="image/png")

    def remove(self, name: str) -> None:
        """Somebody removes one."""
        self.store.delete(self.key(name))

    def move(self, name: str, to: str) -> None:
        """Somebody renames one."""
        data = self.store.read(self.key(name))
        self.put(to, data)
        self.remove(name)

    def key(self, name: str) -> str:
        """Where a file lies."""
        return self.input_path + name

    def queue_sync(self, *, dry_run: bool = False) -> UUID:
        """A synchronisation that somebody asked for."""
        with unit_of_work(self.sessions) as session:
            return syncs.start(
                session, self.dataset_id, Cause.REQUEST, author=LOCAL_USER_ID, dry_run=dry_run
            ).job_id

    def work(self) -> SyncDatasetWork:
        """What runs it."""
        return SyncDatasetWork(self.sessions, self.store, self.limits)

    def sync(self, *, dry_run: bool = False) -> dict[str, int]:
        """Synchronise here and now; the counts that are not zero."""
        job = self.run(self.queue_sync(dry_run=dry_run), self.work())
        return counts(job)

    def report(self, job_id: UUID | None = None) -> dict[str, tuple[str, str | None]]:
        """What the last run says of each file: outcome, and the code of its detail."""
        with unit_of_work(self.sessions) as session:
            found = syncs.latest(session, self.dataset_id, job_id)
            assert found is not None
            items = sync_items.page(session, found[0].job_id, "", 1000)
        return {
            item.key.removeprefix(self.input_path): (item.outcome.value, item.detail and item.detail["code"])
            for item in items
        }

    def details(self) -> dict[str, dict[str, Any] | None]:
        """The details of the last report."""
        with unit_of_work(self.sessions) as session:
            found = syncs.latest(session, self.dataset_id)
            assert found is not None
            items = sync_items.page(session, found[0].job_id, "", 1000)
        return {item.key.removeprefix(self.input_path): item.detail for item in items}

    def samples(self) -> Sequence[Sample]:
        """All rows there are, by key."""
        with unit_of_work(self.sessions) as session:
            statement = select(Sample).where(Sample.dataset_id == self.dataset_id).order_by(Sample.object_key)
            return session.scalars(statement).all()

    def the(self, name: str) -> Sample:
        """The sample of a file."""
        return next(row for row in self.samples() if row.object_key == self.key(name))

    def states(self) -> dict[str, str]:
        """Each file of the table: here, missing or trashed."""
        return {
            row.object_key.removeprefix(self.input_path): "trashed"
            if row.trashed_at
            else "missing"
            if row.missing_since
            else "here"
            for row in self.samples()
        }

    def label(self, sample: Sample, name: str = "cat") -> None:
        """Somebody draws a square on an image."""
        with unit_of_work(self.sessions) as session:
            row = session.scalars(select(Sample).where(Sample.id == sample.id).with_for_update()).one()
            label, _ = labels.label_named(session, self.dataset_id, name)
            annotations.add_annotation(session, row, NewAnnotation(new_id(), label.id, SQUARE), LOCAL_USER_ID)

    def labels_of(self, name: str) -> list[str]:
        """What is labeled on an image now."""
        with unit_of_work(self.sessions) as session:
            statement = (
                select(Label.name)
                .join(Annotation, Annotation.label_id == Label.id)
                .where(Annotation.sample_id == self.the(name).id, Annotation.valid_to.is_(None))
                .order_by(Label.name)
            )
            return list(session.scalars(statement))

    def check_counters(self) -> None:
        """What the triggers counted is what there is."""
        with unit_of_work(self.sessions) as session:
            assert tallies.mend(session, self.dataset_id) == []
            assert tallies.settle_again(session, self.dataset_id, UUID(int=0), 1000)[1] == 0


def counts(job: Job) -> dict[str, int]:
    """What a synchronisation counted, without its zeros."""
    assert job.state == "succeeded", job.error
    assert job.result is not None
    named = {*(outcome.value for outcome in Outcome), "unchanged", "still_missing", "left_alone", "ignored"}
    return {name: number for name, number in job.result.items() if number and name in named}


def let_everything_happen(scene: SyncScene) -> None:
    """A bucket in which everything that can happen has happened since the first synchronisation."""
    for number in range(12):
        scene.put(f"{number:02}.png", picture(number))
        scene.put(f"{number:02}.xml", xml("cat"))
    scene.sync()
    scene.label(scene.the("05.png"), "mine")
    for number in range(4):
        scene.remove(f"{number:02}.png")
        scene.put(f"1{number}-new.png", picture(50 + number))
        scene.put(f"1{number}-new.xml", xml("dog"))
    scene.put("04.png", picture(90, side=60))
    scene.put("05.xml", xml("bird"))
    scene.put("06.xml", xml("fish", "fish"))
    scene.put("07.png", b"broken")
    scene.put("08.xml", b"<annotation>")


def decided(scene: SyncScene) -> Any:
    """All that a synchronisation decides, without ids and times."""
    rows = {
        row.object_key.removeprefix(scene.input_path): (
            row.missing_since is not None,
            row.changed_at is not None,
            (row.width, row.height),
            scene.labels_of(row.object_key.removeprefix(scene.input_path)),
            row.revision,
        )
        for row in scene.samples()
    }
    return rows, scene.report()


def undisturbed(scene: SyncScene) -> Any:
    """What is decided in another dataset, where nothing goes wrong."""
    other = SyncScene(scene.sessions, scene.store, scene.redis)
    let_everything_happen(other)
    other.sync()
    return decided(other)


def make_due(scene: SyncScene, job_id: UUID) -> None:
    """Let the next try of a job begin at once, as if it were the first."""
    with unit_of_work(scene.sessions) as session:
        past = func.clock_timestamp()
        session.execute(
            update(Job).where(Job.id == job_id).values(lease_expires_at=past, run_after=None, attempts=0)
        )
