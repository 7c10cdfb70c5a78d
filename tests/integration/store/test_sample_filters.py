"""Filters, sorts and pages against a plain Python model of the same semantics, over random documents."""

import random
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.factories import make_dataset, make_sample
from tests.integration.store.documents import Object, make_label, make_user, save_document

from fourpoint_core.domain.filters import SORTS, LabelMatch, SampleFilter, Sort, SortKey, Span, Status
from fourpoint_core.store.models import Dataset
from fourpoint_core.store.queries import sample_filters, tallies
from fourpoint_core.store.queries.sample_rows import Place
from fourpoint_core.store.session import Sessions, reading, unit_of_work

START = datetime(2026, 1, 1, tzinfo=UTC)
NOW = datetime.now(UTC)
SAMPLES = 40
FOLDERS = ("", "cats/", "cats/young/", "dogs%/", "dogs_/")
NAMES = ("Katze", "KATZE", "100%", "a_b", "axb", "Élan", "e\u0301lan", "élan", "猫", "x")


@dataclass
class Moment:
    """A document from a time on."""

    begins_at: datetime
    author: UUID
    objects: list[Object]


@dataclass
class Known:
    """All that a filter can ask of a sample."""

    id: UUID
    name: str
    key: str
    created_at: datetime
    size: int
    missing: bool = False
    changed: bool = False
    history: list[Moment] = field(default_factory=list)

    def at(self, time: datetime | None) -> Moment | None:
        past = [one for one in self.history if time is None or one.begins_at <= time]
        return past[-1] if past else None


@dataclass
class World:
    """A dataset and the model of it."""

    sessions: Sessions
    dataset: Dataset
    samples: list[Known]
    labels: list[UUID]
    people: list[UUID]


def make_world(sessions: Sessions, chance: random.Random) -> World:
    dataset = make_dataset(sessions, input_path="in/")
    labels = [make_label(sessions, dataset, f"label {i}", i).id for i in range(1, 5)]
    people = [make_user(sessions, f"person {i}").id for i in range(3)]
    world = World(sessions, dataset, [], labels, people)
    for number in range(SAMPLES):
        world.samples.append(_make_known(world, number, chance))
    other = make_dataset(sessions)
    for _ in range(3):
        make_sample(sessions, other, name="Katze", object_key=f"out/{_}-Katze")
    return world


def _make_known(world: World, number: int, chance: random.Random) -> Known:
    created_at = (
        NOW - timedelta(hours=chance.randrange(1, 60))
        if number % 4 == 0
        else START + timedelta(hours=chance.randrange(20))
    )
    name = f"{chance.choice(NAMES)}{chance.choice(['', str(number % 7)])}.png"
    key = f"in/{chance.choice(FOLDERS)}{number}-{name}"
    size = chance.choice([10, 20, 30])
    missing, changed = number % 5 == 0, number % 3 == 0
    row = make_sample(
        world.sessions,
        world.dataset,
        name=name,
        object_key=key,
        created_at=created_at,
        size_bytes=size,
        missing_since=NOW if missing else None,
        changed_at=NOW if changed else None,
    )
    known = Known(row.id, name, key, created_at, size, missing, changed)
    time = created_at
    for _ in range(chance.choice([0, 0, 1, 1, 2, 3])):
        time += timedelta(minutes=chance.randrange(1, 600))
        objects = [
            Object(
                chance.choice(world.labels),
                chance.random() < 0.3,
                chance.choice([{}, {"colour": "red"}, {"colour": "blue", "seen": True}]),
            )
            for _ in range(chance.choice([0, 1, 2, 3]))
        ]
        author = chance.choice(world.people)
        save_document(world.sessions, row.id, objects, author, time)
        known.history.append(Moment(time, author, objects))
    return known


def matches(known: Known, wanted: SampleFilter) -> bool:
    now = known.at(wanted.at)
    objects = now.objects if now else []
    present = {item.label_id for item in objects}
    labelers = {
        one.author for one in known.history if one.objects and (not wanted.at or one.begins_at <= wanted.at)
    }
    pairs = {
        (key, value if isinstance(value, str) else str(value).lower())
        for item in objects
        for key, value in item.attributes.items()
    }
    conditions = [
        (wanted.status is Status.MISSING) == known.missing,
        wanted.status in {Status.ALL, Status.MISSING} or (wanted.status is Status.LABELED) == bool(objects),
        wanted.changed is None or wanted.changed == known.changed,
        not wanted.label_ids
        or (
            set(wanted.label_ids) <= present
            if wanted.label_match is LabelMatch.ALL
            else bool(set(wanted.label_ids) & present)
        ),
        wanted.created_within is None or known.created_at >= NOW - timedelta(days=wanted.created_within.count),
        wanted.created_after is None or known.created_at >= wanted.created_after,
        wanted.created_before is None or known.created_at < wanted.created_before,
        wanted.name_contains is None or composed(wanted.name_contains.lower()) in composed(known.name.lower()),
        wanted.path_prefix is None or composed(known.key).startswith(composed(wanted.path_prefix)),
        not wanted.labeled_by or bool(now and objects and now.author in wanted.labeled_by),
        wanted.never_labeled is None or wanted.never_labeled == (not labelers),
        not labelers & set(wanted.not_labeled_by),
        wanted.difficult is None or wanted.difficult == any(item.difficult for item in objects),
        set(wanted.attributes) <= pairs,
        wanted.at is None or known.created_at <= wanted.at,
    ]
    return all(conditions)


def composed(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def ordered(world: World, wanted: SampleFilter, sort: Sort) -> list[UUID]:
    def count(known: Known) -> int:
        moment = known.at(wanted.at)
        return len(moment.objects) if moment else 0

    value: dict[SortKey, Callable[[Known], Any]] = {
        SortKey.CREATED_AT: lambda known: known.created_at,
        SortKey.NAME: lambda known: known.name,
        SortKey.SIZE: lambda known: known.size,
        SortKey.ANNOTATION_COUNT: count,
    }
    found = [known for known in world.samples if matches(known, wanted)]
    key = value[sort.key]
    found.sort(key=lambda known: (key(known), known.id), reverse=sort.descending)
    return [known.id for known in found]


def filters_of(world: World) -> st.SearchStrategy[SampleFilter]:
    some = st.lists(st.sampled_from(world.people), max_size=2, unique=True).map(tuple)
    times = st.integers(0, 40).map(lambda hours: START + timedelta(hours=hours))
    maybe = st.none() | st.booleans()
    fragments = [
        "k",
        "AT",
        "%",
        "_",
        "100%",
        "a_b",
        "é",
        "e\u0301",
        "ÉLA",
        "猫",
        "katze",
        "atze1.pn",
        "zzz",
        ".PNG",
    ]
    prefixes = ["in/", "in/cats/", "in/dogs%/", "in/dogs_", "in/1", "out/"]
    return st.builds(
        SampleFilter,
        status=st.sampled_from(Status),
        label_ids=st.lists(st.sampled_from(world.labels), max_size=2, unique=True).map(tuple),
        label_match=st.sampled_from(LabelMatch),
        created_within=st.none() | st.just(Span(30, "d")),
        created_after=st.none() | times,
        created_before=st.none() | times,
        name_contains=st.none() | st.sampled_from(fragments),
        path_prefix=st.none() | st.sampled_from(prefixes),
        labeled_by=some,
        never_labeled=maybe,
        not_labeled_by=some,
        difficult=maybe,
        attributes=st.sampled_from([(), (("colour", "red"),), (("colour", "blue"), ("seen", "true"))]),
        changed=maybe,
        at=st.none() | times,
    )


def one_or_two_of(wanted: SampleFilter, kept: set[str]) -> SampleFilter:
    """Some of the conditions: all at once match nothing, and show nothing."""
    plain = SampleFilter()
    return replace(
        wanted,
        **{name: getattr(plain, name) for name in SampleFilter.__dataclass_fields__ if name not in kept},
    )


@pytest.fixture(params=["few match", "many match"])
def world(sessions: Sessions, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> World:
    if request.param == "many match":
        monkeypatch.setattr(sample_filters, "FEW_NAMES", 1)
        monkeypatch.setattr(sample_filters, "FEW_PATHS", 1)
    return make_world(sessions, random.Random(request.param))


CONDITIONS = sorted(SampleFilter.__dataclass_fields__)


def test_pages_counts_and_neighbours_are_what_the_model_says(world: World) -> None:
    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def check(data: st.DataObject) -> None:
        kept = data.draw(st.sets(st.sampled_from(CONDITIONS), max_size=4))
        wanted = one_or_two_of(data.draw(filters_of(world)), {"label_match", *kept})
        sort = data.draw(st.sampled_from(list(SORTS.values())))
        expected = ordered(world, wanted, sort)
        assert paged(world, wanted, sort, data.draw(st.integers(1, 9))) == expected
        with unit_of_work(world.sessions) as session:
            assert sample_filters.count_exactly(session, world.dataset.id, wanted) == len(expected)
            assert sample_filters.estimate_count(session, world.dataset.id, wanted) >= 0
        if expected:
            place = data.draw(st.integers(0, len(expected) - 1))
            around = [None, *expected, None]
            assert neighbours(world, wanted, sort, expected[place]) == (around[place], around[place + 2])

    check()


def paged(world: World, wanted: SampleFilter, sort: Sort, limit: int) -> list[UUID]:
    seen: list[UUID] = []
    after: Place | None = None
    with unit_of_work(world.sessions) as session:
        while True:
            page = sample_filters.list_samples(session, world.dataset.id, wanted, sort, after, limit)
            for row in page.rows:
                now = next(k for k in world.samples if str(k.id) == row.id).at(wanted.at)
                assert row.annotation_count == (len(now.objects) if now else 0)
                assert row.labeled_by == (str(now.author) if now and now.objects else None)
            seen += [UUID(row.id) for row in page.rows]
            after = page.next
            if after is None:
                return seen


def neighbours(world: World, wanted: SampleFilter, sort: Sort, sample_id: UUID) -> tuple[Any, Any]:
    with reading(world.sessions) as session:
        return sample_filters.neighbours(session, sample_id, wanted, sort)


def test_the_counters_say_what_the_rows_say(world: World) -> None:
    with unit_of_work(world.sessions) as session:
        assert tallies.mend(session, world.dataset.id) == []
        tallies.fold(session)
        assert tallies.mend(session, world.dataset.id) == []
