"""Filters, sorts, pages and counts of a version are those of the day it was published, whatever came after."""

import random
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update
from tests.integration.store.documents import Object, make_user, save_document
from tests.integration.store.publishing import publish
from tests.integration.store.test_sample_filters import (
    CONDITIONS,
    World,
    filters_of,
    make_world,
    one_or_two_of,
    ordered,
    paged,
)

from fourpoint_core.domain.filters import SORTS, SampleFilter
from fourpoint_core.ids import LOCAL_USER_ID, new_id
from fourpoint_core.store.models import Label, Sample, Version
from fourpoint_core.store.queries import sample_filters, samples, tallies, trash
from fourpoint_core.store.session import Sessions, unit_of_work


def change_everything(world: World, chance: random.Random) -> None:
    """Everything that can happen to samples behind a version's back."""
    stranger = make_user(world.sessions, "stranger").id
    for known in world.samples:
        fate = chance.randrange(6)
        if fate == 0:
            save_document(world.sessions, known.id, [Object(chance.choice(world.labels))], stranger)
        elif fate == 1:
            save_document(world.sessions, known.id, [], stranger)
        elif fate == 2:
            change(world, known.id, name="moved.png", object_key=f"away/{known.id}.png", digest="f" * 64)
        elif fate == 3:
            with unit_of_work(world.sessions) as session:
                trash.throw_away(session, one(known.id), new_id(), LOCAL_USER_ID, 1)
        elif fate == 4:
            with unit_of_work(world.sessions) as session:
                purged = trash.purge(session, one(known.id), 1, condemned_by=new_id())
                assert purged.pinned == (not known.missing)
    with unit_of_work(world.sessions) as session:
        session.execute(update(Label).values(name=Label.name + " renamed", colour="#000000"))


def one(sample_id: UUID) -> Any:
    from sqlalchemy import select

    return select(Sample.id).where(Sample.id == sample_id)


def change(world: World, sample_id: UUID, **facts: Any) -> None:
    with unit_of_work(world.sessions) as session:
        session.execute(update(Sample).where(Sample.id == sample_id).values(**facts))


@pytest.fixture
def chance() -> random.Random:
    return random.Random(11)


@pytest.fixture(params=["few match", "many match"])
def world(
    sessions: Sessions, request: pytest.FixtureRequest, chance: random.Random, monkeypatch: pytest.MonkeyPatch
) -> World:
    if request.param == "many match":
        monkeypatch.setattr(sample_filters, "FEW_NAMES", 1)
        monkeypatch.setattr(sample_filters, "FEW_PATHS", 1)
    return make_world(sessions, chance)


@pytest.fixture
def version(world: World, chance: random.Random) -> Version:
    """Published; then everything changed, and that was published as well."""
    made = publish(world.sessions, world.dataset.id)
    change_everything(world, chance)
    publish(world.sessions, world.dataset.id)
    return made


def test_pages_and_counts_of_a_version_are_what_the_model_said_then(world: World, version: Version) -> None:
    there = replace(world, samples=[known for known in world.samples if not known.missing])

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def check(data: st.DataObject) -> None:
        kept = data.draw(st.sets(st.sampled_from(CONDITIONS), max_size=4)) - {"at"}
        then = one_or_two_of(data.draw(filters_of(world)), {"label_match", *kept})
        wanted = replace(then, version=version.id)
        sort = data.draw(st.sampled_from(list(SORTS.values())))
        expected = ordered(there, then, sort)
        assert paged(world, wanted, sort, data.draw(st.integers(1, 9))) == expected
        with unit_of_work(world.sessions) as session:
            assert sample_filters.count_exactly(session, world.dataset.id, wanted) == len(expected)
            streamed = sample_filters.stream(session, world.dataset.id, wanted, sort, 7)
            assert [UUID(one.id) for batch in streamed for one in batch] == expected
            rows = set(session.scalars(sample_filters.matching_ids(world.dataset.id, wanted)))
            assert rows == set(expected)

    check()


def test_a_version_shows_the_facts_that_images_had(world: World, version: Version) -> None:
    with unit_of_work(world.sessions) as session:
        page = sample_filters.list_samples(
            session, world.dataset.id, SampleFilter(version=version.id), SORTS["name"], None, 100
        )
    shown = {UUID(one.id): (one.name, one.object_key, one.size_bytes) for one in page.rows}
    there = [known for known in world.samples if not known.missing]
    assert shown == {known.id: (known.name, known.key, known.size) for known in there}


def test_a_version_keeps_its_counts_and_what_its_labels_were_called(
    world: World, chance: random.Random
) -> None:
    def counts(version_id: UUID | None) -> Any:
        with unit_of_work(world.sessions) as session:
            labels = tallies.by_label(session, world.dataset.id, version_id)
            people = tallies.by_labeler(session, world.dataset.id, version_id)
            return (
                replace(tallies.sample_totals(session, world.dataset.id, version_id), missing=0),
                [(one.label.id, one.label.name, one.label.colour, one.count) for one in labels],
                [(one.user_id, one.images, one.objects) for one in people],
            )

    before = counts(None)
    version = publish(world.sessions, world.dataset.id)
    change_everything(world, chance)
    assert counts(None) != before
    assert counts(version.id) == before


def test_the_counters_hold_through_everything_that_happens(world: World, version: Version) -> None:
    with unit_of_work(world.sessions) as session:
        assert tallies.mend(session, world.dataset.id) == []


def test_what_is_left_of_a_deleted_image_is_no_sample_any_more(world: World, chance: random.Random) -> None:
    publish(world.sessions, world.dataset.id)
    gone = next(known for known in world.samples if not known.missing)
    with unit_of_work(world.sessions) as session:
        trash.purge(session, one(gone.id), 1, condemned_by=None)
        assert not samples.is_referred(session, gone.key)
        assert trash.list_trash(session, world.dataset.id, None, 10).rows == []
        thrown = trash.trashed(world.dataset.id, [gone.id])
        assert trash.take_back(session, world.dataset.id, thrown, 1).seen == 0
