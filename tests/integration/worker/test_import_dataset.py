"""Imports: what was exported comes back, twice is once, and whoever is killed ends as if undisturbed."""

import io
import json
import re
import signal
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image
from sqlalchemy import delete, func, select, update
from tests.integration.worker.exports import RING, contents, draw, export, kitchen
from tests.integration.worker.imports import (
    another,
    bring,
    counts,
    lines,
    objects,
    place,
    queue,
    upload,
    work,
    zipped,
)
from tests.integration.worker.scenes import SIDE, Scene

from fourpoint_core.domain.transfers import Existing, FormatName, Split
from fourpoint_core.errors import StorageUnavailableError
from fourpoint_core.jobs.broker import celery_app
from fourpoint_core.jobs.dispatch import Dispatcher
from fourpoint_core.settings import CoreSettings
from fourpoint_core.store.models import (
    Annotation,
    DatasetMember,
    ImportedBox,
    Job,
    Label,
    Revision,
    Sample,
    UploadIntent,
    User,
)
from fourpoint_core.store.session import unit_of_work
from fourpoint_worker.importing import slices
from fourpoint_worker.sweep import Sweep


def png(colour: Any = "white", side: int = SIDE) -> bytes:
    """A picture of one colour."""
    out = io.BytesIO()
    Image.new("RGB", (side, side), colour).save(out, "PNG")
    return out.getvalue()


SQUARE = [2, 2, 20, 2, 20, 20, 2, 20]


def coco(*annotations: dict[str, Any], images: tuple[str, ...] = ("a.png",)) -> bytes:
    document = {
        "categories": [{"id": 1, "name": "cup"}, {"id": 2, "name": "plate"}],
        "images": [
            {"id": number, "file_name": name, "width": SIDE, "height": SIDE}
            for number, name in enumerate(images, 1)
        ],
        "annotations": [
            {"id": number, "image_id": 1, "category_id": 1, "segmentation": [SQUARE], **each}
            for number, each in enumerate(annotations, 1)
        ],
    }
    return json.dumps(document, indent=1).encode()


@pytest.mark.parametrize("name", ["\ud800.png", "\0.png", "a/" * 500_000 + "b.png", "x" * 70_000])
@pytest.mark.parametrize("source", ["bucket", "archive"])
def test_names_that_nothing_can_have_are_refused_as_names_that_nobody_has(
    scene: Scene, name: str, source: str
) -> None:
    files = {"annotations/instances_default.json": coco({}, images=(name,))}
    how = {"upload_id": upload(scene, zipped(files))} if source == "archive" else {"path": place(scene, files)}
    job = bring(scene, **how)
    assert counts(job)["images_refused"] == 1
    assert [line.code for line in lines(scene, job)] == ["image_not_found"]


def count(scene: Scene, table: Any) -> int:
    with unit_of_work(scene.sessions) as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def neutral(files: dict[str, bytes], name: str) -> dict[str, bytes]:
    """Without what is a dataset's own: its name, and the ids of its samples and the times of its saves."""

    def plain(data: bytes) -> bytes:
        data = data.replace(name.encode(), b"NAME")
        data = re.sub(rb'"id":"[0-9a-f]{32}"', b'"id":"ID"', data)
        return re.sub(rb'"creation-time":"[^"]*"', b'"creation-time":"TIME"', data)

    return {path.replace(name, "NAME"): plain(data) for path, data in files.items()}


def export_of(scene: Scene, name: str, **how: Any) -> dict[str, bytes]:
    _, made = export(scene, name, with_images=True, **how)
    return neutral(contents(scene, made), made.report["dataset"])


@pytest.mark.parametrize("name", [name.value for name in FormatName])
@pytest.mark.parametrize("split", [None, Split((0.5, 0.5, 0.0), 3)])
def test_what_is_exported_imported_and_exported_again_is_the_same(
    scene: Scene, name: str, split: Split | None
) -> None:
    kitchen(scene)
    draw(scene, scene.sample(png("green"), name="d.png"), "fork", RING, truncated=True, z_order=3)
    first, made = export(scene, name, with_images=True, split=split)
    assert first.state == "succeeded"
    other = another(scene)
    job = bring(other, name, upload_id=upload(other, scene.store.read(made.object_key or "")))
    assert counts(job)["images_seen"] == 4
    before, after = (export_of(each, name, split=split) for each in (scene, other))
    if split is not None:
        # Which image goes where is decided by its id.
        before, after = (
            {re.sub("train|val", "", path): b"" for path in files if path != "fourpoint.json"}
            for files in (before, after)
        )
    if name == "yolo":
        report = json.loads(before["fourpoint.json"]) if split is None else {}
        assert report.get("conversions", {}).get("traits_left_out") in (None, 2)
        before.pop("fourpoint.json", None), after.pop("fourpoint.json", None)
    if name == "voc":
        # Outlines have become pixels, whose edges an outline follows; the pixels are the same.
        before.pop("fourpoint.json", None), after.pop("fourpoint.json", None)
    if name in ("coco", "cvat", "modelarts", "label_studio", "labelme"):
        before.pop("fourpoint.json", None), after.pop("fourpoint.json", None)
    assert after == before


def trash(scene: Scene, sample: Sample) -> None:
    with unit_of_work(scene.sessions) as session:
        session.execute(update(Sample).where(Sample.id == sample.id).values(trashed_at=func.now()))


def test_where_none_are_to_be_added_images_are_known_by_their_bytes(scene: Scene) -> None:
    scene.sample(png(), name="known.png")
    archive = zipped({"instances.json": coco({}), "images/a.png": png()})
    job = bring(scene, upload_id=upload(scene, archive), with_images=False)
    assert objects(scene) == {"known.png": ["cup"]}
    assert counts(job)["images_duplicate"] == 1


@pytest.mark.parametrize("slice_size", [1, 50])
def test_two_images_of_the_same_bytes_stay_two_and_are_named(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, slice_size: int
) -> None:
    monkeypatch.setattr(slices, "SLICE", slice_size)
    files = {"i.json": coco({}, {"image_id": 2, "category_id": 2}, images=("a.png", "b.png"))}
    archive = zipped({**files, "images/a.png": png(), "images/b.png": png()})
    job = bring(scene, upload_id=upload(scene, archive))
    assert objects(scene) == {"a.png": ["cup"], "b.png": ["plate"]}
    assert (counts(job)["images_added"], counts(job)["images_duplicate"]) == (2, 1)
    [line] = lines(scene, job)
    assert (line.code, line.name) == ("image_duplicate", "b.png") and "a.png" in line.detail
    again = bring(scene, upload_id=upload(scene, archive))
    assert counts(again)["images_matched"] == 2 and "images_added" not in counts(again)
    assert objects(scene) == {"a.png": ["cup"], "b.png": ["plate"]}


def test_an_image_that_was_numbered_is_known_again(scene: Scene) -> None:
    scene.sample(png((1, 1, 1)), name="a.png")
    archive = zipped({"i.json": coco({}), "images/a.png": png()})
    for _ in range(2):
        bring(scene, upload_id=upload(scene, archive))
    assert objects(scene) == {"a-2.png": ["cup"], "a.png": []}


def test_an_image_that_was_numbered_is_known_again_though_the_first_lies_in_the_trash(scene: Scene) -> None:
    first = scene.sample(png((1, 1, 1)), name="a.png")
    trash(scene, first)
    archive = zipped({"i.json": coco({}), "images/a.png": png()})
    for _ in range(2):
        bring(scene, upload_id=upload(scene, archive))
    assert objects(scene) == {"a-2.png": ["cup"], "a.png": []}


def test_an_image_of_the_datasets_own_folder_that_lies_in_the_trash_costs_only_itself(scene: Scene) -> None:
    data = coco({}, {"image_id": 2}, images=("a.png", "b.png"))
    files = {"annotations/instances_default.json": data, "images/a.png": png(), "images/b.png": png((1, 1, 1))}
    place(scene, files, scene.input_path)
    trash(scene, scene.sample(png(), name="images/a.png"))
    job = bring(scene, path=scene.input_path)
    assert objects(scene) == {"images/a.png": [], "images/b.png": ["cup"]}
    assert [line.code for line in lines(scene, job)] == ["image_set_aside"]


def test_an_image_that_was_synchronised_and_never_read_is_known_by_its_name_and_bytes(scene: Scene) -> None:
    sample = scene.sample(png(), name="a.png")
    with unit_of_work(scene.sessions) as session:
        session.execute(update(Sample).where(Sample.id == sample.id).values(digest="etag-1", sha256=None))
    bring(scene, upload_id=upload(scene, zipped({"i.json": coco({}), "images/a.png": png()})))
    assert objects(scene) == {"a.png": ["cup"]}


def test_images_without_bytes_are_found_by_path_then_by_name(scene: Scene) -> None:
    for color, name in (("red", "x/a.png"), ("blue", "y/a.png"), ("green", "y/b.png")):
        scene.sample(png(color), name=name)
    with unit_of_work(scene.sessions) as session:
        session.execute(update(Sample).values(name=func.right(Sample.name, 5)))
    data = coco({}, {"image_id": 2}, {"image_id": 3}, images=("y/a.png", "b.png", "a.png"))
    job = bring(scene, upload_id=upload(scene, data, "instances.json"))
    assert objects(scene) == {"x/a.png": [], "y/a.png": ["cup"], "y/b.png": ["cup"]}
    assert [(line.code, line.name) for line in lines(scene, job)] == [("image_not_found", "a.png")]


def test_files_come_from_a_folder_of_the_bucket(scene: Scene) -> None:
    prefix = place(scene, {"annotations/instances_default.json": coco({}), "images/default/a.png": png()})
    bring(scene, path=prefix)
    assert objects(scene) == {"a.png": ["cup"]}
    with unit_of_work(scene.sessions) as session:
        sample = session.scalars(select(Sample)).one()
    assert scene.store.read(sample.object_key) == png()


def test_images_that_lie_in_the_datasets_own_folder_are_not_copied(scene: Scene) -> None:
    place(scene, {"annotations/instances_default.json": coco({}), "images/a.png": png()}, scene.input_path)
    bring(scene, path=scene.input_path)
    assert objects(scene) == {"images/a.png": ["cup"]}


def test_a_manifest_leads_to_files_anywhere_in_the_bucket(scene: Scene) -> None:
    kitchen(scene)
    _, made = export(scene, "modelarts", output_path="out/")
    manifest = next(path for path in contents(scene, made) if path.endswith(".manifest"))
    other = another(scene)
    job = bring(other, "modelarts", path=made.prefix + manifest)
    assert objects(other) == {"c.png": [], "shelf/a.png": ["cup", "plate"], "shelf/b.png": ["cup"]}
    assert counts(job)["images_added"] == 3


def test_a_person_who_may_not_see_a_dataset_does_not_get_its_images(scene: Scene) -> None:
    kitchen(scene)
    _, made = export(scene, "modelarts", output_path="out/")
    other = another(scene)
    with unit_of_work(scene.sessions) as session:
        session.execute(update(User).values(is_admin=False))
        session.execute(delete(DatasetMember).where(DatasetMember.dataset_id == scene.dataset_id))
    manifest = next(path for path in contents(scene, made) if path.endswith(".manifest"))
    job = bring(other, "modelarts", path=made.prefix + manifest)
    assert objects(other) == {}
    assert {line.code for line in lines(other, job)} == {"image_not_found"}


def test_the_same_import_again_changes_nothing(scene: Scene) -> None:
    archive = zipped({"i.json": coco({}, {"category_id": 2}), "images/a.png": png()})
    for existing in (Existing.MERGE, Existing.MERGE, Existing.REPLACE):
        job = bring(scene, upload_id=upload(scene, archive), existing=existing)
    assert counts(job)["objects_unchanged"] == 2
    assert count(scene, Revision) == 1
    assert len(list(scene.store.list(scene.input_path))) == 1


def test_what_is_there_is_merged_replaced_or_left(scene: Scene) -> None:
    sample = scene.sample(name="a.png")
    draw(scene, sample, "fork")
    data = coco({"category_id": 2})
    found = {}
    for existing in (Existing.SKIP, Existing.MERGE, Existing.REPLACE):
        bring(scene, upload_id=upload(scene, data, "i.json"), existing=existing)
        found[existing] = objects(scene)["a.png"]
    assert found == {
        Existing.SKIP: ["fork"],
        Existing.MERGE: ["fork", "plate"],
        Existing.REPLACE: ["plate"],
    }


def test_labels_are_mapped_and_those_mapped_to_nothing_are_left_out(scene: Scene) -> None:
    scene.sample(name="a.png")
    data = coco({}, {"category_id": 2})
    mapped = (("cup", "mug"), ("plate", ""))
    job = bring(scene, upload_id=upload(scene, data, "i.json"), labels=mapped)
    assert objects(scene) == {"a.png": ["mug"]}
    assert [(line.outcome, line.code) for line in lines(scene, job)] == [("left_out", "label_left_out")]
    with unit_of_work(scene.sessions) as session:
        assert session.scalars(select(Label.name)).all() == ["mug"]


def test_boxes_are_kept_as_prompts(scene: Scene) -> None:
    scene.sample(name="a.png")
    data = coco({"segmentation": [], "bbox": [2, 3, 10, 20]})
    job = bring(scene, upload_id=upload(scene, data, "i.json"))
    assert counts(job)["boxes_kept"] == 1
    with unit_of_work(scene.sessions) as session:
        box = session.scalars(select(ImportedBox)).one()
    assert box.prompt == {"box": [2.0, 3.0, 12.0, 23.0]}
    assert objects(scene) == {"a.png": []}


def boxes_kept(scene: Scene) -> list[list[float]]:
    with unit_of_work(scene.sessions) as session:
        return [box.prompt["box"] for box in session.scalars(select(ImportedBox))]


def test_boxes_that_are_imported_again_stay_once_and_are_replaced_where_that_is_asked_for(scene: Scene) -> None:
    scene.sample(name="a.png")
    for x, existing, said in (
        (2, Existing.MERGE, {"boxes_kept": 1}),
        (2, Existing.MERGE, {"boxes_unchanged": 1}),
        (2, Existing.REPLACE, {"boxes_unchanged": 1}),
        (4, Existing.REPLACE, {"boxes_kept": 1, "boxes_removed": 1}),
    ):
        data = coco({"segmentation": [], "bbox": [x, 3, 10, 20]})
        job = bring(scene, upload_id=upload(scene, data, "i.json"), existing=existing)
        assert {name: count for name, count in counts(job).items() if name.startswith("boxes")} == said
        assert boxes_kept(scene) == [[x, 3, x + 10, 23]]


def test_a_dry_run_says_what_would_be_and_does_nothing(scene: Scene) -> None:
    draw(scene, scene.sample(png("red"), name="a.png"), "cup")
    data = coco({}, {"image_id": 2}, {"image_id": 2, "category_id": 9}, images=("a.png", "b.png", "c.png"))
    data = data.replace(b'"category_id": 9', b'"category_id": 2')
    archive = zipped({"i.json": data, "images/b.png": png("blue"), "images/c.png": b"no image"})
    dry = bring(scene, upload_id=upload(scene, archive), dry_run=True)
    assert (count(scene, Sample), count(scene, Label), count(scene, UploadIntent)) == (1, 1, 0)
    assert len(list(scene.store.list(scene.input_path))) == 1
    wet = bring(scene, upload_id=upload(scene, archive))
    assert counts(dry) == counts(wet)
    said = [[(line.code, line.line, line.name) for line in lines(scene, job)] for job in (dry, wet)]
    assert said[0] == said[1] == [("image_format_unsupported", 25, "c.png")]


def test_a_dry_run_counts_what_a_file_says_twice_as_a_real_run_does(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slices, "SLICE", 1)
    scene.sample(png("red"), name="known.png")
    names = ("known.png", "a.png", "deep/a.png", "b.png")
    said = coco({}, {"image_id": 2}, {"image_id": 3}, {"image_id": 4}, images=names)
    files = {"1.json": said, "2.json": said, "images/b.png": png("blue"), "images/a.png": png("blue")}
    archive = zipped({**files, "images/deep/a.png": png("green")})
    runs = [bring(scene, upload_id=upload(scene, archive), dry_run=dry) for dry in (True, False)]
    assert counts(runs[0]) == counts(runs[1])
    assert counts(runs[1])["objects_unchanged"] > 0
    dry, wet = ([(line.code, line.name) for line in lines(scene, job)] for job in runs)
    assert dry == wet


def test_images_may_be_left_where_they_are(scene: Scene) -> None:
    archive = zipped({"i.json": coco({}), "images/a.png": png()})
    job = bring(scene, upload_id=upload(scene, archive), with_images=False)
    assert [line.code for line in lines(scene, job)] == ["image_not_in_dataset"]
    assert objects(scene) == {}


def test_an_image_whose_objects_are_not_all_good_gets_none_of_them(scene: Scene) -> None:
    scene.sample(name="a.png")
    bad = {"segmentation": [[1, 1, 1e6, 1, 5, 5]]}
    job = bring(scene, upload_id=upload(scene, coco({}, bad), "i.json"))
    assert objects(scene) == {"a.png": []}
    (line,) = lines(scene, job)
    assert (line.outcome, line.code, line.place) == ("refused", "coordinate_absurd", "i.json")


def test_an_image_of_another_size_than_its_file_says_is_refused(scene: Scene) -> None:
    archive = zipped({"i.json": coco({}), "images/a.png": png(side=SIDE + 1)})
    job = bring(scene, upload_id=upload(scene, archive))
    assert [line.code for line in lines(scene, job)] == ["size_differs"]
    assert objects(scene) == {}
    assert list(scene.store.list(scene.input_path)) == []


@pytest.mark.parametrize("name", ["x" * 300 + ".png", "a.png/b.png"])
def test_a_name_that_the_store_cannot_have_costs_its_image_only(scene: Scene, name: str) -> None:
    files = {f"images/{each}": png(colour) for each, colour in (("a.png", "red"), (name, "blue"))}
    archive = zipped({"i.json": coco({}, {"image_id": 2}, images=("a.png", name)), **files})
    job = bring(scene, upload_id=upload(scene, archive))
    # A directory cannot have these, a bucket can.
    refused = [line.name for line in lines(scene, job) if line.code == "invalid_input"]
    assert (job.state, sorted([*objects(scene), *refused])) == ("succeeded", sorted(["a.png", name]))
    assert objects(scene)["a.png"] == ["cup"]


def test_an_image_under_a_name_that_the_store_cannot_have_is_not_there(scene: Scene) -> None:
    names = ("s3://bucket/" + "x" * 300 + ".png", "a.png")
    archive = zipped({"i.json": coco({}, {"image_id": 2}, images=names), "images/a.png": png()})
    job = bring(scene, upload_id=upload(scene, archive))
    assert (job.state, objects(scene)) == ("succeeded", {"a.png": ["cup"]})
    assert [line.code for line in lines(scene, job)] == ["image_not_found"]


def test_a_name_that_is_taken_by_another_image_gets_a_number(scene: Scene) -> None:
    scene.sample(png("red"), name="a.png")
    archive = zipped({"i.json": coco({}), "images/a.png": png("blue")})
    bring(scene, upload_id=upload(scene, archive))
    assert objects(scene) == {"a.png": [], "a-2.png": ["cup"]}


def test_a_folder_around_everything_is_overlooked(scene: Scene) -> None:
    archive = zipped({"my export/i.json": coco({}), "my export/images/a.png": png(), "__MACOSX/._x": b""})
    bring(scene, upload_id=upload(scene, archive))
    assert objects(scene) == {"a.png": ["cup"]}


@pytest.mark.parametrize(
    "report",
    [
        "[" * 100_000,
        '{"labels": [{"name": "cup", "colour": "#112233", "mask_index": 1e999}]}',
        '{"labels": [{"name": "cup", "colour": "#112233", "mask_index": -1}]}',
        '{"labels": [{"name": "cup", "colour": ["red"], "mask_index": 7}]}',
    ],
    ids=lambda report: report[-60:],
)
def test_a_report_that_somebody_made_up_costs_nothing(scene: Scene, report: str) -> None:
    files = {"annotations/instances_default.json": coco({}), "images/default/a.png": png()}
    job = bring(scene, upload_id=upload(scene, zipped({**files, "fourpoint.json": report.encode()})))
    assert (job.state, objects(scene)) == ("succeeded", {"a.png": ["cup"]})


@pytest.mark.parametrize(
    "hostile",
    ["[" * 100_000, '{"images": [{"id": ' + "9" * 100_000 + "}]}"],
    ids=lambda hostile: hostile[:30],
)
def test_a_file_that_is_no_json_costs_itself_and_is_named(scene: Scene, hostile: str) -> None:
    files = {"annotations/instances_default.json": coco({}), "images/default/a.png": png()}
    job = bring(
        scene, upload_id=upload(scene, zipped({**files, "annotations/instances_x.json": hostile.encode()}))
    )
    assert (counts(job)["images_refused"], objects(scene)) == (1, {"a.png": ["cup"]})
    refused = [line.place for line in lines(scene, job) if line.outcome == "refused"]
    assert refused == ["annotations/instances_x.json"]


def crafted(name: str, *, size: int = 10, packed: bytes = b"x" * 10, flags: int = 0) -> bytes:
    """A ZIP archive of one stored file, with whatever it claims."""
    encoded = name.encode()
    crc = zlib.crc32(packed)
    head = struct.pack("<4sHHHHHIIIHH", b"PK\3\4", 20, flags, 0, 0, 33, crc, len(packed), size, len(encoded), 0)
    local = head + encoded + packed
    entry = struct.pack(
        "<4sHHHHHHIIIHHHHHII",
        b"PK\1\2", 20, 20, flags, 0, 0, 33, crc, len(packed), size, len(encoded), 0, 0, 0, 0, 0, 0,
    )  # fmt: skip
    central = entry + encoded
    end = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 1, 1, len(central), len(local), 0)
    return local + central + end


@pytest.mark.parametrize(
    ("archive", "code"),
    [
        (crafted("../../etc/cron.d/evil"), "archive_path"),
        (crafted("/etc/passwd"), "archive_path"),
        (crafted("C:\\windows\\evil.dll"), "archive_path"),
        (crafted("C:evil"), "archive_path"),
        (crafted("a/../../b"), "archive_path"),
        (crafted("bomb.json", size=2**32 - 2), "archive_bomb"),
        (crafted("secret.json", flags=1), "archive_encrypted"),
        (zipped({"a.json": b"{}"})[:-10], "nothing_said"),
    ],
)
def test_an_archive_that_is_a_trap_is_refused_as_a_whole(scene: Scene, archive: bytes, code: str) -> None:
    job = bring(scene, upload_id=upload(scene, archive))
    if code == "nothing_said":
        # Without its end it is no archive, and as a file of annotations it says nothing.
        assert objects(scene) == {}
        return
    assert job.state == "failed"
    assert (job.error or {})["errors"][0]["code"] == code


def test_an_archive_of_one_piece_of_bytes_many_times_over_is_refused(scene: Scene) -> None:
    one = io.BytesIO()
    with zipfile.ZipFile(one, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("0.json", bytes(100_000))
        first = made.filelist[0]
        for number in range(1, 50):
            again = zipfile.ZipInfo(f"{number}.json")
            again.header_offset, again.CRC = first.header_offset, first.CRC
            again.compress_size, again.file_size = first.compress_size, first.file_size
            again.compress_type = first.compress_type
            made.filelist.append(again)
    job = bring(scene, upload_id=upload(scene, one.getvalue()))
    assert (job.error or {})["errors"][0]["code"] == "archive_bomb"


def test_a_file_over_the_limit_is_refused(scene: Scene) -> None:
    job_id = queue(scene, upload_id=upload(scene, coco({}), "i.json"))
    job = scene.run(job_id, work(scene, max_bytes=100))
    assert (job.error or {})["errors"][0]["code"] == "archive_too_large"


@pytest.mark.parametrize("path", ["nowhere/", "derived/", ".fourpoint-uploads/"])
def test_a_path_without_anything_to_be_read_is_refused(scene: Scene, path: str) -> None:
    place(scene, {"x.json": b"{}"}, "derived/")
    job = bring(scene, path=path)
    assert (job.error or {})["errors"][0]["code"] == "nothing_found"


def many(total: int) -> bytes:
    """An archive with so many images, every third of them bad."""
    names = tuple(f"{number:02}.png" for number in range(total))
    each = [
        {"image_id": number + 1, "segmentation": [SQUARE if number % 3 else [1, 1, 1e6, 1, 5, 5]]}
        for number in range(total)
    ]
    images = {f"images/{name}": png((number, 7, 9)) for number, name in enumerate(names)}
    return zipped({"i.json": coco(*each, images=names), **images})


def outcome(scene: Scene, job: Job) -> tuple[Any, ...]:
    """All that an import leaves, but for ids and times."""
    with unit_of_work(scene.sessions) as session:
        rows = session.execute(
            select(Sample.name, Sample.digest, Sample.revision, Sample.annotation_count).order_by(Sample.name)
        ).all()
        shapes = session.execute(select(Annotation.contour, Annotation.valid_to)).all()
    said = [(line.outcome, line.code, line.name, line.line) for line in lines(scene, job)]
    keys = [info.key.removeprefix(scene.input_path) for info in scene.store.list(scene.input_path)]
    return (
        [tuple(row) for row in rows],
        len(shapes),
        said,
        keys,
        counts(job),
        count(scene, UploadIntent),
    )


class Dying:
    """A store that fails at one write, one read or one look."""

    def __init__(self, scene: Scene, method: str, calls: int):
        self._store = scene.store
        self._method = method
        self._left = calls

    def __getattr__(self, name: str) -> Any:
        if name == self._method:
            self._left -= 1
            if self._left == -1:
                raise StorageUnavailableError("503")
        return getattr(self._store, name)


@pytest.mark.parametrize(("method", "calls"), [("put", 0), ("put", 3), ("open_range", 0), ("exists", 3)])
def test_a_store_that_fails_costs_another_try_and_nothing_else(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, method: str, calls: int
) -> None:
    monkeypatch.setattr(slices, "SLICE", 2)
    archive = many(7)
    job_id = queue(scene, upload_id=upload(scene, archive))
    failing = work(replace_store(scene, Dying(scene, method, calls)))
    assert scene.run(job_id, failing).state == "queued"
    with unit_of_work(scene.sessions) as session:
        session.execute(update(Job).where(Job.id == job_id).values(run_after=None))
    job = scene.run(job_id, work(scene))
    disturbed = outcome(scene, job)
    assert disturbed[4]["images_added"] == 7 - 3
    assert disturbed[5] == 0


def replace_store(scene: Scene, store: Any) -> Any:
    class Holder:
        sessions = scene.sessions

    Holder.store = store  # type: ignore[attr-defined]
    return Holder


_KILLED = """
import os, signal, sys
from uuid import UUID
from redis import Redis
from fourpoint_core.settings import CoreSettings
from fourpoint_core.storage import open_store
from fourpoint_core.store.session import connect
from fourpoint_worker.lease_keeper import LeaseKeeper
from fourpoint_worker.running import Runner
from fourpoint_worker.importing import slices
from fourpoint_core.imaging.decoder import Decoder
from fourpoint_worker.tasks import import_dataset

settings = CoreSettings(database_url=sys.argv[1], redis_url=sys.argv[2], storage_url=sys.argv[3])
sessions, store = connect(settings), open_store(settings)
slices.SLICE = 2
left = int(sys.argv[5])

def step():
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)

class Dying:
    def __getattr__(self, name):
        if name in ("put", "exists"):
            step()
        found = getattr(store, name)
        if name != "put":
            return found
        def put(*args, **how):
            written = found(*args, **how)
            step()
            return written
        return put

keeper = LeaseKeeper(sessions, 1.0, stage_seconds=60)
decoder = Decoder(1, 2**30, 60)
work = import_dataset.ImportDatasetWork(sessions, Dying(), "file:///bucket", 2**30, 10**8, decoder)
Runner(sessions, Redis.from_url(sys.argv[2]), keeper, 1.0, "doomed").run(work, UUID(sys.argv[4]))
"""


@pytest.mark.parametrize("steps", [1, 4, 8])
def test_a_worker_that_is_killed_is_gone_on_from_and_the_end_is_that_of_an_undisturbed_run(
    scene: Scene, core_settings: CoreSettings, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    monkeypatch.setattr(slices, "SLICE", 2)
    archive = many(7)
    job_id = queue(scene, upload_id=upload(scene, archive))
    where = [core_settings.database_url, core_settings.redis_url, core_settings.storage_url]
    done = subprocess.run([sys.executable, "-c", _KILLED, *where, str(job_id), str(steps)], check=False)
    assert done.returncode == -signal.SIGKILL
    dispatcher = Dispatcher(celery_app(core_settings, "tests"), scene.sessions)
    sweep = Sweep(core_settings, scene.sessions, scene.redis, scene.store, dispatcher)
    wait_until(lambda: sweep.settle_jobs() or scene.job(job_id).state == "queued")
    disturbed = outcome(scene, scene.run(job_id, work(scene)))
    # The names of 00.png, 03.png and 06.png: their objects lie far outside.
    assert [name for name, *_ in disturbed[0]] == ["01.png", "02.png", "04.png", "05.png"]
    assert [said[:3] for said in disturbed[2]] == [
        ("refused", "coordinate_absurd", name) for name in ("00.png", "03.png", "06.png")
    ]
    assert disturbed[3] == ["01.png", "02.png", "04.png", "05.png"]
    assert disturbed[4]["objects_added"] == 4
    assert disturbed[5] == 0
    assert count(scene, Revision) == 4


def wait_until(condition: Callable[[], Any]) -> None:
    import time

    for _ in range(100):
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError
