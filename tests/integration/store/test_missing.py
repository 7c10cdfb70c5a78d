"""Images whose files are gone: in a tab of their own, and nowhere else; and back as they were."""

from uuid import UUID

import pytest
from sqlalchemy import func, select, text, update
from tests.factories import SQUARE, make_dataset, make_sample

from fourpoint_core.domain.annotations import NewAnnotation
from fourpoint_core.domain.filters import SORTS, SampleFilter, Status
from fourpoint_core.ids import LOCAL_USER_ID, new_id
from fourpoint_core.store.models import Dataset, Sample, SamplePath
from fourpoint_core.store.queries import annotations, labels, sample_filters, samples, tallies
from fourpoint_core.store.session import Sessions, unit_of_work


@pytest.fixture
def dataset(sessions: Sessions) -> Dataset:
    return make_dataset(sessions)


def make_labeled(sessions: Sessions, dataset: Dataset) -> Sample:
    sample = make_sample(sessions, dataset)
    with unit_of_work(sessions) as session:
        row = samples.get_sample(session, sample.id, lock=True)
        label, _ = labels.label_named(session, dataset.id, "cat")
        annotations.add_annotation(session, row, NewAnnotation(new_id(), label.id, SQUARE), LOCAL_USER_ID)
    return sample


def set_missing(sessions: Sessions, sample: Sample, *, missing: bool = True) -> None:
    with unit_of_work(sessions) as session:
        since = func.clock_timestamp() if missing else None
        session.execute(update(Sample).where(Sample.id == sample.id).values(missing_since=since))


def ids_of(sessions: Sessions, dataset: Dataset, **conditions: object) -> set[UUID]:
    wanted = SampleFilter(**conditions)  # type: ignore[arg-type]
    with unit_of_work(sessions) as session:
        page = sample_filters.list_samples(session, dataset.id, wanted, SORTS["created_at"], None, 10)
    return {UUID(row.id) for row in page.rows}


def counters(sessions: Sessions, dataset: Dataset) -> tuple[tallies.SampleTotals, list[tallies.Count]]:
    with unit_of_work(sessions) as session:
        return (
            tallies.sample_totals(session, dataset.id),
            [one.count for one in tallies.by_label(session, dataset.id)],
        )


def test_what_is_missing_is_in_its_own_tab_only(sessions: Sessions, dataset: Dataset) -> None:
    here, gone = make_labeled(sessions, dataset), make_labeled(sessions, dataset)
    set_missing(sessions, gone)
    assert ids_of(sessions, dataset) == ids_of(sessions, dataset, status=Status.LABELED) == {here.id}
    assert ids_of(sessions, dataset, status=Status.MISSING) == {gone.id}


def test_what_is_missing_is_in_no_total_but_its_own(sessions: Sessions, dataset: Dataset) -> None:
    make_labeled(sessions, dataset)
    set_missing(sessions, make_labeled(sessions, dataset))
    assert counters(sessions, dataset) == (tallies.SampleTotals(1, 1, 1), [tallies.Count(1, 1)])


def test_what_comes_back_is_counted_as_it_was(sessions: Sessions, dataset: Dataset) -> None:
    sample = make_labeled(sessions, dataset)
    before = counters(sessions, dataset)
    set_missing(sessions, sample)
    set_missing(sessions, sample, missing=False)
    assert counters(sessions, dataset) == before
    assert ids_of(sessions, dataset, label_ids=_label_ids(sessions, dataset)) == {sample.id}


def test_the_counters_say_what_the_rows_say(sessions: Sessions, dataset: Dataset) -> None:
    for missing in (True, False):
        set_missing(sessions, make_labeled(sessions, dataset), missing=missing)
    make_sample(sessions, dataset, missing_since=text("clock_timestamp()"))
    with unit_of_work(sessions) as session:
        gone = select(Sample.id).where(Sample.missing_since.is_not(None)).limit(1)
        session.execute(update(Sample).where(Sample.id == gone.scalar_subquery()).values(trashed_at=func.now()))
        assert tallies.mend(session, dataset.id) == []
        assert tallies.settle_again(session, dataset.id, UUID(int=0), 10)[1] == 0


def test_a_sample_that_is_missing_can_be_read_and_saved(sessions: Sessions, dataset: Dataset) -> None:
    sample = make_labeled(sessions, dataset)
    set_missing(sessions, sample)
    with unit_of_work(sessions) as session:
        row = samples.get_sample(session, sample.id, lock=True)
        label, _ = labels.label_named(session, dataset.id, "cat")
        annotations.add_annotation(session, row, NewAnnotation(new_id(), label.id, SQUARE), LOCAL_USER_ID)
        assert tallies.mend(session, dataset.id) == []


def test_a_sample_that_is_renamed_is_found_under_its_new_name(sessions: Sessions, dataset: Dataset) -> None:
    sample = make_sample(sessions, dataset, name="old.png")
    with unit_of_work(sessions) as session:
        values = {"name": "new.png", "object_key": f"{dataset.input_path}deep/new.png"}
        session.execute(update(Sample).where(Sample.id == sample.id).values(**values))
        path = session.get_one(SamplePath, sample.id)
        assert (path.folded_name, path.directory) == ("new.png", f"{dataset.input_path}deep/")
    assert ids_of(sessions, dataset, name_contains="NEW") == {sample.id}
    assert ids_of(sessions, dataset, name_contains="old") == set()


def test_what_was_changed_in_the_bucket_is_found(sessions: Sessions, dataset: Dataset) -> None:
    changed = make_sample(sessions, dataset, changed_at=text("clock_timestamp()"))
    plain = make_sample(sessions, dataset)
    assert ids_of(sessions, dataset, changed=True) == {changed.id}
    assert ids_of(sessions, dataset, changed=False) == {plain.id}


def _label_ids(sessions: Sessions, dataset: Dataset) -> tuple[UUID, ...]:
    with unit_of_work(sessions) as session:
        return tuple(one.label.id for one in tallies.by_label(session, dataset.id))
