"""The seam between API and worker: every message fits its handler, every queue is consumed."""

import json
import os
import subprocess
import sys
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import get_type_hints

import pytest

from fourpoint_core.domain.deletion import Selection
from fourpoint_core.domain.filters import LabelMatch, SampleFilter, Span, Status
from fourpoint_core.domain.geometry import Box, Contour, Part
from fourpoint_core.domain.labels import DeletionPolicy
from fourpoint_core.domain.prompts import ExtremePoints, Prompt
from fourpoint_core.domain.transfers import Existing, ExportOrder, FormatName, ImportOrder, Split
from fourpoint_core.ids import new_id
from fourpoint_core.jobs.contracts import (
    INFERENCE_QUEUES,
    IO_QUEUES,
    KINDS,
    DeleteLabel,
    DeleteSamples,
    InferContour,
    MergeLabel,
    Payload,
    PrefetchSample,
    PurgeDataset,
    Queue,
    RestoreSamples,
    SaveMode,
)
from fourpoint_core.jobs.payloads.outlines import PreLabel, ReviewOutlines, Verdict
from fourpoint_core.jobs.payloads.pictures import Form, OutlinePicture
from fourpoint_core.jobs.payloads.syncs import SyncDataset
from fourpoint_core.jobs.payloads.transfers import ExportDataset, ImportDataset
from fourpoint_core.jobs.payloads.versions import PublishVersion, SwitchVersion
from fourpoint_worker import inference_app, io_app
from fourpoint_worker.tasks.delete_label import DeleteLabelWork
from fourpoint_worker.tasks.delete_samples import DeleteSamplesWork
from fourpoint_worker.tasks.export_dataset import ExportDatasetWork
from fourpoint_worker.tasks.import_dataset import ImportDatasetWork
from fourpoint_worker.tasks.infer_contour import InferContourWork
from fourpoint_worker.tasks.merge_label import MergeLabelWork
from fourpoint_worker.tasks.outline_picture import OutlinePictureWork
from fourpoint_worker.tasks.pre_label import PreLabelWork
from fourpoint_worker.tasks.prefetch_sample import PrefetchSampleWork
from fourpoint_worker.tasks.publish_version import PublishVersionWork
from fourpoint_worker.tasks.purge_dataset import PurgeDatasetWork
from fourpoint_worker.tasks.restore_samples import RestoreSamplesWork
from fourpoint_worker.tasks.review_outlines import ReviewOutlinesWork
from fourpoint_worker.tasks.switch_version import SwitchVersionWork
from fourpoint_worker.tasks.sync_dataset import SyncDatasetWork

WORKS = {
    work.kind.name: work
    for work in (
        InferContourWork,
        OutlinePictureWork,
        PrefetchSampleWork,
        PurgeDatasetWork,
        MergeLabelWork,
        DeleteLabelWork,
        DeleteSamplesWork,
        RestoreSamplesWork,
        SyncDatasetWork,
        ExportDatasetWork,
        PublishVersionWork,
        SwitchVersionWork,
        ImportDatasetWork,
        PreLabelWork,
        ReviewOutlinesWork,
    )
}
CONSUMED = {**dict.fromkeys(INFERENCE_QUEUES, inference_app), **dict.fromkeys(IO_QUEUES, io_app)}
CLICKS = ExtremePoints((50, 10), (50, 70), (20, 40), (80, 40))
TRIANGLE = Contour((Part(((1.0, 2.0), (3.0, 2.0), (2.0, 4.0))),))
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
EVERY_CONDITION = SampleFilter(
    status=Status.LABELED,
    label_ids=(new_id(), new_id()),
    label_match=LabelMatch.ALL,
    created_within=Span(1, "mo"),
    created_after=NOON,
    created_before=NOON,
    name_contains="cat",
    path_prefix="cats/",
    labeled_by=(new_id(),),
    never_labeled=False,
    not_labeled_by=(new_id(),),
    difficult=True,
    unconfirmed=True,
    unsure=False,
    attributes=(("colour", "red"),),
    changed=True,
    at=NOON,
    version=new_id(),
)
PAYLOADS: list[Payload] = [
    InferContour(new_id(), new_id(), Prompt(points=CLICKS), SaveMode.NONE, new_id()),
    InferContour(
        new_id(),
        new_id(),
        Prompt(box_prompt=Box(1, 2, 3, 4), include=((2, 3),), exclude=((3, 3),), contour=TRIANGLE),
        SaveMode.DOCUMENT,
        new_id(),
        label_id=new_id(),
        label_name="cat",
        redraws=True,
    ),
    OutlinePicture("00" * 32, 640, 480, Form.RING, Prompt(points=CLICKS)),
    OutlinePicture("00" * 32, 640, 480, Form.BRUSH, None, (0, 1, 255)),
    PrefetchSample(new_id()),
    PrefetchSample(new_id(), (new_id(), new_id())),
    PreLabel(new_id(), Selection(filter=EVERY_CONDITION, until=NOON), edited=True),
    ReviewOutlines(new_id(), Selection(ids=(new_id(),)), Verdict.REJECT),
    PurgeDataset(new_id(), delete_objects=True),
    MergeLabel(new_id(), new_id(), new_id()),
    DeleteLabel(new_id(), new_id(), DeletionPolicy.SAMPLES_AND_SOURCE),
    DeleteSamples(new_id(), new_id(), Selection(ids=(new_id(),)), delete_source=True),
    DeleteSamples(new_id(), new_id(), Selection(filter=EVERY_CONDITION, until=NOON), delete_source=False),
    RestoreSamples(new_id(), ids=(new_id(),)),
    RestoreSamples(new_id(), deletion_id=new_id()),
    SyncDataset(new_id(), dry_run=True),
    ExportDataset(new_id(), ExportOrder(FormatName.COCO)),
    ExportDataset(
        new_id(),
        ExportOrder(
            FormatName.VOC,
            EVERY_CONDITION,
            (new_id(),),
            with_images=True,
            split=Split((0.7, 0.2, 0.1), 7),
            output_path="out/",
        ),
    ),
    ExportDataset(new_id(), ExportOrder(FormatName.YOLO, split=Split(attribute="split"))),
    PublishVersion(new_id(), new_id(), "out/"),
    SwitchVersion(new_id(), new_id()),
    ImportDataset(new_id(), ImportOrder(FormatName.COCO, path="in/")),
    ImportDataset(
        new_id(),
        ImportOrder(
            FormatName.CVAT,
            upload_id=new_id(),
            labels=(("a", "b"),),
            existing=Existing.REPLACE,
            with_images=False,
            dry_run=True,
        ),
    ),
]


@pytest.mark.parametrize("queue", Queue)
def test_a_queue_is_consumed(queue: Queue) -> None:
    assert queue in CONSUMED


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_is_run_by_the_process_that_consumes_its_queue(name: str) -> None:
    assert KINDS[name] in CONSUMED[KINDS[name].queue].KINDS


@pytest.mark.parametrize("name", KINDS)
def test_the_handler_of_a_kind_takes_its_payload(name: str) -> None:
    for step in ("do", "record"):
        assert get_type_hints(getattr(WORKS[name], step))["payload"] is KINDS[name].payload


@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_payload_survives_its_row(payload: Payload) -> None:
    assert type(payload).from_json(json.loads(json.dumps(payload.to_json()))) == payload


def test_a_filter_in_these_tests_has_every_condition() -> None:
    plain = SampleFilter()
    assert all(getattr(EVERY_CONDITION, x.name) != getattr(plain, x.name) for x in fields(SampleFilter))


def test_every_kind_has_a_payload_in_these_tests() -> None:
    assert {kind.payload for kind in KINDS.values()} == {type(payload) for payload in PAYLOADS}


_TASKS = """
import json, os
from inspect import signature
from fourpoint_core.jobs.payloads.versions import PublishVersion, SwitchVersion
from fourpoint_core.jobs.payloads.transfers import ExportDataset, ImportDataset
from fourpoint_worker import inference_app, io_app
from fourpoint_worker.settings import WorkerSettings
settings = WorkerSettings.from_mapping(os.environ)
found = {}
for module in (inference_app, io_app):
    app = module.create_app(settings)
    for name, task in app.tasks.items():
        if name.startswith("fourpoint."):
            signature(task.run).bind("an id")
            found[name] = [queue.name for queue in app.conf.task_queues]
print(json.dumps(found))
"""


def test_a_message_of_one_id_fits_the_task_of_its_kind(tmp_path: Path) -> None:
    variables = {
        **os.environ,
        "FOURPOINT_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
        "FOURPOINT_REDIS_URL": "redis://127.0.0.1:1/0",
        "FOURPOINT_STORAGE_URL": (tmp_path / "objects").as_uri(),
    }
    done = subprocess.run(
        [sys.executable, "-c", _TASKS], env=variables, capture_output=True, text=True, check=True
    )
    assert set(json.loads(done.stdout)) == {kind.task_name for kind in KINDS.values()}
