"""Counts: exact, of this moment, and nobody who saves waits for them."""

import random
import threading
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient
from sqlalchemy import delete, text, update
from sqlalchemy.orm import Session
from tests.factories import make_dataset, make_sample
from tests.integration.store.documents import Object, make_label, make_user, save_document, save_in

from fourpoint_core.ids import LOCAL_USER_ID
from fourpoint_core.store.models import Dataset, Label, Sample, SampleLabel, Tally, TallyDelta, User
from fourpoint_core.store.queries import datasets, tallies
from fourpoint_core.store.queries.trash import all_of, purge
from fourpoint_core.store.session import Sessions, unit_of_work
from fourpoint_standalone.cli import main


@pytest.fixture
def cat(sessions: Sessions, dataset: Dataset) -> Label:
    return make_label(sessions, dataset, "cat", 1)


@pytest.fixture
def dog(sessions: Sessions, dataset: Dataset) -> Label:
    return make_label(sessions, dataset, "dog", 2)


@pytest.fixture
def ann(sessions: Sessions) -> User:
    return make_user(sessions, "Ann")


def stats(client: FlaskClient, dataset: Dataset, query: str = "") -> dict[str, Any]:
    answer = client.get(f"/v1/datasets/{dataset.id}/stats{query}")
    assert answer.status_code == 200, answer.json
    return answer.json


def labels(found: dict[str, Any]) -> dict[str, tuple[int, int]]:
    return {one["label"]["name"]: (one["images"], one["objects"]) for one in found["labels"]}


def test_an_empty_dataset_counts_nothing(client: FlaskClient, dataset: Dataset) -> None:
    nothing = {"total": 0, "labeled": 0, "unlabeled": 0, "missing": 0, "progress_percent": 0}
    assert stats(client, dataset) == {"samples": nothing, "labels": [], "labelers": [], "days": []}


@pytest.mark.parametrize(("labeled", "total", "percent"), [(1, 8, 12), (5, 31, 16), (2, 3, 66), (3, 3, 100)])
def test_progress_is_rounded_down(
    client: FlaskClient, sessions: Sessions, dataset: Dataset, labeled: int, total: int, percent: int
) -> None:
    for number in range(total):
        make_sample(sessions, dataset, annotation_count=int(number < labeled))
    assert client.get(f"/v1/datasets/{dataset.id}").json["samples"]["progress_percent"] == percent


def test_images_and_objects_are_counted_per_label(
    client: FlaskClient, sessions: Sessions, dataset: Dataset, cat: Label, dog: Label, sample: Sample
) -> None:
    save_document(sessions, sample.id, [Object(cat.id), Object(cat.id), Object(dog.id)])
    assert labels(stats(client, dataset)) == {"cat": (1, 2), "dog": (1, 1)}
    save_document(sessions, sample.id, [Object(cat.id)])
    assert labels(stats(client, dataset)) == {"cat": (1, 1), "dog": (0, 0)}


def test_the_last_object_takes_the_image_out_of_the_counts(
    client: FlaskClient, sessions: Sessions, dataset: Dataset, cat: Label, sample: Sample
) -> None:
    save_document(sessions, sample.id, [Object(cat.id)])
    save_document(sessions, sample.id, [])
    found = stats(client, dataset)
    assert (found["samples"]["labeled"], found["labelers"], found["days"]) == (0, [], [])
    assert labels(found) == {"cat": (0, 0)}


def test_an_image_counts_for_who_saved_it_last(
    client: FlaskClient, sessions: Sessions, dataset: Dataset, cat: Label, sample: Sample, ann: User
) -> None:
    save_document(sessions, sample.id, [Object(cat.id)])
    save_document(sessions, sample.id, [Object(cat.id), Object(cat.id)], ann.id)
    found = [(one["name"], one["images"], one["objects"]) for one in stats(client, dataset)["labelers"]]
    assert found == [("Ann", 1, 2)]


def test_work_is_counted_by_the_day_of_the_save(
    client: FlaskClient, sessions: Sessions, dataset: Dataset, cat: Label, ann: User
) -> None:
    for day, author in ((1, ann.id), (1, ann.id), (2, LOCAL_USER_ID), (5, ann.id)):
        at = datetime(2026, 3, day, 23, 59, 59, tzinfo=UTC)
        save_document(sessions, make_sample(sessions, dataset).id, [Object(cat.id)], author, at)
    found = stats(client, dataset, "?first_day=2026-03-01&last_day=2026-03-04")["days"]
    assert [(one["day"], one["name"], one["images"]) for one in found] == [
        ("2026-03-01", "Ann", 2),
        ("2026-03-02", "local", 1),
    ]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("first_day=2026-03-02&last_day=2026-03-01", "?first_day"),
        ("first_day=0001-01-01&last_day=9999-12-31", "?first_day"),
        ("last_day=soon", "?last_day"),
        ("day=2026-03-01", "?day"),
    ],
)
def test_bad_days_are_pointed_at(client: FlaskClient, dataset: Dataset, query: str, pointer: str) -> None:
    answer = client.get(f"/v1/datasets/{dataset.id}/stats?{query}")
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, pointer)


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
def test_the_first_and_the_last_day_are_days(client: FlaskClient, dataset: Dataset, day: str) -> None:
    assert stats(client, dataset, f"?last_day={day}&first_day={day}")["days"] == []
    assert client.get(f"/v1/datasets/{dataset.id}/stats?last_day={day}").status_code in {200, 422}


def test_the_stats_of_an_unknown_dataset_are_not_found(client: FlaskClient, unknown_id: UUID) -> None:
    assert client.get(f"/v1/datasets/{unknown_id}/stats").json["code"] == "not_found"


def test_saving_through_the_api_is_counted(client: FlaskClient, dataset: Dataset, sample: Sample) -> None:
    contour = {"parts": [{"outer": [[20, 10], [80, 10], [80, 70]]}]}
    body = {"contour": contour, "label": "cat"}
    made = client.post(f"/v1/samples/{sample.id}/annotations", json=body)
    assert labels(stats(client, dataset)) == {"cat": (1, 1)}
    client.delete(f"/v1/samples/{sample.id}/annotations/{made.json['id']}")
    assert labels(stats(client, dataset)) == {"cat": (0, 0)}


# Trash and removal


def test_what_lies_in_the_trash_is_not_counted(
    client: FlaskClient, sessions: Sessions, dataset: Dataset, cat: Label, sample: Sample
) -> None:
    save_document(sessions, sample.id, [Object(cat.id)])
    before = stats(client, dataset)
    trash(sessions, sample, datetime.now(UTC))
    found = stats(client, dataset)
    assert (found["samples"]["total"], labels(found), found["labelers"]) == (0, {"cat": (0, 0)}, [])
    trash(sessions, sample, None)
    assert stats(client, dataset) == before


@pytest.mark.parametrize("is_trashed", [True, False])
def test_what_is_removed_is_not_counted(
    client: FlaskClient, sessions: Sessions, dataset: Dataset, cat: Label, is_trashed: bool
) -> None:
    sample = make_sample(sessions, dataset)
    save_document(sessions, sample.id, [Object(cat.id)])
    if is_trashed:
        trash(sessions, sample, datetime.now(UTC))
    with unit_of_work(sessions) as session:
        for table in ("annotations", "revisions"):
            session.execute(text(f"DELETE FROM {table}"))
        session.execute(delete(Sample))
    assert (stats(client, dataset)["samples"]["total"], labels(stats(client, dataset))) == (0, {"cat": (0, 0)})
    with unit_of_work(sessions) as session:
        assert tallies.mend(session, dataset.id) == []


def trash(sessions: Sessions, sample: Sample, time: datetime | None) -> None:
    with unit_of_work(sessions) as session:
        session.execute(update(Sample).where(Sample.id == sample.id).values(trashed_at=time))


# Many at once


def test_two_who_save_do_not_wait_for_each_other(sessions: Sessions, dataset: Dataset, cat: Label) -> None:
    one, two = (make_sample(sessions, dataset) for _ in range(2))
    with sessions() as first, sessions() as second:
        for session, sample in ((first, one), (second, two)):
            session.execute(text("SET LOCAL lock_timeout = '1ms'"))
            # The first has saved and not committed: with a counter in common the second would fail here.
            save_in(session, sample.id, [Object(cat.id)])
        second.commit()
        first.commit()
    with unit_of_work(sessions) as session:
        assert tallies.sample_totals(session, dataset.id).labeled == 2


def test_who_folds_and_who_saves_do_not_wait_for_each_other(
    sessions: Sessions, dataset: Dataset, cat: Label
) -> None:
    one, two = (make_sample(sessions, dataset) for _ in range(2))
    save_document(sessions, one.id, [Object(cat.id)])
    with sessions() as folding, sessions() as saving:
        for session in (folding, saving):
            session.execute(text("SET LOCAL lock_timeout = '1ms'"))
        assert tallies.fold(folding) > 0
        save_in(saving, two.id, [Object(cat.id)])
        saving.commit()
        folding.commit()
    with unit_of_work(sessions) as session:
        assert tallies.sample_totals(session, dataset.id) == tallies.SampleTotals(2, 2)


def test_a_save_that_is_undone_is_not_counted(sessions: Sessions, dataset: Dataset, cat: Label) -> None:
    sample = make_sample(sessions, dataset)
    with sessions() as session:
        save_in(session, sample.id, [Object(cat.id)])
        session.rollback()
    with unit_of_work(sessions) as session:
        assert tallies.sample_totals(session, dataset.id) == tallies.SampleTotals(1, 0)


def test_counts_are_right_after_many_have_saved_folded_and_removed_at_once(
    sessions: Sessions, dataset: Dataset, cat: Label, dog: Label, ann: User
) -> None:
    made = [make_sample(sessions, dataset).id for _ in range(6)]

    def work(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(15):
            objects = [Object(chance.choice([cat.id, dog.id])) for _ in range(chance.randrange(3))]
            save_document(sessions, chance.choice(made), objects, chance.choice([ann.id, LOCAL_USER_ID]))
            if seed == 0:
                with unit_of_work(sessions) as session:
                    tallies.fold(session)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with unit_of_work(sessions) as session:
        assert tallies.mend(session, dataset.id) == []
        assert tallies.sample_totals(session, dataset.id).total == 6


def test_folding_leaves_counts_as_they_are(
    client: FlaskClient, sessions: Sessions, dataset: Dataset, cat: Label, sample: Sample
) -> None:
    save_document(sessions, sample.id, [Object(cat.id)])
    before = stats(client, dataset)
    with unit_of_work(sessions) as session:
        tallies.fold(session)
        assert session.query(TallyDelta).count() == 0
    assert stats(client, dataset) == before


# Repair


def run_recount(sessions: Sessions, *arguments: str) -> str:
    url = sessions.kw["bind"].url.render_as_string(hide_password=False)
    result = CliRunner().invoke(main, ["recount", *arguments], env={"FOURPOINT_DATABASE_URL": url})
    assert result.exit_code == 0, result.output
    return result.output


def test_what_is_right_stays(sessions: Sessions, dataset: Dataset, cat: Label, sample: Sample) -> None:
    save_document(sessions, sample.id, [Object(cat.id)])
    assert run_recount(sessions) == "Every count was right.\n"


def spoil_counter(session: Session) -> None:
    tallies.fold(session)
    session.execute(update(Tally).where(Tally.kind == "label").values(images=7))


def spoil_labels(session: Session) -> None:
    session.execute(delete(SampleLabel))


def spoil_extra(session: Session) -> None:
    session.execute(text("INSERT INTO sample_labels SELECT id, gen_random_uuid(), created_at, 1 FROM samples"))


@pytest.mark.parametrize("spoil", [spoil_counter, spoil_labels, spoil_extra])
def test_what_is_wrong_is_said_and_corrected(
    client: FlaskClient, sessions: Sessions, dataset: Dataset, cat: Label, sample: Sample, spoil: Any
) -> None:
    save_document(sessions, sample.id, [Object(cat.id)])
    before = stats(client, dataset)
    with unit_of_work(sessions) as session:
        spoil(session)
    said = run_recount(sessions, "--dataset", str(dataset.id))
    assert str(dataset.id) in said
    assert stats(client, dataset) == before
    assert run_recount(sessions) == "Every count was right.\n"
    listed = client.get(f"/v1/datasets/{dataset.id}/samples?label_id={cat.id}").json["items"]
    assert [item["id"] for item in listed] == [str(sample.id)]


def test_a_removed_dataset_leaves_no_counters(sessions: Sessions) -> None:

    dataset = make_dataset(sessions)
    make_sample(sessions, dataset)
    with unit_of_work(sessions) as session:
        purge(session, all_of(dataset.id), 10, condemned_by=None)
        datasets.purge_rest(session, dataset.id)
        assert session.query(Tally).count() + session.query(TallyDelta).count() == 0


def test_a_day_is_a_day_in_utc(client: FlaskClient, sessions: Sessions, dataset: Dataset, cat: Label) -> None:
    at = datetime.fromisoformat("2026-03-01T23:30:00-01:00")
    save_document(sessions, make_sample(sessions, dataset).id, [Object(cat.id)], at=at)
    found = stats(client, dataset, "?first_day=2026-03-01&last_day=2026-03-02")["days"]
    assert [one["day"] for one in found] == ["2026-03-02"]
