"""Files that nobody vouches for: refused with their line, in bounded memory."""

import base64
import json
import random
import struct
import tracemalloc
import zlib
from typing import Any

import pytest
from tests.unit.formats.shapes import BLOCK, picture, thing
from tests.unit.formats.trees import Source, Tree, images_in, read, refusals_in, written

from fourpoint_worker.formats import brush, manifest
from fourpoint_worker.formats.values import FormatError

COCO = "annotations/instances_default.json"


def coco(annotation: dict[str, Any] | None = None, **more: Any) -> bytes:
    square = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[1, 1, 9, 1, 9, 9]]}
    document = {
        "categories": [{"id": 1, "name": "cup"}],
        "images": [{"id": 1, "file_name": "a.jpg", "width": 100, "height": 90}],
        "annotations": [{**square, **(annotation or {})}],
        **more,
    }
    return json.dumps(document, indent=1).encode()


def refused(name: str, path: str, data: bytes) -> list[tuple[str, int | None]]:
    tree = Tree({path: data, "data.yaml": b"names: [cup]", "images/train/a.jpg": b""})
    return [(each.code, each.line) for each in refusals_in(read(name, tree))]


@pytest.mark.parametrize(
    ("data", "code", "line"),
    [
        (b"", "json_malformed", 1),
        (b"\n\n{", "json_malformed", 3),
        (b'{"images": [\n{"id": 1,\n]}', "json_malformed", 3),
        (b'{"images": []}\n x', "json_malformed", 2),
        (b'{"images":\n["\xff"]}', "encoding", 2),
        (b'{"images": [' + b"[" * 100_000, "json_malformed", 1),
        (b'{"images": [NaN]}', "json_malformed", 1),
        (b'{"images": [1' + b"0" * 5000 + b"]}", "json_malformed", 1),
        (b'{"images": [{"file_name": "a"}]}', "id_missing", 1),
    ],
)
def test_json_that_is_none_is_refused_with_its_line(data: bytes, code: str, line: int) -> None:
    assert refused("coco", COCO, data) == [(code, line)]


@pytest.mark.parametrize(
    ("annotation", "code"),
    [
        ({"category_id": 7}, "label_unknown"),
        ({"category_id": [1]}, "label_unknown"),
        ({"segmentation": [[1, 2, 3]]}, "coordinate_missing"),
        ({"segmentation": [[1, 2, "3", 4, 5, 6]]}, "number_invalid"),
        ({"segmentation": [[1, 2, 1e308, 4, 5, 6]]}, "number_invalid"),
        ({"segmentation": [[1, 2, 1e6, 4, 5, 6]]}, "coordinate_absurd"),
        ({"segmentation": [], "bbox": [1, 2, 3]}, "shape_missing"),
        ({"segmentation": "circle"}, "shape_missing"),
        ({"segmentation": {"size": [9, 9], "counts": [81]}}, "size_differs"),
        ({"segmentation": {"size": [90, 100], "counts": [10**12]}}, "rle_invalid"),
        ({"segmentation": {"size": [90, 100], "counts": "\u00ff"}}, "rle_invalid"),
        ({"segmentation": {"size": [90, 100], "counts": "ooooooooooooooooo"}}, "rle_invalid"),
        ({"segmentation": {"size": [90, 100], "counts": [9000]}}, "no_area"),
        (
            {"attributes": {"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": {"i": 1}}}}}}}}}},
            "attributes_invalid",
        ),
        ({"attributes": {"a": "x" * 10_000}}, "attributes_invalid"),
        ({"attributes": {"a": "\ud800"}}, "attributes_invalid"),
        ({"attributes": {"a": ["\0"]}}, "attributes_invalid"),
        ({"attributes": {"\0": 1}}, "attributes_invalid"),
        ({"score": 7}, "number_invalid"),
    ],
)
def test_an_annotation_that_is_none_refuses_its_image(annotation: dict[str, Any], code: str) -> None:
    assert refused("coco", COCO, coco(annotation)) == [(code, 17)]


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("vertices", "found"),
    [(150, "contour_invalid"), (2000, "contour_invalid"), (20_000, "contour_invalid"), (20, None)],
)
def test_an_outline_that_crosses_itself_everywhere_takes_neither_long_nor_much(
    vertices: int, found: str | None
) -> None:
    chance = random.Random(vertices)
    ring = [chance.randrange(1, 90_000) / 1000 for _ in range(2 * vertices)]
    assert refused("coco", COCO, coco({"segmentation": [ring]})) == ([(found, 17)] if found else [])


def test_an_annotation_of_no_image_is_refused() -> None:
    assert refused("coco", COCO, coco({"image_id": 9})) == [("image_unknown", 17)]


@pytest.mark.parametrize(
    ("data", "code", "line"),
    [
        (b"0 0.1 0.1 0.2 0.2 0.3\n", "coordinate_missing", 1),
        (b"0 0.1 0.1 0.2 0.1 0.2 0.2\n7 0.1 0.1 0.2 0.1 0.2 0.2\n", "label_unknown", 2),
        (b"0 a b c d e f\n", "number_invalid", 1),
        (b"0 nan 0.1 0.2 0.1 0.2 0.2\n", "number_invalid", 1),
        (b"0 0_1 0.1 0.2 0.1 0.2 0.2\n", "number_invalid", 1),
        (b"\xff\n", "encoding", 1),
        (b"9" * 5000 + b" 0.1 0.1 0.2 0.1 0.2 0.2\n", "label_unknown", 1),
    ],
)
def test_a_row_of_yolo_that_is_none_is_refused(data: bytes, code: str, line: int) -> None:
    assert refused("yolo", "labels/train/a.txt", data) == [(code, line)]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"names: &a [cup, *a]", "yaml_alias"),
        (b"names: {", "yaml_malformed"),
        (b"!!python/object/apply:os.system [ls]", "names_missing"),
        (b"names: [!!python/object/apply:os.system [ls]]", "label_missing"),
        (b"names: {2001-99-99: cup}", "names_missing"),
        (b"names: " + b"[" * 100_000, "yaml_malformed"),
        (b"names: [" + b"a," * 500_000, "yaml_too_large"),
        (b"names: {" + b"9" * 500 + b": cup}", "names_missing"),
        (b"nc: 3", "names_missing"),
        (b"names: {0: cup, 00: plate}", "names_repeated"),
        (b"names: {0: cup, 0: plate}", "names_repeated"),
        (b"names: [cup]\nnames: [plate]", "names_repeated"),
        (b"\xff", "encoding"),
    ],
)
def test_a_data_yaml_that_is_none_is_refused(data: bytes, code: str) -> None:
    tree = Tree({"data.yaml": data})
    assert [each.code for each in refusals_in(read("yolo", tree))] == [code]


def png_of(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (png_of(100_000, 100_000), "size_differs"),
        (png_of(100, 90), "mask_damaged"),
        (b"GIF89a", "mask_damaged"),
    ],
)
def test_a_mask_that_is_none_is_refused_before_it_is_unpacked(data: bytes, code: str) -> None:
    tree = written("voc", Source([picture(thing(BLOCK), path="a.jpg")]))
    tree.contents["SegmentationClass/a.png"] = data
    assert [each.code for each in refusals_in(read("voc", tree))] == [code]


def test_a_mask_with_values_that_the_label_map_lacks_is_refused() -> None:
    tree = written("voc", Source([picture(thing(BLOCK), path="a.jpg")]))
    tree.contents["labelmap.txt"] = b"background:0,0,0::\nother:9,9,9::\n"
    assert [each.code for each in refusals_in(read("voc", tree))] == ["label_unknown"]


def test_a_labelme_mask_larger_than_its_image_is_refused() -> None:
    shape = {
        "label": "cup",
        "shape_type": "mask",
        "points": [[0, 0], [9, 9]],
        "mask": base64.b64encode(png_of(20_000, 20_000)).decode(),
    }
    data = json.dumps({"imagePath": "a.jpg", "imageWidth": 100, "imageHeight": 90, "shapes": [shape]}).encode()
    assert [code for code, _ in refused("labelme", "a.json", data)] == ["mask_too_large"]


@pytest.mark.parametrize("values", [[], [0] * 8, [255] * 40, ["a"], None, [1000]])
def test_a_brush_that_is_none_is_refused(values: Any) -> None:
    with pytest.raises(FormatError, match=r"rle|run-length"):
        brush.decoded(values, 10, 10, 1)


LAUGHS = b"""<!DOCTYPE lolz [
 <!ENTITY a "ha">
 <!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">
 <!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">
]>
"""


@pytest.mark.parametrize(
    ("head", "body", "code", "line"),
    [
        (LAUGHS, b"&c;", "xml_dtd_refused", 1),
        (b"<!DOCTYPE a SYSTEM 'file:///etc/passwd'>\n", b"", "xml_dtd_refused", 1),
        (b"", b"\n&b;", "xml_malformed", 2),
        (b"", b"\n\xff", "xml_malformed", 2),
        (b"<?xml version='1.0' encoding='utf-16'?>", b"", "xml_malformed", 1),
        (b"", b"<a>" * 40, "xml_too_deep", 1),
        (b"", b"\n\n<size>", "xml_malformed", 3),
    ],
)
@pytest.mark.parametrize(
    ("name", "path"), [("cvat", "annotations.xml"), ("voc", "Annotations/a.xml"), ("modelarts", "a.xml")]
)
def test_xml_that_is_a_trap_is_refused_with_its_line(
    name: str, path: str, head: bytes, body: bytes, code: str, line: int
) -> None:
    root = b"annotations" if name == "cvat" else b"annotation"
    tree = written("voc", Source([picture(thing(BLOCK), path="a.jpg")])) if name == "voc" else Tree()
    tree.contents[path] = head + b"<" + root + b">" + body + b"</" + root + b">"
    (refusal,) = refusals_in(read(name, tree))
    assert (refusal.code, refusal.line) == (code, line)


MANY_DIGITS = "9" * 5000


@pytest.mark.parametrize(
    ("name", "path", "data", "code"),
    [
        ("voc", "labelmap.txt", f"cup:{MANY_DIGITS},1,1::", "colour_invalid"),
        ("voc", "Annotations/a.xml", "", "xml_malformed"),
        (
            "voc",
            "Annotations/a.xml",
            f"<annotation><size><width>{MANY_DIGITS}</width></size></annotation>",
            "size_invalid",
        ),
        (
            "cvat",
            "annotations.xml",
            f"<annotations><image name='a' width='{MANY_DIGITS}'/></annotations>",
            "size_invalid",
        ),
        (
            "modelarts",
            "a.xml",
            "<annotation><object><name>cup</name><polygon/>"
            f"<mask_color>{MANY_DIGITS},1,1</mask_color></object></annotation>",
            "colour_invalid",
        ),
        ("modelarts", "a.manifest", '{"source": "a", "x": ' + "[" * 900 + "]" * 900 + "}", "json_malformed"),
        ("labelme", "a.json", '{"imagePath": "a", "shapes": [{"group_id": [1]}]}', "group_invalid"),
    ],
)
def test_numbers_and_depths_that_python_itself_refuses_are_refused(
    name: str, path: str, data: str, code: str
) -> None:
    files = {"ImageSets/Segmentation/train.txt": b"a\n"} if name == "voc" else {}
    assert [each.code for each in refusals_in(read(name, Tree({**files, path: data.encode()})))] == [code]


def test_a_mask_that_leaves_its_image_is_refused_before_it_is_traced() -> None:
    mask = "<mask label='cup' rle='0,999998000001' left='0' top='0' width='999999' height='999999'/>"
    data = f"<annotations>\n<image name='a.jpg' width='100' height='90'>\n{mask}</image></annotations>"
    assert refused("cvat", "annotations.xml", data.encode()) == [("size_differs", 3)]


@pytest.mark.parametrize(
    ("name", "path", "data", "code"),
    [
        ("coco", COCO, coco({"segmentation": [[], []]}).decode(), "no_area"),
        (
            "cvat",
            "annotations.xml",
            "<annotations><image name='a.jpg' width='100' height='90'><polygon label='cup' points=''/></image>"
            "</annotations>",
            "coordinate_missing",
        ),
        (
            "label_studio",
            "tasks.json",
            '[{"data": {"image": "a.jpg"}, "annotations": [{"result": [{"type": "polygonlabels",'
            ' "value": {"points": [], "polygonlabels": ["cup"]}}]}]}]',
            "no_area",
        ),
        (
            "labelme",
            "a.json",
            '{"imagePath": "a.jpg", "shapes": [{"label": "cup", "points": []}]}',
            "coordinate_missing",
        ),
        (
            "modelarts",
            "annotations/a.xml",
            "<annotation><filename>a.jpg</filename><object><name>cup</name><polygon/></object></annotation>",
            "no_area",
        ),
        ("yolo", "labels/train/a.txt", "0", "coordinate_missing"),
    ],
)
def test_an_outline_without_a_vertex_is_refused(name: str, path: str, data: str, code: str) -> None:
    assert [found for found, _ in refused(name, path, data.encode())] == [code]


def test_of_two_images_with_the_stem_of_a_yolo_file_each_has_its_objects() -> None:
    files = {"data.yaml": b"names: [cup]", "labels/train/a.txt": b"0 .1 .1 .5 .1 .5 .5"}
    images = dict.fromkeys(("images/train/a.jpg", "images/train/a.Jpeg", "images/train/a.jPg"), b"")
    found = images_in(read("yolo", Tree({**files, **images})))
    assert {image.name: len(image.objects) for image in found} == {"a.jpg": 1, "a.Jpeg": 1, "a.jPg": 0}


def test_a_mask_like_a_chessboard_is_refused_before_it_is_traced() -> None:
    runs = {"segmentation": {"size": [400, 400], "counts": [1] * 160_000}}
    images = [{"id": 1, "file_name": "a.jpg", "width": 400, "height": 400}]
    tree = Tree({COCO: coco(runs, images=images)})
    (refusal,) = refusals_in(read("coco", tree, None))
    assert (refusal.code, refusal.line) == ("mask_too_large", 9)


def test_an_image_that_nobody_has_is_not_believed_to_be_of_any_size() -> None:
    images = [{"id": 1, "file_name": "a.jpg", "width": 99_999, "height": 99_999}]
    (refusal,) = refusals_in(read("coco", Tree({COCO: coco(images=images)}), None))
    assert refusal.code == "size_invalid"


def test_regions_of_one_image_are_of_one_size_whoever_has_it() -> None:
    box = {"x": 60, "y": 5, "width": 9, "height": 9, "rotation": 20, "rectanglelabels": ["cup"]}
    results = [
        {"type": kind, "original_width": width, "original_height": 90, "value": box}
        for kind, width in (("choices", 2), ("rectanglelabels", 100))
    ]
    task = {"data": {"image": "a.jpg"}, "annotations": [{"result": results}]}
    tree = Tree({"tasks.json": json.dumps([task, {"data": {"image": "b.jpg"}}]).encode()})
    for size in (None, (100, 90)):
        found = read("label_studio", tree, size)
        assert [(each.code, each.name) for each in refusals_in(found)] == [("size_differs", "a.jpg")]
        assert [image.name for image in images_in(found)] == ["b.jpg"]


def test_a_source_of_nothing_but_slashes_is_looked_for_in_its_last_kilobyte_only() -> None:
    line = json.dumps({"source": "s3://bucket/" + "a/" * 500_000 + "a.jpg"}).encode()
    (image,) = images_in(read("modelarts", Tree({"a.manifest": line})))
    assert sum(map(len, image.files[1:])) < 2**20
    assert image.files[-1] == "a.jpg"


def test_tracks_of_a_video_are_refused() -> None:
    assert refused("cvat", "annotations.xml", b"<annotations>\n<track id='0'/></annotations>") == [
        ("tracks_refused", 2)
    ]


@pytest.mark.parametrize("name", ["coco", "yolo", "voc", "cvat", "label_studio", "labelme", "modelarts"])
def test_a_file_for_images_of_another_size_is_refused(name: str) -> None:
    tree = written(name, Source([picture(thing(BLOCK))]))
    found = read(name, tree, (90, 100))
    if name == "yolo":
        # Its positions are shares of whatever the image is.
        assert len(images_in(found)) == 1
    else:
        assert {each.code for each in refusals_in(found)} & {"image_turned", "size_differs"}


class Endless:
    """A manifest of so many lines, made as it is read."""

    def __init__(self, lines: int):
        self._left = lines

    def read(self, _: int = -1) -> bytes:
        count = min(self._left, 1000)
        self._left -= count
        return b'{"source": "s3://bucket/some/image.jpg", "annotation": []}\n' * count


def test_a_manifest_is_read_in_memory_that_does_not_grow_with_it() -> None:
    def peak(lines: int) -> int:
        tracemalloc.start()
        assert sum(1 for _ in manifest.read(Endless(lines))) == lines  # type: ignore[arg-type]
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(1000)
    assert peak(8000) < 1.3 * peak(2000)


def test_an_endless_line_is_refused() -> None:
    class Line:
        def read(self, size: int) -> bytes:
            return b"x" * size

    with pytest.raises(FormatError, match="MiB"):
        list(manifest.read(Line()))  # type: ignore[arg-type]
