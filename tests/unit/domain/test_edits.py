"""Drags, stretches and vertex edits: what comes out is valid, or is refused with its place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fourpoint_core.domain.edits import VertexAction, VertexEdit, moved, resized, with_edited_vertices
from fourpoint_core.domain.geometry import Box, Contour, Part, validate_contour
from fourpoint_core.errors import InvalidInputError

WIDTH, HEIGHT = 100, 80
HOLE = ((30.0, 30.0), (40.0, 30.0), (40.0, 40.0), (30.0, 40.0))
SHAPE = Contour(
    (
        Part(((20.0, 20.0), (60.0, 20.0), (60.0, 60.0), (20.0, 60.0)), (HOLE,)),
        Part(((70.0, 20.0), (80.0, 20.0), (75.0, 30.0))),
    )
)
offsets = st.floats(-120, 120, allow_nan=False)
corners = st.tuples(st.floats(0, WIDTH), st.floats(0, HEIGHT))


def refusal(work: object) -> str:
    with pytest.raises(InvalidInputError) as caught:
        work()  # type: ignore[operator]
    return caught.value.errors[0].pointer


def test_a_drag_takes_holes_and_parts_along() -> None:
    dragged = moved(SHAPE, 5, -10, WIDTH, HEIGHT)
    assert dragged.parts[0].holes[0][0] == (35, 20)
    assert dragged.parts[1].outer[2] == (80, 20)
    assert dragged.area == SHAPE.area


@given(offsets, offsets)
def test_a_drag_ends_inside_the_image_or_is_refused(dx: float, dy: float) -> None:
    try:
        dragged = moved(SHAPE, dx, dy, WIDTH, HEIGHT)
    except InvalidInputError as error:
        assert error.errors[0].pointer == "/move"
        return
    validate_contour(dragged, WIDTH, HEIGHT)
    assert dragged.area == pytest.approx(SHAPE.area)


@given(offsets, offsets)
def test_a_drag_and_its_way_back_change_nothing_that_can_be_seen(dx: float, dy: float) -> None:
    try:
        back = moved(moved(SHAPE, dx, dy, WIDTH, HEIGHT), -dx, -dy, WIDTH, HEIGHT)
    except InvalidInputError:
        return
    for part, was in zip(back.parts, SHAPE.parts, strict=True):
        for ring, before in zip(part.rings(), was.rings(), strict=True):
            assert [pytest.approx(vertex, abs=1e-9) for vertex in before] == list(ring)


@given(corners, corners)
def test_a_stretch_fills_its_box_or_is_refused(one: tuple[float, float], other: tuple[float, float]) -> None:
    box = Box(min(one[0], other[0]), min(one[1], other[1]), max(one[0], other[0]), max(one[1], other[1]))
    try:
        stretched = resized(SHAPE, box, WIDTH, HEIGHT)
    except InvalidInputError as error:
        assert error.errors[0].pointer.startswith("/resize")
        return
    validate_contour(stretched, WIDTH, HEIGHT)
    assert stretched.bounding_box.as_list() == pytest.approx(box.as_list())


def test_a_box_beyond_the_image_is_refused() -> None:
    assert refusal(lambda: resized(SHAPE, Box(0, 0, 100.5, 10), WIDTH, HEIGHT)) == "/resize/box"


def test_a_hole_is_ring_one() -> None:
    edit = VertexEdit(VertexAction.MOVE, part=0, ring=1, index=0, to=(25, 25))
    assert with_edited_vertices(SHAPE, [edit], WIDTH, HEIGHT).parts[0].holes[0][0] == (25, 25)


def test_a_vertex_is_inserted_at_the_end() -> None:
    edit = VertexEdit(VertexAction.INSERT, part=1, ring=0, index=3, to=(70, 28))
    assert with_edited_vertices(SHAPE, [edit], WIDTH, HEIGHT).parts[1].outer[3] == (70, 28)


def test_only_what_comes_out_need_be_valid() -> None:
    remove = VertexEdit(VertexAction.REMOVE, part=1, ring=0, index=0)
    insert = VertexEdit(VertexAction.INSERT, part=1, ring=0, index=0, to=(70, 20))
    assert with_edited_vertices(SHAPE, [remove, insert], WIDTH, HEIGHT) == SHAPE


def test_a_ring_does_not_fall_below_three_vertices() -> None:
    remove = VertexEdit(VertexAction.REMOVE, part=1, ring=0, index=0)
    with pytest.raises(InvalidInputError) as caught:
        with_edited_vertices(SHAPE, [remove], WIDTH, HEIGHT)
    assert caught.value.errors[0].code == "ring_too_short"
    assert "/parts/1/outer" in caught.value.detail


def test_the_edit_that_spoils_the_outline_is_pointed_at() -> None:
    todo = [VertexEdit(VertexAction.MOVE, 1, 0, 2, (75, 31 + number)) for number in range(7)]
    todo[4] = VertexEdit(VertexAction.MOVE, 0, 1, 0, (10, 10))
    assert refusal(lambda: with_edited_vertices(SHAPE, todo, WIDTH, HEIGHT)) == "/vertices/4"


edits = st.builds(
    lambda action, part, ring, index, to: VertexEdit(
        action, part, ring, index, None if action is VertexAction.REMOVE else to
    ),
    st.sampled_from(VertexAction),
    st.integers(0, 2),
    st.integers(0, 2),
    st.integers(0, 5),
    corners,
)


@given(st.lists(edits, min_size=1, max_size=6))
def test_any_edits_leave_a_valid_outline_or_are_refused_with_their_place(todo: list[VertexEdit]) -> None:
    try:
        edited = with_edited_vertices(SHAPE, todo, WIDTH, HEIGHT)
    except InvalidInputError as error:
        assert error.errors[0].pointer.startswith("/vertices/")
        return
    validate_contour(edited, WIDTH, HEIGHT)


@given(st.integers(0, 3), corners)
def test_inserting_and_removing_a_vertex_is_nothing(index: int, to: tuple[float, float]) -> None:
    todo = [
        VertexEdit(VertexAction.INSERT, 0, 0, index, to),
        VertexEdit(VertexAction.REMOVE, 0, 0, index),
    ]
    assert with_edited_vertices(SHAPE, todo, WIDTH, HEIGHT) == SHAPE
