"""ModelArts' tree: the mask is what fillPoly paints, the manifest is read in every form."""

import json
import zlib
from io import BytesIO

import cv2
import numpy as np
import pytest
from PIL import Image
from tests.unit.formats.shapes import BLOCK, CUP, FINE, PAIR, PLATE, RING, contour, picture, square, thing
from tests.unit.formats.trees import Source, Tree, images_in, read, refusals_in, written

from fourpoint_core.domain.geometry import Contour, Part
from fourpoint_worker.formats.values import ExportLabel, Notes
from fourpoint_worker.formats.xml_elements import elements

XML = "annotations/shelf/one.xml"
MASK = "segmentationClass/shelf/one.png"


def vertices_in(xml: bytes) -> list[tuple[str, list[tuple[int, int]]]]:
    """Label and ring of each object, taken from the XML alone."""
    (root,) = elements(BytesIO(xml), "annotation")
    found = []
    for each in root.all("object"):
        polygon = each.find("polygon")
        name = each.find("name")
        assert polygon is not None and name is not None
        values = [int(child.text) for child in polygon.children]
        found.append((name.text, list(zip(values[0::2], values[1::2], strict=True))))
    return found


def star(points: int) -> Contour:
    turns = np.linspace(0, 2 * np.pi, points, endpoint=False)
    reach = np.where(np.arange(points) % 2, 18.37, 41.2)
    return contour(
        Part(
            tuple(
                (float(50 + r * np.cos(t)), float(45 + r * np.sin(t)))
                for t, r in zip(turns, reach, strict=True)
            )
        )
    )


@pytest.mark.parametrize("shape", [BLOCK, RING, PAIR, FINE, star(10), star(38)])
def test_the_mask_is_what_fillpoly_paints_on_the_written_vertices(shape: Contour) -> None:
    over = contour(Part(square(20.2, 12.7, 25)))
    tree = written("modelarts", Source([picture(thing(shape), thing(over, PLATE, 2))]))
    expected = np.zeros((90, 100), np.uint8)
    for name, ring in vertices_in(tree.contents[XML]):
        cv2.fillPoly(expected, [np.array(ring, np.int32)], {"cup": 1, "plate": 3}[name])
    assert np.array_equal(np.asarray(Image.open(BytesIO(tree.contents[MASK]))), expected)


def test_the_mask_is_an_8_bit_palette_of_256_entries_with_the_labels_colours() -> None:
    data = written("modelarts", Source([picture(thing(BLOCK), thing(FINE, PLATE, 2))])).contents[MASK]
    assert data[24:26] == bytes([8, 3])
    at = data.index(b"PLTE")
    assert int.from_bytes(data[at - 4 : at], "big") == 768
    palette = data[at + 4 : at + 772]
    assert palette[3:6] == bytes([0x33, 0x99, 0xFF])
    assert palette[9:12] == bytes([255, 0, 0])
    assert not any(palette[:3] + palette[6:9] + palette[12:])
    assert b"tRNS" not in data
    assert zlib.crc32(data[at : at + 772]) == int.from_bytes(data[at + 772 : at + 776], "big")


def test_a_label_beyond_a_byte_gets_a_value_of_its_own_in_the_mask() -> None:
    far = ExportLabel("far", "#00ff00", 300)
    notes = Notes()
    source = Source([picture(thing(BLOCK), thing(FINE, far, 2))], labels=(CUP, far))
    mask = np.asarray(Image.open(BytesIO(written("modelarts", source, notes).contents[MASK])))
    assert set(np.unique(mask)) == {0, 1, 255}
    assert notes.counts["mask_index_changed"] == 1


def line(**more: object) -> bytes:
    return json.dumps({"source": "s3://b/in/shelf/one.jpg", **more}).encode() + b"\n"


def tree_with(*lines: bytes) -> Tree:
    xml = written("modelarts", Source([picture(thing(BLOCK))])).contents[XML]
    return Tree({"V001.manifest": b"".join(lines), XML: xml, "in/shelf/one.jpg": b""})


LOCATION = "obs://b/out/annotation/V001/annotations/shelf/one.xml"
ANNOTATION = {"type": "modelarts/image_segmentation", "annotation-loc": LOCATION}


def test_a_written_line_says_what_modelarts_says() -> None:
    lines = written("modelarts", Source([picture(thing(BLOCK), usage="val")])).contents["kitchen.manifest"]
    assert json.loads(lines) == {
        "source": "s3://bucket/in/shelf/one.jpg",
        "id": "0000000000007000800000000000000a",
        "usage": "EVAL",
        "sample-type": 0,
        "annotation": [
            {
                "type": "modelarts/image_segmentation",
                "annotation-format": "PASCAL VOC",
                "annotation-loc": XML,
                "annotated-by": "human",
                "creation-time": "2026-01-02 03:04:05",
            }
        ],
    }


@pytest.mark.parametrize(
    "annotation",
    [
        ANNOTATION,
        {"type": "image_segmentation", "annotation_loc": LOCATION, "creation_time": "2020-12-16 21:36:27"},
        {**ANNOTATION, "annotation-format": "PASCAL VOC", "property": '{"@modelarts:x": "y"}'},
    ],
)
def test_keys_with_hyphens_and_with_underscores_are_read(annotation: dict[str, object]) -> None:
    (image,) = images_in(read("modelarts", tree_with(line(annotation=[annotation]))))
    assert [found.label for found in image.objects] == ["cup"]


@pytest.mark.parametrize("hard", [True, "true", "True", "1"])
def test_hard_may_be_a_word(hard: object) -> None:
    (image,) = images_in(read("modelarts", tree_with(line(annotation=[ANNOTATION], hard=hard))))
    assert image.objects[0].traits.difficult


def test_a_line_without_annotation_is_an_unlabeled_image_and_blank_lines_are_none() -> None:
    found = read("modelarts", tree_with(b"\n", line(), b"  \r\n", line(annotation=[], usage="EVAL")))
    assert [(image.line, image.objects, image.usage) for image in images_in(found)] == [
        (2, (), None),
        (4, (), "val"),
    ]


def test_other_annotations_of_a_line_are_left_out_and_said_so() -> None:
    other = {"type": "modelarts/image_classification", "name": "cat"}
    (image,) = images_in(read("modelarts", tree_with(line(annotation=[other, ANNOTATION]))))
    assert [note.code for note in image.notes] == ["annotation_left_out"]


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (b"{not json}\n", "json_malformed"),
        (b"[1]\n", "line_invalid"),
        (b'{"id": "x"}\n', "source_missing"),
        (b'{"source": "content://a cat"}\n', "source_unsupported"),
        (line(annotation=[{"type": "modelarts/image_segmentation"}]), "annotation_missing"),
        (line(annotation=[{**ANNOTATION, "annotation-loc": "s3://b/gone.xml"}]), "annotation_missing"),
        (line(annotation=[ANNOTATION, ANNOTATION]), "annotation_invalid"),
        (line(annotation=[ANNOTATION], hard="maybe"), "flag_invalid"),
        (b"[" * 100_000 + b"\n", "json_malformed"),
    ],
)
def test_a_bad_line_is_refused_by_its_number_and_the_others_are_read(bad: bytes, code: str) -> None:
    found = read("modelarts", tree_with(line(), bad, line()))
    assert [(refusal.code, refusal.line) for refusal in refusals_in(found)] == [(code, 2)]
    assert [image.line for image in images_in(found)] == [1, 3]


def test_a_manifest_that_is_not_utf_8_is_refused_where_that_begins() -> None:
    found = read("modelarts", tree_with(line(), b"\xff\xfe\n"))
    assert [(refusal.code, refusal.line) for refusal in refusals_in(found)] == [("encoding", 2)]


def test_without_a_manifest_images_and_the_xml_of_their_stem_are_read() -> None:
    xml = written("modelarts", Source([picture(thing(BLOCK))])).contents[XML]
    found = read("modelarts", Tree({"a/one.xml": xml, "a/one.JPG": b"", "b/two.png": b""}))
    assert [(image.name, len(image.objects)) for image in images_in(found)] == [
        ("a/one.JPG", 1),
        ("b/two.png", 0),
    ]


def test_of_two_images_with_the_stem_of_an_xml_file_one_has_its_objects_and_none_is_lost() -> None:
    xml = written("modelarts", Source([picture(thing(BLOCK))])).contents[XML]
    found = read("modelarts", Tree({"one.xml": xml, "one.jpg": b"", "one.png": b""}))
    assert {image.name: len(image.objects) for image in images_in(found)} == {"one.jpg": 1, "one.png": 0}
