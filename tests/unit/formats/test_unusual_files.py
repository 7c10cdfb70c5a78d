"""Files that say something twice, elsewhere, or as what it is not: refused or noted, never lost silently."""

import base64
import io
import json
from typing import Any

import pytest
from PIL import Image
from tests.unit.formats.shapes import BLOCK, picture, thing
from tests.unit.formats.trees import Source, Tree, images_in, read, refusals_in, written

from fourpoint_core.domain.annotations import Traits
from fourpoint_worker.formats.values import Found, ImportedImage

TRIANGLE = [[1, 1], [9, 1], [9, 9]]
IMAGE = {"id": 1, "file_name": "a.jpg", "width": 100, "height": 90}
CUP = {"id": 1, "name": "cup"}


def coco(**more: Any) -> list[Found]:
    document = {"categories": [CUP], "images": [IMAGE], **more}
    return read("coco", Tree({"annotations/instances_default.json": json.dumps(document, indent=1).encode()}))


def coco_of(**annotation: Any) -> list[Found]:
    whole = {"image_id": 1, "category_id": 1, "segmentation": [[1, 1, 9, 1, 9, 9]], **annotation}
    return coco(annotations=[whole])


def labelme(*shapes: dict[str, Any], **more: Any) -> list[Found]:
    document = {"imagePath": "a.jpg", "shapes": shapes, **more}
    return read("labelme", Tree({"a.json": json.dumps(document, indent=1).encode()}))


def triangle(**more: Any) -> dict[str, Any]:
    return {"label": "cup", "points": TRIANGLE, **more}


def cvat(*shapes: str) -> list[Found]:
    rows = "\n".join(shapes)
    text = f"<annotations>\n<image name='a.jpg' width='100' height='90'>\n{rows}\n</image></annotations>"
    return read("cvat", Tree({"annotations.xml": text.encode()}))


def polygon(**attributes: Any) -> str:
    said = {"label": "cup", "points": "1,1;9,1;9,9", **attributes}
    return "<polygon " + " ".join(f"{key}='{value}'" for key, value in said.items()) + "/>"


def label_studio(**task: Any) -> list[Found]:
    whole = {"data": {"image": "a.jpg"}, **task}
    return read("label_studio", Tree({"tasks.json": json.dumps([whole]).encode()}))


def region(kind: str = "polygonlabels", **value: Any) -> dict[str, Any]:
    return {"type": kind, "value": {"points": TRIANGLE, kind: ["cup"], **value}}


def codes(found: list[Found]) -> list[tuple[str, int | None]]:
    return [(each.code, each.line) for each in refusals_in(found)]


def noted(found: list[Found]) -> list[str]:
    return [note.code for note in the_image(found).notes]


def the_image(found: list[Found]) -> ImportedImage:
    assert codes(found) == []
    (image,) = images_in(found)
    return image


@pytest.mark.parametrize("attributes", ["x", True, [1], 3])
@pytest.mark.parametrize("crowd", [0, 1])
def test_attributes_of_a_coco_annotation_are_an_object_in_a_crowd_as_well(attributes: Any, crowd: int) -> None:
    assert codes(coco_of(attributes=attributes, iscrowd=crowd)) == [("attributes_invalid", 17)]


@pytest.mark.parametrize("nothing", [None, {}, []])
def test_attributes_of_which_there_are_none_may_be_said_in_any_way(nothing: Any) -> None:
    (coco_object,) = the_image(coco_of(attributes=nothing)).objects
    (shape,) = the_image(labelme(triangle(attributes=nothing, flags=nothing))).objects
    assert coco_object.traits == shape.traits == Traits()


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"flags": "x"}, "attributes_invalid"),
        ({"attributes": [1]}, "attributes_invalid"),
        ({"fourpoint": "x"}, "attributes_invalid"),
        ({"difficult": "x"}, "flag_invalid"),
        ({"difficult": [1]}, "flag_invalid"),
    ],
)
def test_what_is_said_of_a_shape_of_labelme_is_taken_or_refused(said: dict[str, Any], code: str) -> None:
    assert codes(labelme(triangle(**said))) == [(code, 4)]


def test_flags_may_be_numbers_and_descriptions_anything() -> None:
    (found,) = the_image(labelme(triangle(difficult=1, description=3))).objects
    assert found.traits == Traits(difficult=True, attributes={"description": 3})
    (found,) = the_image(cvat(polygon(occluded="True"))).objects
    assert found.traits.occluded
    assert codes(cvat(polygon(occluded="x"))) == [("flag_invalid", 3)]


def test_our_own_part_of_a_region_is_an_object() -> None:
    results = [sized({**region(), "meta": {"fourpoint": "x"}})]
    assert codes(label_studio(annotations=[{"result": results}])) == [("attributes_invalid", 1)]
    results = [sized({**region(), "meta": {"text": ["of Label Studio itself"]}})]
    assert noted(label_studio(annotations=[{"result": results}])) == []


@pytest.mark.parametrize("value", [{"1": {}}, None, "x"])
@pytest.mark.parametrize("key", ["categories", "images", "annotations"])
def test_a_file_of_coco_whose_lists_are_none_is_refused(key: str, value: Any) -> None:
    ((code, line),) = codes(coco(**{key: value}))
    assert code == "list_expected"
    assert line is not None and line > 1


def test_a_file_of_coco_without_annotations_lists_images() -> None:
    assert the_image(coco()).objects == the_image(coco(annotations=[])).objects == ()


def test_a_file_of_labelme_whose_shapes_are_no_list_is_refused() -> None:
    assert codes(labelme(shapes={"0": triangle()})) == [("list_expected", 3)]
    assert codes(labelme(shapes="x")) == [("list_expected", 3)]


@pytest.mark.parametrize(
    ("name", "path", "text", "code"),
    [
        (
            "coco",
            "results.json",
            '[{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}]',
            "object_expected",
        ),
        ("coco", "some.json", '{"annotations": []}', "key_missing"),
        ("coco", "some.json", "{}", "key_missing"),
        ("label_studio", "tasks.json", '{"tasks": [{"data": {"image": "a.jpg"}}]}', "list_expected"),
        ("label_studio", "tasks.json", "{}", "list_expected"),
        ("labelme", "a.json", '[{"imagePath": "a.jpg"}]', "object_expected"),
        ("labelme", "a.json", '{"imagePath": "a.jpg", "Shapes": []}', "key_missing"),
        ("cvat", "annotations.xml", "", "xml_malformed"),
        ("cvat", "annotations.xml", "<annotations><version>1.1</version></annotations>", "nothing_found"),
        ("cvat", "annotations.xml", "<annotations><Image name='a.jpg'/></annotations>", "element_unknown"),
    ],
)
def test_a_file_of_which_nothing_is_taken_is_refused(name: str, path: str, text: str, code: str) -> None:
    assert codes(read(name, Tree({path: text.encode()}))) == [(code, 1)]


@pytest.mark.parametrize("name", ["coco", "label_studio", "labelme", "cvat"])
def test_files_of_which_none_is_of_the_format_are_refused(name: str) -> None:
    assert codes(read(name, Tree({"images/a.jpg": b"", "readme.txt": b"", "fourpoint.json": b"{}"}))) == [
        ("nothing_found", None)
    ]


@pytest.mark.parametrize("name", ["coco", "label_studio", "cvat"])
def test_an_export_without_images_and_our_report_beside_it_are_no_mistake(name: str) -> None:
    tree = written(name, Source([]))
    tree.contents["fourpoint.json"] = b'{"labels": []}'
    assert codes(read(name, tree)) == []


@pytest.mark.parametrize("shape", ["Polygon", "circle"])
def test_shapes_that_cvat_does_not_have_are_noted(shape: str) -> None:
    found = cvat(polygon(), f"<{shape} label='cup' points='1,1;9,1;9,9'/>")
    assert noted(found) == ["shape_unknown"]
    assert len(the_image(found).objects) == 1


def test_shapes_of_cvat_without_area_are_left_out() -> None:
    shapes = ["tag", "points", "polyline", "cuboid"]
    found = cvat(*(f"<{shape} label='cup'/>" for shape in shapes), "<skeleton><points label='a'/></skeleton>")
    assert noted(found) == ["shape_without_area"] * 5


@pytest.mark.parametrize("group", ["", None])
def test_a_group_without_a_name_is_none(group: str | None) -> None:
    far = [[50, 50], [60, 50], [60, 60]]
    found = labelme(triangle(group_id=group), triangle(group_id=group, points=far))
    assert len(the_image(found).objects) == 2
    drawn = [polygon(group_id=group or 0), polygon(group_id=group or 0, points="50,50;60,50;60,60")]
    assert len(the_image(cvat(*drawn)).objects) == 2


def test_a_group_of_a_number_is_not_that_of_its_digits() -> None:
    far = triangle(points=[[50, 50], [60, 50], [60, 60]], group_id="1")
    assert len(the_image(labelme(triangle(group_id=1), far)).objects) == 2
    assert len(the_image(labelme(triangle(group_id="1"), far)).objects) == 1
    assert codes(labelme(triangle(group_id=True))) == [("group_invalid", 4)]


@pytest.mark.parametrize("differing", [{"flags": {"chipped": True}}, {"difficult": True}, {"score": 0.5}])
def test_parts_of_a_labelme_object_of_which_more_is_said_than_of_the_first_are_noted(
    differing: dict[str, Any],
) -> None:
    far = triangle(points=[[50, 50], [60, 50], [60, 60]], group_id=1)
    assert noted(labelme(triangle(group_id=1), {**far, **differing})) == ["parts_differ"]
    assert noted(labelme(triangle(group_id=1, **differing), {**far, **differing})) == []


@pytest.mark.parametrize("differing", [{"z_order": 2}, {"occluded": 1}])
def test_parts_of_a_cvat_object_of_which_more_is_said_than_of_the_first_are_noted(
    differing: dict[str, int],
) -> None:
    far = {"points": "50,50;60,50;60,60", "group_id": 1}
    assert noted(cvat(polygon(group_id=1), polygon(**far, **differing))) == ["parts_differ"]
    assert noted(cvat(polygon(group_id=1), polygon(**far))) == []


@pytest.mark.parametrize(
    ("second", "code"),
    [
        ({"id": 1, "name": "plate"}, "label_repeated"),
        ({"id": True, "name": "plate"}, "label_invalid"),
        ({"id": None, "name": "plate"}, "label_invalid"),
    ],
)
def test_an_id_of_coco_names_one_category(second: dict[str, Any], code: str) -> None:
    found = coco(categories=[CUP, second])
    assert [each.code for each in refusals_in(found)] == [code]
    assert images_in(found) == []


def test_a_category_that_is_there_twice_is_that_category() -> None:
    assert the_image(coco(categories=[CUP, CUP])).objects == ()


def test_an_annotation_of_the_category_true_is_refused() -> None:
    assert [code for code, _ in codes(coco_of(category_id=True))] == ["label_unknown"]


@pytest.mark.parametrize(
    ("name", "path", "text"),
    [
        ("coco", "a.json", '{"images": [],\n"annotations": [],\n"annotations": [{"image_id": 1}]}'),
        ("coco", "a.json", '{"images": [],\n"annotations": [\n{"segmentation": [], "segmentation": 1}]}'),
        ("label_studio", "a.json", '[\n\n{"data": {"image": "a.jpg", "image": "b.jpg"}}]'),
        ("labelme", "a.json", '{"imagePath": "a.jpg",\n"shapes": [\n{"label": "cup", "label": "plate"}]}'),
        ("modelarts", "a.manifest", '\n\n{"source": "a.jpg", "source": "b.jpg"}'),
    ],
)
def test_an_object_that_names_something_twice_is_refused(name: str, path: str, text: str) -> None:
    (refusal,) = refusals_in(read(name, Tree({path: text.encode()})))
    assert (refusal.code, refusal.line) == ("json_malformed", 3)
    assert "twice" in refusal.detail


def test_an_object_of_more_keys_than_are_remembered_is_refused() -> None:
    for keys in (map(str, range(20_000)), ["x" * 2000]):
        text = json.dumps(dict.fromkeys(keys, 1)).encode()
        assert codes(read("coco", Tree({"a.json": text}))) == [("json_too_large", 1)]


def test_further_labels_of_a_region_are_noted() -> None:
    found = label_studio(annotations=[{"result": [sized(region(polygonlabels=["cup", "plate"]))]}])
    assert noted(found) == ["further_labels_left_out"]
    assert [each.label for each in the_image(found).objects] == ["cup"]


def sized(result: dict[str, Any]) -> dict[str, Any]:
    return {**result, "original_width": 100, "original_height": 90}


@pytest.mark.parametrize(
    "task",
    [
        {"predictions": [{"result": [region()]}]},
        {"annotations": [], "predictions": [{"result": [region()]}], "drafts": []},
        {"annotation": [{"result": [region()]}]},
        {"annotation": {"result": [region()]}},
        {"annotations": [], "completions": [{"result": [region()]}]},
        {"annotations": [None]},
    ],
)
def test_what_is_drawn_outside_of_the_annotations_of_a_task_is_noted(task: dict[str, Any]) -> None:
    assert noted(label_studio(**task)) == ["annotation_left_out"]


@pytest.mark.parametrize(
    "task",
    [
        {},
        {"annotations": []},
        {"annotations": [{"result": []}], "predictions": [{"result": [region()]}]},
        {"completions": [{"result": [region()]}]},
        {"annotations": [], "predictions": [], "drafts": [], "meta": {}, "file_upload": "a.jpg"},
    ],
)
def test_a_task_as_label_studio_writes_it_is_taken_without_a_word(task: dict[str, Any]) -> None:
    assert noted(label_studio(**task)) == []


@pytest.mark.parametrize(
    ("shape", "code"),
    [
        ("<ellipse label='cup' cy='40' rx='9' ry='5'/>", "coordinate_missing"),
        ("<ellipse label='cup' cx='50' cy='40' rx='-9' ry='5'/>", "coordinate_invalid"),
        ("<ellipse label='cup' cx='50' cy='40' rx='9' ry='0'/>", "coordinate_invalid"),
        ("<box label='cup' xtl='1' ytl='1' xbr='9'/>", "coordinate_missing"),
        ("<box label='cup' xtl='9' ytl='1' xbr='1' ybr='9' rotation='10'/>", "box_empty"),
        (polygon(points="1_0,1;90,1;90,90"), "number_invalid"),
        (polygon(z_order="1_0"), "number_invalid"),
        ("<mask label='cup' rle='0,1_0' left='0' top='0' width='5' height='2'/>", "rle_invalid"),
    ],
)
def test_a_shape_of_cvat_that_is_none_is_refused(shape: str, code: str) -> None:
    assert codes(cvat(shape)) == [(code, 3)]


@pytest.mark.parametrize(
    ("result", "code"),
    [
        (region("ellipselabels", x=50, y=50, radiusX=-9, radiusY=4), "coordinate_invalid"),
        (region("rectanglelabels", x=50, y=50, width=-9, height=4, rotation=20), "box_empty"),
        (region("rectanglelabels", x=50, y=50, width=9, height=0, rotation=20), "box_empty"),
    ],
)
def test_a_region_of_label_studio_that_is_inside_out_is_refused(result: dict[str, Any], code: str) -> None:
    assert codes(label_studio(annotations=[{"result": [sized(result)]}])) == [(code, 1)]


def bitmap(width: int, height: int) -> str:
    out = io.BytesIO()
    Image.new("1", (width, height), 1).save(out, "PNG")
    return base64.b64encode(out.getvalue()).decode()


@pytest.mark.parametrize(
    ("width", "height", "is_taken"),
    [(51, 37, True), (50, 36, True), (2, 3, False), (51, 3, False), (53, 37, False)],
)
def test_a_mask_of_labelme_is_as_large_as_its_box(width: int, height: int, is_taken: bool) -> None:
    shape = triangle(shape_type="mask", points=[[10, 20], [60, 56]], mask=bitmap(width, height))
    assert codes(labelme(shape)) == ([] if is_taken else [("size_differs", 4)])


def test_a_circle_of_labelme_without_a_radius_is_refused_with_its_line() -> None:
    assert codes(labelme(triangle(shape_type="circle", points=[[5, 5], [5, 5]]))) == [("coordinate_invalid", 4)]


def test_turned_boxes_lie_where_their_tools_draw_them() -> None:
    (drawn,) = the_image(cvat("<box label='cup' xtl='20' ytl='30' xbr='60' ybr='40' rotation='90'/>")).objects
    assert drawn.contour is not None
    box = drawn.contour.bounding_box
    assert (box.x0, box.y0, box.x1, box.y1) == pytest.approx((35, 15, 45, 55))
    value = {"x": 20, "y": 50, "width": 40, "height": 10, "rotation": 90}
    results = [sized(region("rectanglelabels", **value))]
    (drawn,) = the_image(label_studio(annotations=[{"result": results}])).objects
    assert drawn.contour is not None
    box = drawn.contour.bounding_box
    assert (box.x0, box.y0, box.x1, box.y1) == pytest.approx((11, 45, 20, 85))


def test_an_export_of_ours_says_nothing_twice() -> None:
    source = Source([picture(thing(BLOCK))])
    for name in ("coco", "label_studio", "labelme", "cvat"):
        assert noted(read(name, written(name, source))) == []
