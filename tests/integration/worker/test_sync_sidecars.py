"""Files of labels beside the images: read, changed, removed, wrong; and what was edited here counts."""

import hashlib
from collections.abc import Iterator

import pytest
from redis import Redis
from sqlalchemy import func, select, update
from tests.integration.worker.sync_scene import SyncScene, picture, xml

from fourpoint_core.ids import LOCAL_USER_ID
from fourpoint_core.storage import ObjectStore
from fourpoint_core.store.models import Dataset, Label, Revision, Sample
from fourpoint_core.store.queries import annotations, boxes, relabeling, samples
from fourpoint_core.store.session import Sessions, unit_of_work
from fourpoint_worker.syncer import sidecars, survey


@pytest.fixture
def scene(sessions: Sessions, object_store: ObjectStore, redis: Redis) -> Iterator[SyncScene]:
    made = SyncScene(sessions, object_store, redis)
    yield made
    made.check_counters()


@pytest.fixture(autouse=True)
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "ITEMS", 2)
    monkeypatch.setattr(sidecars, "SLICE", 2)


def revisions(scene: SyncScene, name: str) -> list[str]:
    with unit_of_work(scene.sessions) as session:
        statement = select(Revision.action).where(Revision.sample_id == scene.the(name).id)
        return list(session.scalars(statement.order_by(Revision.number)))


def test_labels_beside_an_image_are_its_labels(scene: SyncScene) -> None:
    scene.put("deep/a.png")
    scene.put("deep/a.xml", xml("cat", "dog"))
    assert scene.sync() == {"added": 1, "labels_read": 1}
    assert scene.labels_of("deep/a.png") == ["cat", "dog"]
    assert scene.the("deep/a.png").labeled_by is None
    assert scene.sync() == {"unchanged": 2}
    assert revisions(scene, "deep/a.png") == ["sync"]


def test_an_object_is_where_the_file_says(scene: SyncScene) -> None:
    scene.put("a.png")
    scene.put("a.xml", xml("cat"))
    scene.sync()
    with unit_of_work(scene.sessions) as session:
        (row,) = annotations.current_rows(session, scene.the("a.png").id).values()
    # Indices of pixels mean their centres.
    assert row.bounding_box == [10.5, 10.5, 60.5, 60.5]


BOXED = (
    b"<object><name>dog</name>"
    b"<bndbox><xmin>5</xmin><ymin>6</ymin><xmax>20</xmax><ymax>30</ymax></bndbox></object>"
)


def boxes_of(scene: SyncScene, name: str) -> list[tuple[str, object]]:
    with unit_of_work(scene.sessions) as session:
        return [(label.name, box.prompt) for box, label in boxes.boxes_of(session, scene.the(name).id)]


def test_boxes_without_an_outline_are_kept_as_prompts_and_once(scene: SyncScene) -> None:
    scene.put("a.png")
    scene.put("only.png")
    scene.put("only.xml", xml().replace(b"</annotation>", BOXED + b"</annotation>"))
    for names in (("cat",), ("cat", "cow")):
        scene.put("a.xml", xml(*names).replace(b"</annotation>", BOXED + b"</annotation>"))
        scene.sync()
        assert scene.labels_of("a.png") == list(names)
        for image in ("a.png", "only.png"):
            assert boxes_of(scene, image) == [("dog", {"box": [5.0, 6.0, 21.0, 31.0]})]


def test_a_box_that_a_sidecar_moves_takes_the_place_of_the_one_before(scene: SyncScene) -> None:
    scene.put("a.png")
    for left in (b"5", b"7"):
        moved = BOXED.replace(b"<xmin>5<", b"<xmin>" + left + b"<")
        scene.put("a.xml", xml().replace(b"</annotation>", moved + b"</annotation>"))
        assert scene.sync()["labels_read"] == 1
        assert boxes_of(scene, "a.png") == [("dog", {"box": [float(left), 6.0, 21.0, 31.0]})]
    assert scene.sync() == {"unchanged": 2}
    assert revisions(scene, "a.png") == []


@pytest.mark.parametrize(("image", "sidecar"), [("a.JPG", "a.XML"), ("a.b.png", "a.b.xml")])
def test_a_sidecar_has_the_stem_of_its_image(scene: SyncScene, image: str, sidecar: str) -> None:
    scene.put(image)
    scene.put(sidecar, xml("cat"))
    scene.put("other.png")
    assert scene.sync() == {"added": 2, "labels_read": 1}
    assert (scene.labels_of(image), scene.labels_of("other.png")) == (["cat"], [])


def test_a_sidecar_that_comes_later_is_read(scene: SyncScene) -> None:
    scene.put("a.png")
    scene.sync()
    scene.put("a.xml", xml("cat"))
    assert scene.sync() == {"labels_read": 1, "unchanged": 1}
    assert scene.labels_of("a.png") == ["cat"]


def test_an_image_that_comes_later_finds_its_sidecar(scene: SyncScene) -> None:
    scene.put("a.xml", xml("cat"))
    assert scene.sync() == {"unmatched": 1}
    assert scene.sync() == {"unchanged": 1}
    scene.put("a.png")
    assert scene.sync() == {"added": 1, "labels_read": 1, "unchanged": 1}
    assert scene.labels_of("a.png") == ["cat"]


def test_a_sidecar_that_changes_changes_the_labels(scene: SyncScene) -> None:
    scene.put("a.png")
    scene.put("a.xml", xml("cat"))
    scene.sync()
    scene.put("a.xml", xml("dog", "dog"))
    assert scene.sync() == {"labels_read": 1, "unchanged": 1}
    assert scene.labels_of("a.png") == ["dog", "dog"]


def test_objects_that_a_changed_sidecar_still_has_stay_who_they_are(scene: SyncScene) -> None:
    scene.put("a.png")
    scene.put("a.xml", xml("cat", "dog"))
    scene.sync()
    with unit_of_work(scene.sessions) as session:
        before = annotations.current_rows(session, scene.the("a.png").id).keys()
    scene.put("a.xml", xml("dog", "bird"))
    scene.sync()
    with unit_of_work(scene.sessions) as session:
        after = annotations.current_rows(session, scene.the("a.png").id).keys()
    assert len(before & after) == 1


def test_what_was_edited_here_counts_and_the_conflict_is_reported(scene: SyncScene) -> None:
    scene.put("a.png")
    scene.put("a.xml", xml("cat"))
    scene.sync()
    scene.label(scene.the("a.png"), "mine")
    scene.put("a.xml", xml("dog"))
    assert scene.sync() == {"conflict": 1, "unchanged": 1}
    assert scene.report() == {"a.xml": ("conflict", "edited_here")}
    assert scene.labels_of("a.png") == ["cat", "mine"]
    assert scene.sync() == {"unchanged": 2}
    with unit_of_work(scene.sessions) as session:
        names = set(session.scalars(select(Label.name)))
    assert names == {"cat", "mine"}


def test_what_was_labeled_here_before_there_was_a_sidecar_counts(scene: SyncScene) -> None:
    scene.put("a.png")
    scene.sync()
    scene.label(scene.the("a.png"), "mine")
    scene.put("a.xml", xml("cat"))
    assert scene.sync() == {"conflict": 1, "unchanged": 1}
    assert scene.labels_of("a.png") == ["mine"]


def test_a_sidecar_that_says_what_was_edited_is_no_conflict(scene: SyncScene) -> None:
    scene.put("a.png")
    scene.put("a.xml", xml("cat", "dog"))
    scene.sync()
    with unit_of_work(scene.sessions) as session:
        sample = samples.get_sample(session, scene.the("a.png").id, lock=True)
        rows = annotations.current_rows(session, sample.id)
        annotations.remove_annotation(session, sample, next(iter(rows)), LOCAL_USER_ID)
    left = scene.labels_of("a.png")
    scene.put("a.xml", xml(*left))
    assert scene.sync() == {"unchanged": 1}
    assert scene.labels_of("a.png") == left


def test_a_label_that_was_removed_here_is_no_edit(scene: SyncScene) -> None:
    scene.put("a.png")
    scene.put("a.xml", xml("cat"))
    scene.sync()
    with unit_of_work(scene.sessions) as session:
        label_id = session.scalars(select(Label.id)).one()
        session.execute(update(Label).values(deleted_at=func.now()))
        relabeling.delete_some(session, label_id, 10, LOCAL_USER_ID)
    scene.put("a.xml", xml("dog"))
    assert scene.sync() == {"labels_read": 1, "unchanged": 1}
    assert scene.labels_of("a.png") == ["dog"]


def test_a_sidecar_that_vanishes_leaves_its_labels(scene: SyncScene) -> None:
    scene.put("a.png")
    scene.put("a.xml", xml("cat"))
    scene.sync()
    scene.remove("a.xml")
    assert scene.sync() == {"labels_kept": 1, "unchanged": 1}
    assert scene.labels_of("a.png") == ["cat"]
    assert scene.sync() == {"unchanged": 1}


def test_a_sidecar_that_is_malformed_is_named_with_its_line(scene: SyncScene) -> None:
    scene.put("a.png")
    scene.put("a.xml", xml("cat").replace(b"</object>", b"</objec>"))
    assert scene.sync() == {"added": 1, "failed": 1}
    detail = scene.details()["a.xml"]
    assert detail is not None and (detail["code"], detail["line"]) == ("xml_malformed", 4)
    assert scene.labels_of("a.png") == []


def test_a_malformed_sidecar_is_named_again_and_not_read_again(scene: SyncScene) -> None:
    scene.put("a.png")
    scene.put("a.xml", b"<annotation>")
    scene.sync()
    first = scene.details()["a.xml"]
    scene.store.open_range = None  # type: ignore[method-assign, assignment]
    assert scene.sync() == {"failed": 1, "unchanged": 1}
    assert scene.details()["a.xml"] == first


def test_a_sidecar_that_is_mended_is_read(scene: SyncScene) -> None:
    scene.put("a.png")
    scene.put("a.xml", b"<annotation>")
    scene.sync()
    scene.put("a.xml", xml("cat"))
    assert scene.sync() == {"labels_read": 1, "unchanged": 1}


@pytest.mark.parametrize(
    "hostile",
    [
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><annotation><folder>&x;</folder></annotation>',
        xml("cat", side=50),
        b"\xff\xfe not xml",
        b"",
    ],
)
def test_a_file_that_cannot_be_trusted_makes_no_labels(scene: SyncScene, hostile: bytes) -> None:
    scene.put("a.png")
    scene.put("a.xml", hostile)
    assert scene.sync() == {"added": 1, "failed": 1}
    assert scene.labels_of("a.png") == []


def test_a_vanished_image_keeps_what_its_sidecar_said(scene: SyncScene) -> None:
    scene.put("a.png")
    scene.put("a.xml", xml("cat"))
    scene.sync()
    scene.remove("a.png")
    assert scene.sync() == {"missing": 1, "unchanged": 1}
    assert scene.labels_of("a.png") == ["cat"]


def test_a_pair_that_was_renamed_is_the_same_pair(scene: SyncScene) -> None:
    scene.put("a.png")
    scene.put("a.xml", xml("cat"))
    scene.sync()
    with unit_of_work(scene.sessions) as session:
        session.execute(update(Sample).values(sha256=hashlib.sha256(picture()).hexdigest()))
    scene.move("a.png", "z.png")
    scene.move("a.xml", "z.xml")
    assert scene.sync() == {"renamed": 1, "labels_kept": 1}
    assert scene.labels_of("z.png") == ["cat"]
    assert revisions(scene, "z.png") == ["sync"]


def test_a_resized_image_takes_the_labels_of_its_new_sidecar(scene: SyncScene) -> None:
    scene.put("a.png")
    scene.put("a.xml", xml("cat"))
    scene.sync()
    scene.put("a.png", picture(2, side=80))
    scene.put("a.xml", xml("dog", side=80))
    assert scene.sync() == {"updated": 1, "labels_read": 1}
    assert scene.labels_of("a.png") == ["dog"]


def test_a_dataset_without_annotations_takes_none(scene: SyncScene) -> None:
    with unit_of_work(scene.sessions) as session:
        session.execute(update(Dataset).values(import_annotations=False))
    scene.put("a.png")
    scene.put("a.xml", xml("cat"))
    assert scene.sync() == {"added": 1, "ignored": 1}
    assert scene.labels_of("a.png") == []
