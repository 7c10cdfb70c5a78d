"""How long publishing takes, what it writes, and what reading a version costs beside the working state.

Seeds one dataset by COPY into a PostgreSQL of its own (fsync on) and publishes it: at first, unchanged, and
after one image in a hundred was labeled anew. Then the same pages and counts are asked of the working state
and of the first version, in turn, by the queries that the API uses.

Usage: python benchmarks/versions.py [--samples 1000000] [--requests 20] [--keep DIRECTORY] [--json]
"""

import sys
from pathlib import Path

# Python looks beside the script first, where `click.py` would hide the library of that name.
sys.path[0] = str(Path(__file__).resolve().parents[1])

# ruff: noqa: E402
import argparse
import json
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from statistics import median
from typing import Any
from uuid import UUID

from benchmarks.support.many_samples import Seeded, seeded
from benchmarks.support.servers import database
from rich.console import Console
from rich.table import Table
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from fourpoint_core.domain.filters import SORTS, SampleFilter, Status
from fourpoint_core.ids import LOCAL_USER_ID, new_id
from fourpoint_core.store.queries import sample_filters, tallies, version_comparison, versions
from fourpoint_core.store.queries.version_comparison import Sides
from fourpoint_core.store.session import Session, Sessions, sessions_for, unit_of_work, with_driver

# As a save writes it, and all saves at once: the revision, and last the sample with its number.
_LABEL_ANEW = (
    """
    CREATE TEMPORARY TABLE anew AS
    SELECT id, revision + 1 AS number FROM samples
    WHERE dataset_id = :dataset_id AND ('x' || right(id::text, 8))::bit(32)::bigint % 100 = 0
    """,
    """
    INSERT INTO revisions (sample_id, number, action, author_id) SELECT id, number, 'replace', :author FROM anew
    """,
    """
    UPDATE annotations SET valid_to = anew.number FROM anew
    WHERE annotations.sample_id = anew.id AND annotations.valid_to IS NULL
    """,
    """
    UPDATE samples SET revision = anew.number, annotation_count = 0, labeled_by = NULL, labeled_at = NULL
    FROM anew WHERE samples.id = anew.id
    """,
)


def main() -> None:
    """Seed, publish, ask, print, and end with everything stopped."""
    options = _options()
    console = Console(stderr=True)
    with ExitStack() as stack:
        directory = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fourpoint-")))
        url = stack.enter_context(database(directory, "versions"))
        data = seeded(directory, url, options.samples, console)
        sessions = sessions_for(create_engine(with_driver(url), poolclass=NullPool))
        _forget(sessions)
        published = [_publish(sessions, data.dataset_uuid, "the first time")]
        published.append(_publish(sessions, data.dataset_uuid, "unchanged"))
        _label_anew(sessions, data.dataset_uuid)
        published.append(_publish(sessions, data.dataset_uuid, "1 % labeled anew"))
        _analyze(sessions)
        asked = [_ask(sessions, *case, options.requests) for case in _cases(data, published)]
    _report(published, asked, options)


def _forget(sessions: Sessions) -> None:
    """What an earlier run published of a dataset that was kept."""
    with unit_of_work(sessions) as session:
        session.execute(
            text("TRUNCATE version_heads, version_samples, version_labels, version_tallies, versions")
        )


def _publish(sessions: Sessions, dataset_id: UUID, name: str) -> dict[str, Any]:
    job_id = new_id()
    with unit_of_work(sessions) as session:
        head = versions.begin(session, dataset_id, job_id)
        version_id = versions.add_version(session, head, None, "", LOCAL_USER_ID, job_id).id
    began = time.monotonic()
    with unit_of_work(sessions) as session:
        before = _size(session)
        versions.take_time(session)
        version = versions.write_contents(session, version_id)
        after = _size(session)
    seconds = time.monotonic() - began
    with unit_of_work(sessions) as session:
        head = versions.require_turn(session, dataset_id, job_id)
        versions.finish(session, head, version_id)
        versions.give_back(session, head)
    return {
        "case": name,
        "seconds": round(seconds, 1),
        "samples": version.samples,
        "written_mebibytes": round((after - before) / 2**20, 1),
        "version": version,
    }


def _size(session: Session) -> int:
    return int(session.scalar(text("SELECT pg_total_relation_size('version_samples')")) or 0)


def _label_anew(sessions: Sessions, dataset_id: UUID) -> None:
    with unit_of_work(sessions) as session:
        versions.take_time(session)
        for statement in _LABEL_ANEW:
            session.execute(text(statement), {"dataset_id": dataset_id, "author": LOCAL_USER_ID})


def _analyze(sessions: Sessions) -> None:
    with sessions() as session:
        connection = session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
        connection.execute(text("VACUUM ANALYZE"))


def _cases(data: Seeded, published: list[dict[str, Any]]) -> list[tuple[str, Callable[..., Any], Any, Any]]:
    """Name, what is asked, of the working state, of the first version; None: there is no such thing."""
    first, unchanged, last = (one["version"] for one in published)
    label_id, labeler_id = UUID(data.label_id), data.labeler_uuid
    filters = {
        "first page": (SampleFilter(), "created_at"),
        "unlabeled": (SampleFilter(status=Status.UNLABELED), "-created_at"),
        "by name": (SampleFilter(), "name"),
        "by size": (SampleFilter(), "-size"),
        "label": (SampleFilter(label_ids=(label_id,)), "created_at"),
        "labeler": (SampleFilter(labeled_by=(labeler_id,)), "created_at"),
        "name has": (SampleFilter(name_contains="_0123"), "created_at"),
        "path below": (SampleFilter(path_prefix="in/batch_42/"), "created_at"),
    }

    def page(session: Session, wanted: SampleFilter, sort: str) -> None:
        sample_filters.list_samples(session, data.dataset_uuid, wanted, SORTS[sort], None, 50)

    def counts(session: Session, version: UUID | None) -> None:
        tallies.sample_totals(session, data.dataset_uuid, version)
        tallies.by_label(session, data.dataset_uuid, version)

    def changes(session: Session, before: Any, after: Any) -> None:
        sides = Sides(data.dataset_uuid, before, after)
        version_comparison.list_changes(session, sides, None, None, 50)
        version_comparison.count_changes(session, sides)

    def differs(session: Session) -> None:
        versions.standing(session, data.dataset_uuid)

    cases: list[tuple[str, Callable[..., Any], Any, Any]] = [
        (name, page, (wanted, sort), (replace(wanted, version=first.id), sort))
        for name, (wanted, sort) in filters.items()
    ]
    cases.append(("counts", counts, (None,), (first.id,)))
    cases.append(("differs from the current version?", differs, (), None))
    cases.append(("compared, nothing changed", changes, None, (first, unchanged)))
    cases.append(("compared, 1 % changed", changes, (first, None), (first, last)))
    return cases


def _ask(
    sessions: Sessions, name: str, what: Callable[..., Any], working: Any, version: Any, requests: int
) -> dict[str, Any]:
    times: dict[str, list[float]] = {"working": [], "version": []}
    with unit_of_work(sessions) as session:
        versions.take_time(session)
        for number in range(requests + 1):
            for side, arguments in (("working", working), ("version", version)):
                if arguments is None:
                    continue
                began = time.perf_counter()
                what(session, *arguments)
                # What compares a million images is not asked often, and needs no warming up.
                if number or requests == 0:
                    times[side].append((time.perf_counter() - began) * 1000)
            if number and sum(map(sum, times.values())) > _ENOUGH_MILLISECONDS:
                break
    return {"case": name, **{side: round(median(found), 2) for side, found in times.items() if found}}


_ENOUGH_MILLISECONDS = 10_000.0


def _report(published: list[dict[str, Any]], asked: list[dict[str, Any]], options: argparse.Namespace) -> None:
    rows = [{name: value for name, value in one.items() if name != "version"} for one in published]
    if options.json:
        print(json.dumps({"published": rows, "milliseconds": asked}, indent=2))
        return
    console = Console(width=110)
    table = Table(title=f"{options.samples:,} samples published")
    for column in ("", "seconds", "MiB written"):
        table.add_column(column, justify="right" if column else "left")
    for row in rows:
        table.add_row(row["case"], str(row["seconds"]), str(row["written_mebibytes"]))
    console.print(table)
    table = Table(title="median milliseconds")
    for column in ("", "working state", "version", "ratio"):
        table.add_column(column, justify="right" if column else "left")
    for row in asked:
        both = [row.get("working"), row.get("version")]
        ratio = f"{row['version'] / row['working']:.2f}" if None not in both else ""
        table.add_row(row["case"], *("" if one is None else f"{one:.1f}" for one in both), ratio)
    console.print(table)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=1_000_000)
    parser.add_argument("--requests", type=int, default=20)
    parser.add_argument("--keep", type=Path, help="where the dataset lies, for this run and the next")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
