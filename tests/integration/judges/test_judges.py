"""Readers that nobody here wrote find in an export what was saved, object by object."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import shapely
from tests.integration.judges.conftest import GALLERY, WITHOUT_OBJECTS, Export, Judge, Saved
from tests.integration.worker.scenes import SIDE

from fourpoint_core.domain.transfers import Split

pytestmark = pytest.mark.judges
Seen = dict[str, Any]
# Datumaro's and supervision's YOLO look into one folder only.
FLAT = tuple(replace(each, image=each.image.rpartition("/")[2]) for each in GALLERY)


def bits(seen: Seen) -> np.ndarray[Any, Any]:
    return np.array([[value == "1" for value in row] for row in seen["mask"]])


def pairs(saved: Sequence[Saved], seen: Sequence[Seen]) -> list[tuple[Saved, Seen]]:
    """What was saved beside what was seen of it; both have every object of every image, in their order."""

    def key(image: str, label: str) -> tuple[str, str]:
        return image.removesuffix(".png"), label

    found = sorted(seen, key=lambda one: key(one["image"], one["label"]))
    wanted = sorted(saved, key=lambda one: key(one.image, one.label))
    assert [key(one["image"], one["label"]) for one in found] == [key(one.image, one.label) for one in wanted]
    return list(zip(wanted, found, strict=True))


def assert_covers(saved: Saved, mask: np.ndarray[Any, Any], slack: float) -> None:
    """All of the object but for a margin of `slack` pixels is in the mask, and nothing beyond one."""
    centres = np.arange(SIDE) + 0.5
    grid = np.meshgrid(centres, centres)
    # What joins the parts of an object is painted, too.
    around = saved.shape.convex_hull if len(saved.contour.parts) > 1 else saved.shape
    assert mask[shapely.contains_xy(saved.shape.buffer(-slack), *grid)].all()
    assert not mask[~shapely.contains_xy(around.buffer(slack), *grid)].any()


def test_pycocotools_reads_coco(exported: Export, judge: Judge) -> None:
    for saved, seen in pairs(GALLERY, judge("read_coco", exported("coco"))):
        assert seen["attributes"] == saved.traits.get("attributes", {})
        if saved.contour.parts[0].holes:
            assert (bits(seen) == saved.mask).all()
            assert seen["area"] == saved.mask.sum()
            assert seen["box"] == [12, 2, 18, 18]
        else:
            assert seen["rings"] == saved.rings
            assert seen["area"] == pytest.approx(saved.shape.area)
            x0, y0, x1, y1 = saved.shape.bounds
            assert seen["box"] == [x0, y0, x1 - x0, y1 - y0]
            assert_covers(saved, bits(seen), 1.0)


def test_datumaro_reads_coco(exported: Export, judge: Judge) -> None:
    found = judge("read_with_datumaro", exported("coco"), "coco_instances")
    drawn = [each for each in found if each["kind"] in ("polygon", "mask")]
    for saved, seen in pairs(GALLERY, joined(drawn)):
        assert_same_drawing(saved, seen)
        assert seen["attributes"] == {"is_crowd": False, **saved.traits.get("attributes", {})}


def joined(found: Sequence[Seen]) -> list[Seen]:
    """Polygons of one group as one object."""
    groups: dict[Any, Seen] = {}
    for number, each in enumerate(found):
        key = (each["image"], each["group"] or f"alone {number}")
        if key in groups:
            groups[key]["rings"] += each["rings"]
        else:
            groups[key] = dict(each)
    return list(groups.values())


def assert_same_drawing(saved: Saved, seen: Seen) -> None:
    """The same pixels where the object has a hole, the same vertices elsewhere; Datumaro keeps two decimals."""
    if saved.contour.parts[0].holes:
        assert (bits(seen) == saved.mask).all()
        return
    for ring, wanted in zip(seen["rings"], saved.rings, strict=True):
        assert ring == pytest.approx(wanted, abs=0.006)


def test_datumaro_reads_cvat(exported: Export, judge: Judge) -> None:
    found = judge("read_with_datumaro", exported("cvat"), "cvat")
    for saved, seen in pairs(GALLERY, joined(found)):
        assert_same_drawing(saved, seen)
        assert seen["attributes"]["occluded"] == saved.traits.get("occluded", False)
        for name, value in saved.traits.get("attributes", {}).items():
            assert str(seen["attributes"][name]) == str(value)


@pytest.mark.parametrize("task", ["voc", "voc_instance_segmentation"])
def test_datumaro_reads_voc(exported: Export, judge: Judge, task: str) -> None:
    found = judge("read_with_datumaro", exported("voc"), task)
    for saved, seen in pairs(GALLERY, [each for each in found if each["kind"] == "mask"]):
        assert (bits(seen) == saved.mask).all()
    for saved, seen in pairs(GALLERY, [each for each in found if each["kind"] == "bbox"]):
        # First and last pixel, in VOC's own way; Datumaro takes them as they are.
        ys, xs = np.nonzero(saved.mask)
        assert seen["box"] == [xs.min(), ys.min(), np.ptp(xs), np.ptp(ys)]
        for name in ("difficult", "occluded", "truncated"):
            assert seen["attributes"][name] == saved.traits.get(name, False)
        for name, value in saved.traits.get("attributes", {}).items():
            assert str(seen["attributes"][name]) == str(value)


def test_datumaro_reads_the_layout_the_classes_and_the_positions_of_yolo(
    exported: Export, judge: Judge
) -> None:
    for saved, seen in pairs(FLAT, judge("read_with_datumaro", exported("yolo", FLAT), "yolo")):
        x0, y0, x1, y1 = saved.shape.bounds
        assert seen["box"] == pytest.approx([x0, y0, x1 - x0, y1 - y0], abs=0.006)


def test_supervision_reads_yolo(exported: Export, judge: Judge) -> None:
    for saved, seen in pairs(FLAT, judge("read_with_supervision", exported("yolo", FLAT), "train")):
        assert_covers(saved, bits(seen), 1.5)


def test_a_split_is_the_same_to_every_reader(exported: Export, judge: Judge) -> None:
    gallery = [Saved(f"{number}.png", "cup", GALLERY[0].contour) for number in range(8)]
    tree = exported("yolo", gallery, split=Split((0.5, 0.25, 0.25), 3))
    mine = {path.stem: path.parent.name for path in (tree / "labels").rglob("*.txt") if path.read_text()}
    assert sorted(mine.values()) == ["test"] * 2 + ["train"] * 4 + ["val"] * 2
    by_part = [judge("read_with_supervision", tree, part) for part in ("train", "val", "test")]
    assert {each["image"].removesuffix(".png"): each["subset"] for part in by_part for each in part} == mine
    found = judge("read_with_datumaro", tree, "yolo")
    assert {each["image"]: each["subset"] for each in found} == mine


def test_label_studios_own_converter_reads_its_json(exported: Export, judge: Judge) -> None:
    found = judge("convert_label_studio", exported("label_studio"))
    flat = [replace(each, image=f"images/{each.image.rpartition('/')[2]}") for each in GALLERY]
    for saved, seen in pairs(flat, found):
        (ring,) = seen["rings"]
        if len(saved.contour.parts) == 1 and not saved.contour.parts[0].holes:
            assert ring == pytest.approx(saved.rings[0], abs=1e-6)
        # Seams enclose nothing.
        assert seen["area"] == pytest.approx(saved.shape.area)
        x0, y0, x1, y1 = saved.shape.bounds
        assert seen["box"] == pytest.approx([x0, y0, x1 - x0, y1 - y0])


def test_labelme_reads_its_own_json(exported: Export, judge: Judge) -> None:
    tree = exported("labelme")
    assert (tree / WITHOUT_OBJECTS).with_suffix(".json").exists()
    for saved, seen in pairs(GALLERY, judge("read_labelme", tree)):
        assert seen["size"] == [SIDE, SIDE]
        # Labelme paints the pixels of the outline itself, too.
        assert_covers(saved, bits(seen), 1.5)
        if not saved.contour.parts[0].holes:
            assert seen["rings"] == saved.rings
        assert seen["attributes"] == saved.traits.get("attributes", {})
        assert seen["difficult"] == saved.traits.get("difficult", False)
        for name in ("occluded", "truncated"):
            assert seen.get("fourpoint", {}).get(name, False) == saved.traits.get(name, False)


def test_the_palette_mask_of_modelarts_is_what_fill_poly_paints_on_the_written_vertices(
    exported: Export, judge: Judge
) -> None:
    found = judge("fill_modelarts", exported("modelarts"))
    parts = [
        replace(each, contour=replace(each.contour, parts=(part,)))
        for each in GALLERY
        for part in each.contour.parts
    ]
    for saved, seen in pairs(parts, found):
        (ring,) = seen["rings"]
        if not saved.contour.parts[0].holes:
            assert ring == [int(value) for value in saved.rings[0]]
        assert {tuple(map(int, vertex)) for each in saved.contour.parts[0].rings() for vertex in each} == set(
            zip(ring[0::2], ring[1::2], strict=True)
        )
