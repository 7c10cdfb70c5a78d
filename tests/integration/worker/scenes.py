"""What the worker's tests are about: an image in a dataset, an engine that draws a square, jobs."""

import hashlib
import io
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

import numpy as np
from PIL import Image
from redis import Redis

from fourpoint_core.domain.prompts import ExtremePoints, Prompt
from fourpoint_core.ids import LOCAL_USER_ID, new_id
from fourpoint_core.imaging.decoder import Decoder
from fourpoint_core.jobs.contracts import INFER_CONTOUR, InferContour, JobKind, Payload, SaveMode
from fourpoint_core.storage import ObjectStore
from fourpoint_core.store.digest_book import DigestBook
from fourpoint_core.store.models import Job, Sample
from fourpoint_core.store.queries import datasets, jobs, samples
from fourpoint_core.store.session import Sessions, unit_of_work
from fourpoint_worker.images import ImageCache
from fourpoint_worker.lease_keeper import LeaseKeeper
from fourpoint_worker.running import Runner, Work
from fourpoint_worker.segmenter.port import Checkpoint, Picture, SoftMask, Urgency
from fourpoint_worker.tasks.infer_contour import InferContourWork

SIDE = 40
# Starts when a test has an image decoded, and ends with the tests.
DECODER = Decoder(1, 2**30, 60)
PROMPT = Prompt(points=ExtremePoints(top=(20, 10), bottom=(20, 30), left=(10, 20), right=(30, 20)))


class SquareEngine:
    """Finds the square [10, 30] x [10, 30] in whatever it is shown.

    meanwhile: called while it "thinks", with the checkpoint.
    """

    name = "square"
    model_digest = "0" * 64

    def __init__(self, meanwhile: Callable[[Checkpoint], None] = lambda checkpoint: None):
        self.meanwhile = meanwhile
        self.asked = 0

    def warm_up(self) -> None:
        """Nothing to do."""

    def prepare(self, picture: Picture, checkpoint: Checkpoint, urgency: Urgency = Urgency.PREFETCH) -> None:
        """Look at the picture."""
        picture.pixels()

    def soft_mask(
        self, picture: Picture, prompt: Prompt, checkpoint: Checkpoint, urgency: Urgency = Urgency.CLICK
    ) -> SoftMask:
        """The square."""
        picture.pixels()
        checkpoint("model")
        self.asked += 1
        self.meanwhile(checkpoint)
        probability = np.zeros((SIDE, SIDE), np.float32)
        probability[10:30, 10:30] = 1
        return SoftMask(probability, (0.0, 0.0), (1.0, 1.0))


def png(colour: tuple[int, int, int] = (90, 120, 30), side: int = SIDE) -> bytes:
    """A plain image."""
    out = io.BytesIO()
    Image.new("RGB", (side, side), colour).save(out, "PNG")
    return out.getvalue()


@dataclass
class Scene:
    """A dataset in a real database and store, with the means to queue and run jobs on it."""

    sessions: Sessions
    store: ObjectStore
    redis: Redis
    engine: SquareEngine = field(default_factory=SquareEngine)
    lease_seconds: float = 30.0
    dataset_id: UUID = field(init=False)

    def __post_init__(self) -> None:
        with unit_of_work(self.sessions) as session:
            dataset = datasets.add_dataset(session, f"dataset {new_id()}", "", None, LOCAL_USER_ID)
        self.dataset_id = dataset.id
        self.input_path = dataset.input_path

    def sample(self, data: bytes | None = None, name: str = "photo.png") -> Sample:
        """An image of the dataset."""
        data = png() if data is None else data
        key = f"{self.input_path}{name}"
        info = self.store.put(key, data, content_type="image/png")
        sample = Sample(
            id=new_id(),
            dataset_id=self.dataset_id,
            name=name,
            object_key=key,
            object_etag=info.etag,
            digest=hashlib.sha256(data).hexdigest(),
            media_type="image/png",
            size_bytes=len(data),
            width=SIDE,
            height=SIDE,
            created_by=LOCAL_USER_ID,
        )
        with unit_of_work(self.sessions) as session:
            samples.add_samples(session, [sample])
        return self.read_sample(sample.id)

    def read_sample(self, sample_id: UUID) -> Sample:
        """The sample as it is now."""
        with unit_of_work(self.sessions) as session:
            return samples.get_sample(session, sample_id)

    def queue(self, kind: JobKind, payload: Payload) -> UUID:
        """A committed job whose message nobody has published."""
        job_id = new_id()
        with unit_of_work(self.sessions) as session:
            jobs.add_job(
                session,
                kind,
                payload,
                job_id=job_id,
                author=LOCAL_USER_ID,
                dataset_id=self.dataset_id,
                sample_id=None,
                request_id="request-1",
            )
        return job_id

    def queue_click(self, sample: Sample, save: SaveMode = SaveMode.NONE, label: str | None = None) -> UUID:
        """A queued inference on the square."""
        payload = InferContour(sample.id, new_id(), PROMPT, save, new_id(), label_name=label)
        return self.queue(INFER_CONTOUR, payload)

    def images(self) -> ImageCache:
        """Decoded images."""
        return ImageCache(self.store, 2**20, DigestBook(self.sessions, self.store))

    def click_work(self) -> InferContourWork:
        """What runs clicks, with the scene's engine."""
        return InferContourWork(self.sessions, self.images(), self.engine)

    def runner(self, keeper: LeaseKeeper | None = None, name: str = "worker-1") -> Runner:
        """A worker, as far as running jobs goes; its leases are renewed only by a started keeper."""
        idle = LeaseKeeper(self.sessions, self.lease_seconds, stage_seconds=60)
        return Runner(self.sessions, self.redis, keeper or idle, self.lease_seconds, name)

    def run(self, job_id: UUID, work: Work | None = None) -> Job:
        """Handle one message about the job, here and now."""
        self.runner().run(work or self.click_work(), job_id)
        return self.job(job_id)

    def job(self, job_id: UUID) -> Job:
        """The job as it is now."""
        with unit_of_work(self.sessions) as session:
            return jobs.get_job(session, job_id)

    def outcomes(self, job_id: UUID) -> list[str | None]:
        """How the tries of the job ended, first to last."""
        with unit_of_work(self.sessions) as session:
            return [attempt.outcome for attempt in jobs.attempts_of(session, job_id)]


class Gate:
    """Lets a test stop an engine in the middle: `reached` is set there, and it goes on after `open`."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.open = threading.Event()

    def __call__(self, checkpoint: Checkpoint) -> None:
        """Wait at the gate."""
        self.reached.set()
        assert self.open.wait(30)
