"""Jobs on a real S3 server that fails them: each try says why, and in the end all is as if undisturbed."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from typing import Any
from uuid import UUID

import pytest
from redis import Redis
from sqlalchemy import update
from tests.integration.worker import exports, imports
from tests.integration.worker.scenes import DECODER, Scene, png
from tests.integration.worker.sync_scene import (
    LIMITS,
    SyncScene,
    counts,
    decided,
    let_everything_happen,
    make_due,
    picture,
    undisturbed,
)
from tests.s3_faults import PASS, Fault, FaultyS3, Request, Rule, faults_before
from tests.s3_server import S3Server, s3_bucket, s3_server  # noqa: F401 - fixtures

from fourpoint_core.domain.transfers import ExportOrder, FormatName
from fourpoint_core.ids import LOCAL_USER_ID, new_id
from fourpoint_core.jobs.contracts import KINDS, PUBLISH_VERSION
from fourpoint_core.jobs.payloads.versions import PublishVersion
from fourpoint_core.storage import ObjectStore
from fourpoint_core.storage.s3_store import S3Store
from fourpoint_core.store.models import Job, JobAttempt, Version
from fourpoint_core.store.queries import jobs, versions
from fourpoint_core.store.session import Sessions, unit_of_work
from fourpoint_worker.importing import slices
from fourpoint_worker.running import Work
from fourpoint_worker.syncer import images, reading, sidecars, survey
from fourpoint_worker.tasks.export_dataset import ExportDatasetWork
from fourpoint_worker.tasks.import_dataset import ImportDatasetWork
from fourpoint_worker.tasks.publish_version import PublishVersionWork
from fourpoint_worker.tasks.sync_dataset import SyncDatasetWork

pytestmark = pytest.mark.bucket
ADDRESS = "s3://bucket"
# Which fault begins behind how many requests, how patient the client is, and what the try says of it.
FAULTS: list[tuple[Fault, int, float, str]] = [
    (Fault(keep=20), 0, 30, "did not answer properly"),
    (Fault(403, "ExpiredToken"), 0, 30, "ExpiredToken"),
    (Fault(503, "SlowDown"), 1, 30, "SlowDown"),
    (Fault(403, "InvalidAccessKeyId"), 2, 30, "InvalidAccessKeyId"),
    (Fault(403, "RequestTimeTooSkewed"), 2, 30, "clocks"),
    (Fault(seconds=3.0), 1, 1.5, "did not answer properly"),
]
# HEAD has no body, so what refuses one cannot say more.
OF_HEAD = {403: "may not do this", 503: "503"}


@pytest.fixture
def proxy(s3_server: S3Server) -> Iterator[FaultyS3]:  # noqa: F811
    with faults_before(s3_server) as faulty:
        yield faulty


@pytest.fixture
def open_bucket(s3_server: S3Server, s3_bucket: str) -> Callable[..., S3Store]:  # noqa: F811
    """Opens the bucket, at the server's own address or at another one."""

    def opened(endpoint: str = "", patience: float = 30) -> S3Store:
        return S3Store(
            endpoint=endpoint or s3_server.endpoint,
            bucket=s3_bucket,
            access_key=s3_server.access_key,
            secret_key=s3_server.secret_key,
            region=s3_server.region,
            secure=False,
            connect_seconds=min(patience, 3),
            transfer_seconds=patience,
        )

    return opened


@pytest.fixture
def scene(sessions: Sessions, open_bucket: Callable[..., S3Store], redis: Redis) -> SyncScene:
    return SyncScene(sessions, open_bucket(), redis)


@pytest.fixture(autouse=True)
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "ITEMS", 4)
    monkeypatch.setattr(images, "SLICE", 4)
    monkeypatch.setattr(sidecars, "SLICE", 4)
    monkeypatch.setattr(slices, "SLICE", 2)
    monkeypatch.setattr(reading, "PAUSE_SECONDS", 0)


@dataclass
class Trial:
    """A job to be disturbed. work: what runs it with a store; outcome: what it has left, once it has ended.

    reads: whether it reads objects, and not only writes some.
    """

    job_id: UUID
    work: Callable[[ObjectStore], Work]
    outcome: Callable[[Job], Any]
    expected: Any
    reads: bool = True


def a_synchronisation(scene: SyncScene) -> Trial:
    expected = undisturbed(scene)
    let_everything_happen(scene)
    return Trial(
        scene.queue_sync(),
        lambda store: SyncDatasetWork(scene.sessions, store, LIMITS),
        lambda _: decided(scene),
        expected,
    )


def an_import(scene: SyncScene) -> Trial:
    source = imports.another(scene)
    exports.kitchen(source)
    _, made = exports.export(source, with_images=True)
    scene.store.put("files/all.zip", scene.store.read(made.object_key or ""), content_type="application/zip")

    def outcome(of: Scene, job: Job) -> Any:
        keys = [info.key.removeprefix(of.input_path) for info in of.store.list(of.input_path)]
        return imports.objects(of), imports.counts(job), keys, len(imports.lines(of, job))

    calm = imports.another(scene)
    expected = outcome(calm, imports.bring(calm, path="files/all.zip"))
    return Trial(
        imports.queue(scene, path="files/all.zip"),
        lambda store: ImportDatasetWork(scene.sessions, store, ADDRESS, 2**30, 10**8, DECODER),
        lambda job: outcome(scene, job),
        expected,
    )


def exported(scene: Scene, job: Job) -> dict[str, bytes]:
    """The files of an export, but for the place that they name."""
    made = exports.read(scene, UUID((job.result or {})["export_id"]))
    return {
        path: data.replace(made.prefix.encode(), b"") for path, data in exports.contents(scene, made).items()
    }


def export_work(scene: Scene) -> Callable[[ObjectStore], Work]:
    return lambda store: ExportDatasetWork(scene.sessions, store, ADDRESS, days=7)


def an_export(scene: SyncScene) -> Trial:
    exports.kitchen(scene)

    def queue(place: str) -> UUID:
        return exports.queue(scene, ExportOrder(FormatName.MODELARTS, output_path=place, with_images=True))

    calm = scene.run(queue("calm/"), export_work(scene)(scene.store))
    return Trial(queue("out/"), export_work(scene), lambda job: exported(scene, job), exported(scene, calm))


def a_published_tree(scene: SyncScene) -> Trial:
    """What a publication writes below the output path, by the job that it queues."""
    exports.kitchen(scene)

    def published(place: str) -> tuple[UUID, Version]:
        job_id = new_id()
        with unit_of_work(scene.sessions) as session:
            head = versions.begin(session, scene.dataset_id, job_id)
            version = versions.add_version(session, head, None, "", LOCAL_USER_ID, job_id)
            jobs.add_job(
                session,
                PUBLISH_VERSION,
                PublishVersion(scene.dataset_id, version.id, place),
                job_id=job_id,
                author=LOCAL_USER_ID,
                dataset_id=scene.dataset_id,
                sample_id=None,
                request_id=None,
            )
        job = scene.run(job_id, PublishVersionWork(scene.sessions))
        return UUID((job.result or {})["export_job_id"]), version

    def tree(job: Job, version: Version) -> dict[str, bytes]:
        """Its files, but for the version that they name: two versions have the same content here."""
        named = (str(version.name), str(version.id))
        return {
            path.replace(named[0], "V"): data.replace(named[0].encode(), b"V").replace(named[1].encode(), b"")
            for path, data in exported(scene, job).items()
        }

    calm_id, calm = published("calm/")
    expected = tree(scene.run(calm_id, export_work(scene)(scene.store)), calm)
    job_id, version = published("out/")
    return Trial(job_id, export_work(scene), lambda job: tree(job, version), expected, reads=False)


def beginning_behind(requests: int, fault: Fault) -> Rule:
    """Once so many requests have passed, the fault meets all that come."""
    numbers = count()

    def rule(request: Request) -> Fault:
        if fault.keep is not None and request.method != "GET":
            return PASS
        return fault if next(numbers) >= requests else PASS

    return rule


def last_reason(scene: Scene, job_id: UUID) -> str:
    with unit_of_work(scene.sessions) as session:
        tries: list[JobAttempt] = list(jobs.attempts_of(session, job_id))
    return tries[-1].reason or ""


@pytest.mark.parametrize("begin", [a_synchronisation, an_import, an_export, a_published_tree])
def test_every_fault_of_the_store_is_named_and_leaves_no_trace(
    scene: SyncScene,
    proxy: FaultyS3,
    open_bucket: Callable[..., S3Store],
    begin: Callable[[SyncScene], Trial],
) -> None:
    trial = begin(scene)
    for fault, behind, patience, named in FAULTS:
        if fault.keep is not None and not trial.reads:
            continue
        proxy.rule = beginning_behind(behind, fault)
        proxy.met.clear()
        job = scene.run(trial.job_id, trial.work(open_bucket(proxy.endpoint, patience)))
        assert proxy.met and job.state == "queued", (named, job.state, job.error)
        reason = last_reason(scene, trial.job_id)
        is_head = any(request.method == "HEAD" for request in proxy.met)
        assert named in reason or (is_head and OF_HEAD[fault.status] in reason), reason
        make_due(scene, trial.job_id)
    job = scene.run(trial.job_id, trial.work(scene.store))
    assert job.state == "succeeded", job.error
    assert trial.outcome(job) == trial.expected


@pytest.mark.parametrize("begin", [a_synchronisation, an_import, an_export, a_published_tree])
def test_a_job_whose_tries_are_used_up_says_why_and_can_be_tried_again(
    scene: SyncScene,
    proxy: FaultyS3,
    open_bucket: Callable[..., S3Store],
    begin: Callable[[SyncScene], Trial],
) -> None:
    trial = begin(scene)
    with unit_of_work(scene.sessions) as session:
        session.execute(update(Job).where(Job.id == trial.job_id).values(max_attempts=1))
    proxy.rule = beginning_behind(1, Fault(403, "ExpiredToken"))
    job = scene.run(trial.job_id, trial.work(open_bucket(proxy.endpoint)))
    assert (job.state, (job.error or {})["code"].startswith("storage_")) == ("failed", True)
    assert "FOURPOINT_STORAGE_ACCESS_KEY" in (job.error or {})["detail"]
    with unit_of_work(scene.sessions) as session:
        jobs.retry(session, trial.job_id, KINDS[job.kind])
    job = scene.run(trial.job_id, trial.work(scene.store))
    assert trial.outcome(job) == trial.expected


def test_images_of_which_only_parts_arrive_are_named_and_taken_the_next_time(
    scene: SyncScene, proxy: FaultyS3, open_bucket: Callable[..., S3Store]
) -> None:
    for number in range(3):
        scene.put(f"{number}.png", picture(number))
    proxy.rule = lambda request: Fault(keep=20) if request.is_of_an_object else PASS
    job = scene.run(scene.queue_sync(), SyncDatasetWork(scene.sessions, open_bucket(proxy.endpoint), LIMITS))
    assert counts(job) == {"failed": 3}
    assert scene.report() == {f"{number}.png": ("failed", "storage_unavailable") for number in range(3)}
    assert scene.sync() == {"added": 3}


# A bucket that changes meanwhile


def once(condition: Callable[[Request], bool], change: Callable[[], None]) -> Rule:
    """Somebody changes the bucket when the first such request comes, and before it is answered."""
    numbers = count()

    def rule(request: Request) -> Fault:
        if condition(request) and next(numbers) == 0:
            change()
        return PASS

    return rule


def test_a_bucket_that_changes_between_two_pages_is_right_the_next_time(
    scene: SyncScene,
    proxy: FaultyS3,
    open_bucket: Callable[..., S3Store],
    s3_server: S3Server,  # noqa: F811
) -> None:
    for number in range(6):
        scene.put(f"{number}.png", picture(number))
    # What is no image fills the first page of the listing.
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: scene.put(f"1/{n:03}.txt", b"x"), range(s3_server.page_size)))

    def change() -> None:
        scene.remove("0.png")
        scene.move("5.png", "00.png")
        scene.remove("4.png")
        scene.put("9.png", picture(9))

    proxy.rule = once(lambda request: "marker=" in request.path and "marker=&" not in request.path, change)
    job = scene.run(scene.queue_sync(), SyncDatasetWork(scene.sessions, open_bucket(proxy.endpoint), LIMITS))
    assert job.state == "succeeded", job.error
    scene.sync()
    here = {name for name, state in scene.states().items() if state == "here"}
    assert here == {"00.png", "1.png", "2.png", "3.png", "9.png"}
    assert scene.sync() == {"unchanged": 5, "ignored": s3_server.page_size}


def test_an_image_that_is_replaced_while_an_export_runs_is_whole_in_the_next_one(
    scene: SyncScene, proxy: FaultyS3, open_bucket: Callable[..., S3Store]
) -> None:
    _, second, _ = exports.kitchen(scene)

    def change() -> None:
        scene.store.delete(second.object_key)

    def export(store: ObjectStore) -> Any:
        order = ExportOrder(FormatName.COCO, with_images=True, output_path=f"out/{new_id()}/")
        job = scene.run(exports.queue(scene, order), export_work(scene)(store))
        assert job.state == "succeeded", job.error
        return exports.read(scene, UUID((job.result or {})["export_id"]))

    proxy.rule = once(lambda request: request.method == "GET" and "shelf/a.png" in request.path, change)
    made = export(open_bucket(proxy.endpoint))
    assert made.report["conversions"]["image_missing"] == 1
    scene.store.put(second.object_key, png((4, 5, 6)), content_type="image/png")
    again = export(scene.store)
    assert "image_missing" not in again.report["conversions"]
    assert "images/default/shelf/b.png" in exports.contents(scene, again)


def test_a_folder_that_changes_while_it_is_imported_is_complete_the_next_time(
    scene: SyncScene, proxy: FaultyS3, open_bucket: Callable[..., S3Store]
) -> None:
    source = imports.another(scene)
    exports.kitchen(source)
    _, made = exports.export(source, with_images=True)
    place = imports.place(scene, exports.contents(scene, made))
    gone = f"{place}images/default/shelf/b.png"
    data = scene.store.read(gone)

    def bring(store: ObjectStore) -> Job:
        work = ImportDatasetWork(scene.sessions, store, ADDRESS, 2**30, 10**8, DECODER)
        job = scene.run(imports.queue(scene, path=place), work)
        assert job.state == "succeeded", job.error
        return job

    proxy.rule = once(
        lambda request: request.method == "GET" and "instances_default.json" in request.path,
        lambda: scene.store.delete(gone),
    )
    job = bring(open_bucket(proxy.endpoint))
    assert [line.name for line in imports.lines(scene, job)] == ["shelf/b.png"]
    scene.store.put(gone, data, content_type="image/png")
    bring(scene.store)
    assert imports.objects(scene) == {"c.png": [], "shelf/a.png": ["cup", "plate"], "shelf/b.png": ["cup"]}
