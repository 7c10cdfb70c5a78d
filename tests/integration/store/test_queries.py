"""Pages, revisions and promises, asked of a real database."""

import threading
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from tests.factories import SQUARE, make_dataset, make_sample

from fourpoint_core.domain.annotations import NewAnnotation
from fourpoint_core.errors import IdTakenError, NameTakenError, NotFoundError
from fourpoint_core.ids import LOCAL_USER_ID, new_id
from fourpoint_core.store.models import Annotation, Dataset, Revision, Sample
from fourpoint_core.store.queries import annotations, datasets, drafts, labels, samples, trash
from fourpoint_core.store.session import Sessions, unit_of_work

NOBODY = UUID("01930000-0000-7000-8000-00000000dead")


@pytest.fixture
def dataset(sessions: Sessions) -> Dataset:
    """An empty dataset."""
    return make_dataset(sessions)


@pytest.fixture
def sample(sessions: Sessions, dataset: Dataset) -> Sample:
    """An image without annotations."""
    return make_sample(sessions, dataset)


def annotate(session: Session, sample: Sample, name: str = "cat") -> UUID:
    locked = samples.get_sample(session, sample.id, lock=True)
    label, _ = labels.label_named(session, sample.dataset_id, name)
    new = NewAnnotation(new_id(), label.id, SQUARE)
    annotations.add_annotation(session, locked, new, LOCAL_USER_ID)
    return new.id


# Datasets


def test_a_name_is_taken_among_the_living_only(sessions: Sessions) -> None:
    first = make_dataset(sessions, "Cats")
    with pytest.raises(NameTakenError):
        make_dataset(sessions, "Cats")
    with unit_of_work(sessions) as session:
        datasets.mark_deleted(session, first)
    make_dataset(sessions, "Cats")


def test_nothing_of_a_deleted_dataset_is_found(sessions: Sessions, dataset: Dataset, sample: Sample) -> None:
    with unit_of_work(sessions) as session:
        datasets.mark_deleted(session, dataset)
    with unit_of_work(sessions) as session:
        for read in (
            lambda: datasets.get_dataset(session, dataset.id),
            lambda: samples.get_sample(session, sample.id),
            lambda: samples.get_sample(session, sample.id, lock=True),
        ):
            with pytest.raises(NotFoundError):
                read()


def test_purging_a_dataset_leaves_no_row_of_it(sessions: Sessions, dataset: Dataset) -> None:
    kept = make_sample(sessions, make_dataset(sessions))
    with unit_of_work(sessions) as session:
        for _ in range(3):
            annotate(session, make_sample(sessions, dataset))
    with unit_of_work(sessions) as session:
        while trash.purge(session, trash.all_of(dataset.id), 2, condemned_by=None, with_dataset=True).samples:
            pass
        datasets.purge_rest(session, dataset.id)
    with unit_of_work(sessions) as session:
        assert session.scalars(select(Sample.id)).all() == [kept.id]
        assert session.scalar(select(func.count()).select_from(Annotation)) == 0
        assert session.get(Dataset, dataset.id) is None


def test_an_object_that_another_dataset_needs_is_not_condemned(sessions: Sessions, dataset: Dataset) -> None:
    mine, shared = make_sample(sessions, dataset), make_sample(sessions, dataset)
    make_sample(sessions, make_dataset(sessions), object_key=shared.object_key)
    with unit_of_work(sessions) as session:
        purged = trash.purge(session, trash.all_of(dataset.id), 10, condemned_by=new_id())
    assert purged.condemned_keys == [mine.object_key]


# Revisions


def revisions(sessions: Sessions, sample: Sample) -> list[tuple[int, str]]:
    with unit_of_work(sessions) as session:
        rows = session.execute(
            select(Revision.number, Revision.action)
            .where(Revision.sample_id == sample.id)
            .order_by(Revision.number)
        )
        return [(number, action) for number, action in rows]


def test_every_save_is_a_revision(sessions: Sessions, sample: Sample) -> None:
    with unit_of_work(sessions) as session:
        first = annotate(session, sample)
    with unit_of_work(sessions) as session:
        annotate(session, sample)
    with unit_of_work(sessions) as session:
        locked = samples.get_sample(session, sample.id, lock=True)
        annotations.remove_annotation(session, locked, first, LOCAL_USER_ID)
    assert revisions(sessions, sample) == [(1, "add"), (2, "add"), (3, "delete")]


def test_any_revision_can_still_be_read(sessions: Sessions, sample: Sample) -> None:
    with unit_of_work(sessions) as session:
        first, second = annotate(session, sample), annotate(session, sample)
        locked = samples.get_sample(session, sample.id, lock=True)
        annotations.remove_annotation(session, locked, first, LOCAL_USER_ID)

    def at(number: int) -> set[UUID]:
        with unit_of_work(sessions) as session:
            valid = (Annotation.valid_from <= number) & (
                Annotation.valid_to.is_(None) | (Annotation.valid_to > number)
            )
            return set(session.scalars(select(Annotation.annotation_id).where(valid)))

    assert [at(number) for number in range(4)] == [set(), {first}, {first, second}, {second}]


def test_two_who_save_at_once_get_revisions_of_their_own(sessions: Sessions, sample: Sample) -> None:
    def save() -> None:
        with unit_of_work(sessions) as session:
            annotate(session, sample)

    writers = [threading.Thread(target=save) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [number for number, _ in revisions(sessions, sample)] == [1, 2, 3, 4]


def test_a_save_that_fails_leaves_no_revision(sessions: Sessions, sample: Sample) -> None:
    with pytest.raises(ZeroDivisionError), unit_of_work(sessions) as session:
        annotate(session, sample)
        raise ZeroDivisionError
    assert revisions(sessions, sample) == []


def test_an_id_is_not_used_for_two_objects(sessions: Sessions, sample: Sample) -> None:
    with unit_of_work(sessions) as session:
        taken = annotate(session, sample)
        label, _ = labels.label_named(session, sample.dataset_id, "dog")
        locked = samples.get_sample(session, sample.id, lock=True)
        with pytest.raises(IdTakenError):
            annotations.add_annotation(session, locked, NewAnnotation(taken, label.id, SQUARE), LOCAL_USER_ID)


def test_a_rename_of_a_label_shows_at_once(sessions: Sessions, sample: Sample) -> None:
    with unit_of_work(sessions) as session:
        annotate(session, sample, "cat")
        label = labels.find_label(session, sample.dataset_id, "cat")
        assert label is not None
        label.name = "feline"
    with unit_of_work(sessions) as session:
        (found,) = annotations.current_annotations(session, sample.id)
    assert found.label.name == "feline"


def test_a_draft_keeps_the_last_of_each_object(sessions: Sessions, sample: Sample) -> None:
    with unit_of_work(sessions) as session:
        for entry in ({"id": "1", "v": 1}, {"id": "2", "v": 1}, {"id": "1", "v": 2}):
            drafts.add_to_draft(session, sample, LOCAL_USER_ID, entry)
    with unit_of_work(sessions) as session:
        draft = drafts.get_draft(session, sample.id, LOCAL_USER_ID)
    assert draft is not None
    assert draft.annotations == [{"id": "2", "v": 1}, {"id": "1", "v": 2}]


def test_what_is_unknown_is_not_found(sessions: Sessions, dataset: Dataset, sample: Sample) -> None:
    with unit_of_work(sessions) as session:
        for read in (
            lambda: datasets.get_dataset(session, NOBODY),
            lambda: labels.get_label(session, dataset.id, NOBODY),
            lambda: samples.get_sample(session, NOBODY),
            lambda: samples.get_sample(session, NOBODY, share=True),
            lambda: annotations.get_contour(session, sample.id, NOBODY),
            lambda: annotations.current_annotation(session, sample.id, NOBODY),
            lambda: annotations.remove_annotation(session, sample, NOBODY, LOCAL_USER_ID),
        ):
            with pytest.raises(NotFoundError):
                read()
        assert drafts.get_draft(session, sample.id, NOBODY) is None


# Promises


def test_a_key_is_promised_once(sessions: Sessions) -> None:
    with unit_of_work(sessions) as session:
        assert samples.reserve_key(session, new_id(), "a/b.png")
        assert not samples.reserve_key(session, new_id(), "a/b.png")


def test_a_key_that_a_sample_has_is_not_promised(sessions: Sessions, sample: Sample) -> None:
    with unit_of_work(sessions) as session:
        assert not samples.reserve_key(session, new_id(), sample.object_key)


def test_a_key_is_not_promised_while_it_becomes_a_samples(
    sessions: Sessions, dataset: Dataset, sample: Sample
) -> None:
    """Somebody redeems the promise of the key, and adds the sample, while we ask for it."""
    key, theirs = "a/b.png", new_id()
    with unit_of_work(sessions) as session:
        samples.reserve_key(session, theirs, key)
    got: list[bool] = []

    def ask() -> None:
        with unit_of_work(sessions) as session:
            got.append(samples.reserve_key(session, new_id(), key))

    with unit_of_work(sessions) as session:
        samples.redeem_keys(session, theirs)
        asking = threading.Thread(target=ask)
        asking.start()
        asking.join(0.3)
        session.get_one(Sample, sample.id).object_key = key
    asking.join()
    assert got == [False]
    with unit_of_work(sessions) as session:
        assert samples.abandoned_key(session, timedelta(0)) is None


def test_promises_are_redeemed_by_those_who_hold_them(sessions: Sessions) -> None:
    mine, theirs = new_id(), new_id()
    with unit_of_work(sessions) as session:
        samples.reserve_key(session, mine, "a")
        samples.reserve_key(session, theirs, "b")
        assert samples.redeem_keys(session, mine) == {"a"}
        assert samples.redeem_keys(session, mine) == set()
        assert samples.promised_keys(session, theirs) == ["b"]


def test_a_fresh_promise_is_not_abandoned(sessions: Sessions) -> None:
    with unit_of_work(sessions) as session:
        samples.reserve_key(session, new_id(), "a")
    with unit_of_work(sessions) as session:
        assert samples.abandoned_key(session, timedelta(hours=1)) is None
        assert samples.abandoned_key(session, timedelta(0)) == "a"


def test_two_sweeps_do_not_take_the_same_promise(sessions: Sessions) -> None:
    with unit_of_work(sessions) as session:
        samples.reserve_key(session, new_id(), "a")
    with unit_of_work(sessions) as one, unit_of_work(sessions) as other:
        assert samples.abandoned_key(one, timedelta(0)) == "a"
        assert samples.abandoned_key(other, timedelta(0)) is None
