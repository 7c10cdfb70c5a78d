"""The leanest hand-written Flask + psycopg2 that keeps what `benchmarks/saves.py` saves, in the same rows.

It trusts its caller in everything: no sign-in, no lock, no look at what is there, no geometry, no counts. The
sample, the revision's number and the rows' contents are what the body says.
"""

import json
import os
from typing import Any

import psycopg2
from flask import Flask, request
from psycopg2.extras import execute_values
from psycopg2.pool import ThreadedConnectionPool

app = Flask("raw")
_pools: list[ThreadedConnectionPool] = []


@app.post("/")
def save() -> Any:
    """One revision and its annotations."""
    if not _pools:
        _pools.append(ThreadedConnectionPool(1, 32, os.environ["RAW_DATABASE"]))
    body = request.get_json()
    sample, number, author = body["sample_id"], body["revision"], body["author_id"]
    rows = [
        (
            sample,
            one["id"],
            number,
            one["label_id"],
            json.dumps(one["contour"]),
            json.dumps(one["bbox"]),
            one["area"],
            "polygon",
            author,
        )
        for one in body["annotations"]
    ]
    connection = _pools[0].getconn()
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO revisions (sample_id, number, action, author_id) VALUES (%s, %s, 'replace', %s)",
                (sample, number, author),
            )
            execute_values(
                cursor,
                "INSERT INTO annotations (sample_id, annotation_id, valid_from, label_id, contour,"
                " bounding_box, area, method, created_by) VALUES %s",
                rows,
            )
    finally:
        _pools[0].putconn(connection)
    return body


@app.errorhandler(psycopg2.Error)
def failed(error: psycopg2.Error) -> Any:
    """What went wrong, for whoever runs the benchmark."""
    return {"error": str(error)}, 500
