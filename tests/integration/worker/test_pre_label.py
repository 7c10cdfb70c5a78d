"""Outlines drawn in bulk: what is drawn, what is left alone, and what survives whatever happens meanwhile."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from tests.integration.worker.scenes import PROMPT, Scene, SquareEngine

from fourpoint_core.domain.annotations import NewAnnotation
from fourpoint_core.domain.deletion import Selection
from fourpoint_core.domain.filters import SampleFilter
from fourpoint_core.domain.geometry import Contour, Part
from fourpoint_core.domain.jobs import JobState
from fourpoint_core.errors import DeviceExhaustedError
from fourpoint_core.ids import LOCAL_USER_ID, new_id
from fourpoint_core.jobs.contracts import PRE_LABEL, REVIEW_OUTLINES, SaveMode
from fourpoint_core.jobs.payloads.outlines import PreLabel, ReviewOutlines, Verdict
from fourpoint_core.store.models import Annotation, ImportedBox, Label, Revision, Sample
from fourpoint_core.store.queries import annotations, boxes, jobs, labels, leases, samples
from fourpoint_core.store.session import unit_of_work
from fourpoint_worker.lease_keeper import LeaseKeeper
from fourpoint_worker.tasks import pre_label, review_outlines
from fourpoint_worker.tasks.pre_label import PreLabelWork
from fourpoint_worker.tasks.review_outlines import ReviewOutlinesWork

ALL = Selection(filter=SampleFilter())
BOX = ((8.0, 8.0), (33.0, 8.0), (33.0, 33.0), (8.0, 33.0))
BY_HAND = ((8.0, 8.0), (33.0, 9.0), (20.0, 33.0))


class OtherEngine(SquareEngine):
    """Draws the same square, and is another model."""

    model_digest = "1" * 64


def add(scene: Scene, sample: Sample, *rings: tuple[tuple[float, float], ...]) -> list[UUID]:
    """Objects drawn by hand, or imported."""
    ids = [new_id() for _ in rings]
    with unit_of_work(scene.sessions) as session:
        label, _ = labels.label_named(session, scene.dataset_id, "cat")
        for key, ring in zip(ids, rings, strict=True):
            locked = samples.get_sample(session, sample.id, lock=True)
            new = NewAnnotation(key, label.id, Contour((Part(ring),)))
            annotations.add_annotation(session, locked, new, LOCAL_USER_ID)
    return ids


def work(scene: Scene, engine: SquareEngine | None = None) -> PreLabelWork:
    return PreLabelWork(scene.sessions, scene.images(), engine or scene.engine)


def queue(scene: Scene, selection: Selection = ALL, *, edited: bool = False) -> UUID:
    return scene.queue(PRE_LABEL, PreLabel(scene.dataset_id, selection, edited))


def run(scene: Scene, job_id: UUID, doing: PreLabelWork | None = None) -> dict[str, int]:
    """Run the job to its end, slice by slice; what it counted."""
    doing = doing or work(scene)
    while scene.run(job_id, doing).state == JobState.QUEUED:
        pass
    job = scene.job(job_id)
    assert job.state == JobState.SUCCEEDED, job.error
    assert job.result is not None
    return {name: job.result[name] for name in ("total", "samples", "changed", "annotations", "failed")}


def current(scene: Scene, sample: Sample) -> dict[UUID, Annotation]:
    with unit_of_work(scene.sessions) as session:
        return annotations.current_rows(session, sample.id)


def review(scene: Scene, verdict: Verdict, selection: Selection = ALL) -> dict[str, int]:
    job_id = scene.queue(REVIEW_OUTLINES, ReviewOutlines(scene.dataset_id, selection, verdict))
    result = scene.run(job_id, ReviewOutlinesWork(scene.sessions)).result
    assert result is not None
    return {name: result[name] for name in ("samples", "annotations", "left")}


def test_a_box_becomes_an_outline_that_waits_for_somebody(scene: Scene) -> None:
    sample = scene.sample()
    [key] = add(scene, sample, BOX)
    counts = run(scene, queue(scene))
    assert counts == {"total": 1, "samples": 1, "changed": 1, "annotations": 1, "failed": 0}
    row = current(scene, sample)[key]
    assert row.bounding_box == pytest.approx([10, 10, 30, 30], abs=0.6)
    assert (row.unconfirmed, row.prompt, row.engine) == (True, {"box": [8, 8, 33, 33]}, "square")


def test_the_stages_of_a_batch_are_counted_as_those_of_clicks_are(scene: Scene) -> None:
    seen: list[tuple[str, set[str]]] = []
    add(scene, scene.sample(), BOX)
    observing = PreLabelWork(
        scene.sessions,
        scene.images(),
        scene.engine,
        observe=lambda kind, milliseconds: seen.append((kind.name, set(milliseconds))),
    )
    run(scene, queue(scene), observing)
    assert seen == [("pre_label", {"image", "model", "polygon"})]


def test_what_was_drawn_by_hand_is_left_alone(scene: Scene) -> None:
    sample = scene.sample()
    by_hand, box = add(scene, sample, BY_HAND, BOX)
    before = current(scene, sample)[by_hand].contour
    run(scene, queue(scene))
    rows = current(scene, sample)
    assert rows[by_hand].contour == before and not rows[by_hand].unconfirmed
    assert rows[box].unconfirmed


def import_box(scene: Scene, sample: Sample) -> UUID:
    """What an import leaves that found a box without an outline."""
    with unit_of_work(scene.sessions) as session:
        label, _ = labels.label_named(session, scene.dataset_id, "dog")
        box = ImportedBox(
            id=new_id(),
            sample_id=sample.id,
            label_id=label.id,
            job_id=new_id(),
            prompt={"box": [8, 8, 33, 33]},
            traits={"difficult": True},
        )
        session.add(box)
        session.flush()
        return box.id


def test_an_imported_box_becomes_an_object_that_waits(scene: Scene) -> None:
    sample = scene.sample()
    key = import_box(scene, sample)
    assert run(scene, queue(scene))["annotations"] == 1
    row = current(scene, sample)[key]
    assert (row.unconfirmed, row.difficult, row.prompt) == (True, True, {"box": [8, 8, 33, 33]})
    assert run(scene, queue(scene))["annotations"] == 0


def test_a_rejected_object_leaves_its_box_to_be_drawn_again(scene: Scene) -> None:
    sample = scene.sample()
    key = import_box(scene, sample)
    run(scene, queue(scene))
    review(scene, Verdict.REJECT)
    assert current(scene, sample) == {}
    assert run(scene, queue(scene))["annotations"] == 1
    review(scene, Verdict.CONFIRM)
    with unit_of_work(scene.sessions) as session:
        assert session.get(ImportedBox, key) is None
        # The file that brought the box is imported again.
        again = boxes.Box(current(scene, sample)[key].label_id, {"box": [8.0, 8.0, 33.0, 33.0]}, {})
        brought = boxes.bring(session, sample.id, [again], boxes.Leaving.NONE, new_id())
    assert brought == boxes.Brought(unchanged=1)
    assert not current(scene, sample)[key].unconfirmed


def test_clicks_are_drawn_again_by_another_model_and_not_by_the_same(scene: Scene) -> None:
    sample = scene.sample()
    scene.run(scene.queue_click(sample, SaveMode.DOCUMENT, "cat"))
    assert run(scene, queue(scene))["annotations"] == 0
    assert run(scene, queue(scene), work(scene, OtherEngine()))["annotations"] == 1
    [row] = current(scene, sample).values()
    assert (row.unconfirmed, row.model_digest) == (True, "1" * 64)
    assert row.prompt == {"points": {"top": [20, 10], "bottom": [20, 30], "left": [10, 20], "right": [30, 20]}}
    assert PROMPT.points is not None


@pytest.mark.parametrize("edited", [False, True])
def test_what_a_person_has_corrected_is_drawn_again_only_on_demand(scene: Scene, edited: bool) -> None:
    sample = scene.sample()
    scene.run(scene.queue_click(sample, SaveMode.DOCUMENT, "cat"))
    with unit_of_work(scene.sessions) as session:
        locked = samples.get_sample(session, sample.id, lock=True)
        [row] = annotations.current_rows(session, sample.id).values()
        corrected = annotations.content_of(row).with_contour(Contour((Part(BY_HAND),)))
        annotations.change_annotation(session, locked, row, corrected, LOCAL_USER_ID)
    counts = run(scene, queue(scene, edited=edited), work(scene, OtherEngine()))
    assert counts["annotations"] == int(edited)


def test_all_of_an_image_is_one_revision_that_leaves_the_labeler_alone(scene: Scene) -> None:
    sample = scene.sample()
    add(scene, sample, BOX, BOX, BOX)
    before = scene.read_sample(sample.id)
    run(scene, queue(scene))
    after = scene.read_sample(sample.id)
    assert after.revision == before.revision + 1
    assert (after.labeled_by, after.labeled_at) == (before.labeled_by, before.labeled_at)
    with unit_of_work(scene.sessions) as session:
        assert session.get_one(Revision, (sample.id, after.revision)).action == "pre_label"


def test_only_what_is_selected_is_drawn(scene: Scene) -> None:
    chosen, other = scene.sample(), scene.sample(name="other.png")
    for sample in (chosen, other):
        add(scene, sample, BOX)
    assert run(scene, queue(scene, Selection(ids=(chosen.id,))))["total"] == 1
    assert [row.unconfirmed for row in current(scene, other).values()] == [False]


def test_an_image_without_its_file_costs_its_objects_and_not_the_job(scene: Scene) -> None:
    broken, whole = scene.sample(), scene.sample(name="whole.png")
    add(scene, broken, BOX, BOX)
    add(scene, whole, BOX)
    scene.store.delete(broken.object_key)
    assert run(scene, queue(scene)) == {"total": 2, "samples": 2, "changed": 1, "annotations": 1, "failed": 2}


def test_an_object_that_somebody_changes_meanwhile_keeps_what_he_said(scene: Scene) -> None:
    sample = scene.sample()
    first, second = add(scene, sample, BOX, BOX)

    def change(checkpoint: object) -> None:
        with unit_of_work(scene.sessions) as session:
            locked = samples.get_sample(session, sample.id, lock=True)
            row = annotations.current_rows(session, sample.id)[first]
            corrected = annotations.content_of(row).with_contour(Contour((Part(BY_HAND),)))
            annotations.change_annotation(session, locked, row, corrected, LOCAL_USER_ID)

    run(scene, queue(scene), work(scene, SquareEngine(change)))
    rows = current(scene, sample)
    assert not rows[first].unconfirmed and rows[first].contour["parts"][0]["outer"] == [
        list(x) for x in BY_HAND
    ]
    assert rows[second].unconfirmed


def test_a_job_is_done_in_slices_and_others_have_a_turn(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pre_label, "SLICE_SECONDS", 0.0)
    for number in range(3):
        add(scene, scene.sample(name=f"{number}.png"), BOX)
    job_id, other = queue(scene), queue(scene, Selection(ids=(new_id(),)))
    job = scene.run(job_id, work(scene))
    assert (job.state, job.attempts, job.progress and job.progress["samples"]) == (JobState.QUEUED, 0, 1)
    assert scene.outcomes(job_id) == []
    with unit_of_work(scene.sessions) as session:
        turns = jobs.waiting_in(session, PRE_LABEL.queue, 10, newest_first=False)
    assert [message.job_id for message in turns] == [other, job_id]
    assert run(scene, job_id)["samples"] == 3


class Died(BaseException):
    """A process that is killed does nothing more."""


def die(checkpoint: object) -> None:
    raise Died


def run_and_die(scene: Scene, job_id: UUID, engine: SquareEngine) -> None:
    with pytest.raises(Died):
        scene.run(job_id, work(scene, engine))
    with unit_of_work(scene.sessions) as session:
        leases.give_back(session, [leases.Lease(job_id, jobs.get_job(session, job_id).lease_number)])


def test_another_worker_goes_on_where_one_died(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lease runs out in the middle of the second image."""
    for number in range(3):
        add(scene, scene.sample(name=f"{number}.png"), BOX)
    job_id = queue(scene)

    def die_later(checkpoint: object) -> None:
        if dying.asked == 2:
            raise Died

    dying = SquareEngine(die_later)
    run_and_die(scene, job_id, dying)
    counts = run(scene, job_id)
    assert counts == {"total": 3, "samples": 3, "changed": 3, "annotations": 3, "failed": 0}
    assert scene.engine.asked == 2


def test_a_device_that_is_short_of_memory_has_the_job_tried_again(scene: Scene) -> None:
    add(scene, scene.sample(), BOX)

    def fail(checkpoint: object) -> None:
        raise DeviceExhaustedError("full")

    job = scene.run(queue(scene), work(scene, SquareEngine(fail)))
    assert (job.state, job.attempts, job.run_after is not None) == (JobState.QUEUED, 1, True)


def test_images_that_end_the_process_twice_are_left_out(scene: Scene) -> None:
    """Two in a row, which together would use up all tries of a job."""
    for name in ("a poison.png", "another.png", "harmless.png"):
        add(scene, scene.sample(name=name), BOX)
    job_id = queue(scene)
    for _ in range(2):
        for _ in range(pre_label.MOST_DEATHS):
            run_and_die(scene, job_id, SquareEngine(die))
        assert scene.run(job_id, work(scene, SquareEngine(die))).state == JobState.QUEUED
    assert run(scene, job_id) == {"total": 3, "samples": 3, "changed": 1, "annotations": 1, "failed": 2}


def test_an_image_at_which_one_process_ended_is_tried_again(scene: Scene) -> None:
    add(scene, scene.sample(), BOX)
    job_id = queue(scene)
    run_and_die(scene, job_id, SquareEngine(die))
    assert run(scene, job_id)["changed"] == 1


def test_a_service_that_is_away_for_long_costs_no_image(scene: Scene) -> None:
    add(scene, scene.sample(), BOX)

    def fail(checkpoint: object) -> None:
        raise DeviceExhaustedError("full")

    job_id = queue(scene)
    for _ in range(pre_label.MOST_DEATHS + 1):
        assert scene.run(job_id, work(scene, SquareEngine(fail))).state == JobState.QUEUED
        with unit_of_work(scene.sessions) as session:
            jobs.get_job(session, job_id).run_after = None
    assert run(scene, job_id)["changed"] == 1


def test_what_fails_in_a_way_nobody_foresaw_costs_its_object_and_not_the_job(scene: Scene) -> None:
    for name in ("odd.png", "even.png"):
        add(scene, scene.sample(name=name), BOX)

    def fail_once(checkpoint: object) -> None:
        if odd.asked == 1:
            raise ValueError("a geometry that nobody has seen yet")

    odd = SquareEngine(fail_once)
    counts = run(scene, queue(scene), work(scene, odd))
    assert counts == {"total": 2, "samples": 2, "changed": 1, "annotations": 1, "failed": 1}


def test_of_two_jobs_at_one_imported_box_the_first_draws_it(scene: Scene) -> None:
    sample = scene.sample()
    key = import_box(scene, sample)
    first, second = queue(scene), queue(scene)

    def meanwhile(checkpoint: object) -> None:
        run(scene, second, work(scene, OtherEngine()))

    assert run(scene, first, work(scene, SquareEngine(meanwhile)))["annotations"] == 0
    assert current(scene, sample)[key].model_digest == OtherEngine.model_digest


def test_a_cancelled_job_stops_and_keeps_what_is_done(scene: Scene) -> None:
    for number in range(3):
        add(scene, scene.sample(name=f"{number}.png"), BOX)
    job_id = queue(scene)
    keeper = LeaseKeeper(scene.sessions, scene.lease_seconds, stage_seconds=60)

    def cancel(checkpoint: object) -> None:
        if engine.asked == 2:
            with unit_of_work(scene.sessions) as session:
                jobs.request_cancel(session, job_id)
            keeper._renew()

    engine = SquareEngine(cancel)
    scene.runner(keeper).run(work(scene, engine), job_id)
    job = scene.job(job_id)
    assert (job.state, job.progress and job.progress["samples"]) == (JobState.CANCELLED, 1)


# What people say to them


def test_confirmed_outlines_wait_no_more(scene: Scene) -> None:
    sample = scene.sample()
    [key] = add(scene, sample, BOX)
    run(scene, queue(scene))
    drawn = current(scene, sample)[key].contour
    assert review(scene, Verdict.CONFIRM) == {"samples": 1, "annotations": 1, "left": 0}
    row = current(scene, sample)[key]
    assert (row.unconfirmed, row.contour) == (False, drawn)


def test_a_rejected_outline_gives_way_to_the_one_before(scene: Scene) -> None:
    sample = scene.sample()
    [key] = add(scene, sample, BOX)
    run(scene, queue(scene))
    run(scene, queue(scene), work(scene, OtherEngine()))
    assert review(scene, Verdict.REJECT) == {"samples": 1, "annotations": 1, "left": 0}
    row = current(scene, sample)[key]
    assert row.contour["parts"][0]["outer"] == [list(vertex) for vertex in BOX]
    assert (row.unconfirmed, row.prompt, row.contour_id, row.method) == (False, None, None, "polygon")


def test_a_rejection_keeps_the_label_that_the_object_was_given_since(scene: Scene) -> None:
    sample = scene.sample()
    [key] = add(scene, sample, BOX)
    run(scene, queue(scene))
    with unit_of_work(scene.sessions) as session:
        dog, _ = labels.label_named(session, scene.dataset_id, "dog")
        locked = samples.get_sample(session, sample.id, lock=True)
        row = annotations.current_rows(session, sample.id)[key]
        content = annotations.content_of(row)
        annotations.change_annotation(
            session, locked, row, type(content)(**{**_fields(content), "label_id": dog.id}), LOCAL_USER_ID
        )
    assert current(scene, sample)[key].unconfirmed
    review(scene, Verdict.REJECT)
    assert current(scene, sample)[key].label_id == dog.id


def test_many_are_reviewed_in_slices(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(review_outlines, "SLICE", 2)
    for number in range(5):
        add(scene, scene.sample(name=f"{number}.png"), BOX, BY_HAND)
    run(scene, queue(scene))
    assert review(scene, Verdict.CONFIRM) == {"samples": 5, "annotations": 5, "left": 0}
    assert review(scene, Verdict.CONFIRM) == {"samples": 0, "annotations": 0, "left": 0}


def test_a_deleted_label_keeps_no_other_image_from_being_reviewed(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(review_outlines, "SLICE", 2)
    for number in range(5):
        add(scene, scene.sample(name=f"{number}.png"), BOX)
    without = scene.sample(name="without.png")
    import_box(scene, without)
    run(scene, queue(scene))
    with unit_of_work(scene.sessions) as session:
        dog, _ = labels.label_named(session, scene.dataset_id, "dog")
        session.get_one(Label, dog.id).deleted_at = datetime.now(UTC)
    assert review(scene, Verdict.CONFIRM) == {"samples": 5, "annotations": 5, "left": 1}
    assert all(row.unconfirmed for row in current(scene, without).values())


def _fields(content: object) -> dict[str, object]:
    return {name: getattr(content, name) for name in content.__dataclass_fields__}  # type: ignore[attr-defined]
