"""The leanest hand-written Flask + psycopg2 that saves what `benchmarks/saves.py` saves.

`/samples/<id>` writes all that a save leaves, in one transaction with one durable commit: the revision, the
rows of the objects that end and begin, and the sample's new state; from that the schema's triggers derive
states, labels and counts, and look whether anybody wants to be called, as they do for whoever writes here.
`/bare/<id>/<number>` inserts the revision and the objects and nothing else: no state, no counts.

Both trust their caller in everything: no sign-in, no lock, no precondition, no look at what is there, and no
geometry but bounding box and area, which are columns.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import psycopg2
from flask import Flask, request
from psycopg2.extras import execute_values
from psycopg2.pool import ThreadedConnectionPool

app = Flask("raw")
_pools: list[ThreadedConnectionPool] = []
_OBJECTS = (
    "INSERT INTO annotations (sample_id, annotation_id, valid_from, label_id, contour, bounding_box, area,"
    " vertex_count, method, created_by) VALUES %s"
)


@app.post("/samples/<sample_id>")
def add(sample_id: str) -> Any:
    """One object more."""
    body, author = request.get_json(), request.args["author"]
    with _transaction() as cursor:
        number = _begin(cursor, sample_id, "add", author)
        execute_values(cursor, _OBJECTS, [_row(sample_id, number, body, author)])
        _end(cursor, sample_id, number, author, "annotation_count + 1")
    return body, 201


@app.put("/samples/<sample_id>")
def replace(sample_id: str) -> Any:
    """These objects in place of all that are there."""
    body, author = request.get_json(), request.args["author"]
    with _transaction() as cursor:
        number = _begin(cursor, sample_id, "replace", author)
        cursor.execute(
            "UPDATE annotations SET valid_to = %s WHERE sample_id = %s AND valid_to IS NULL",
            (number, sample_id),
        )
        rows = [_row(sample_id, number, one, author) for one in body["annotations"]]
        execute_values(cursor, _OBJECTS, rows)
        _end(cursor, sample_id, number, author, str(len(rows)))
    return body


@app.route("/bare/<sample_id>/<int:number>", methods=["POST", "PUT"])
def insert(sample_id: str, number: int) -> Any:
    """The rows of a revision, under ids of their own, and nothing that goes with them."""
    body, author = request.get_json(), request.args["author"]
    rows = [
        _row(sample_id, number, {**one, "id": str(uuid4())}, author) for one in body.get("annotations", [body])
    ]
    with _transaction() as cursor:
        cursor.execute(
            "INSERT INTO revisions (sample_id, number, action, author_id) VALUES (%s, %s, 'replace', %s)",
            (sample_id, number, author),
        )
        execute_values(cursor, _OBJECTS, rows)
    return body


@contextmanager
def _transaction() -> Iterator[Any]:
    if not _pools:
        # As many as threads from the start: what is beyond the first number, the pool closes after each use.
        _pools.append(ThreadedConnectionPool(16, 32, os.environ["RAW_DATABASE"]))
    connection = _pools[0].getconn()
    try:
        with connection, connection.cursor() as cursor:
            yield cursor
    finally:
        _pools[0].putconn(connection)


def _begin(cursor: Any, sample_id: str, action: str, author: str) -> int:
    cursor.execute(
        "INSERT INTO revisions (sample_id, number, action, author_id)"
        " SELECT id, revision + 1, %s, %s FROM samples WHERE id = %s RETURNING number",
        (action, author, sample_id),
    )
    number: int = cursor.fetchone()[0]
    return number


def _end(cursor: Any, sample_id: str, number: int, author: str, count: str) -> None:
    cursor.execute(
        f"UPDATE samples SET revision = %s, annotation_count = {count}, labeled_by = %s,"
        " labeled_at = clock_timestamp() WHERE id = %s",
        (number, author, sample_id),
    )


def _row(sample_id: str, number: int, one: dict[str, Any], author: str) -> tuple[Any, ...]:
    ring = one["contour"]["parts"][0]["outer"]
    xs, ys = [x for x, _ in ring], [y for _, y in ring]
    area = abs(
        sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in zip(ring, [*ring[1:], ring[0]], strict=True)) / 2
    )
    return (
        sample_id,
        one["id"],
        number,
        one["label_id"],
        json.dumps(one["contour"]),
        json.dumps([min(xs), min(ys), max(xs), max(ys)]),
        area,
        len(ring),
        "polygon",
        author,
    )


@app.errorhandler(psycopg2.Error)
def failed(error: psycopg2.Error) -> Any:
    """What went wrong, for whoever runs the benchmark."""
    return {"error": str(error)}, 500
