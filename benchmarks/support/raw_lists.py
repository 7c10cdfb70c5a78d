"""The leanest hand-written Flask + psycopg2 that answers the pages of `benchmarks/lists.py`.

One fixed SQL text a page, over the same tables and indexes: no sign-in, no schema, no cursor to sign.
"""

import os
from typing import Any

import psycopg2
from flask import Flask, request

LIMIT = 50
COLUMNS = (
    "s.id, s.dataset_id, s.name, s.object_key, s.digest, s.media_type, s.size_bytes, s.width, s.height,"
    " s.annotation_count, s.revision, s.labeled_by, s.labeled_at, s.created_by, s.created_at,"
    " s.object_modified_at, s.missing_since, s.changed_at"
)
_THERE = "s.trashed_at IS NULL AND s.missing_since IS NULL"
_ORDER = "ORDER BY s.created_at, s.id LIMIT 51"
_SUMS = (
    "SELECT subject, day, sum(images), sum(objects) FROM (SELECT subject, day, images, objects FROM tallies"
    " WHERE dataset_id = %(dataset)s AND kind = '{kind}' UNION ALL SELECT subject, day, images, objects"
    " FROM tally_deltas WHERE dataset_id = %(dataset)s AND kind = '{kind}') x {more} GROUP BY 1, 2"
)
_LABEL_COUNTS = f"SELECT * FROM labels l JOIN ({_SUMS.format(kind='label', more='')}) c ON c.subject = l.id"
_LABELER_COUNTS = f"SELECT * FROM users u JOIN ({_SUMS.format(kind='labeler', more='')}) c ON c.subject = u.id"
_DAY_COUNTS = _SUMS.format(kind="labeler_day", more="WHERE day > now() - interval '30 days'")
_TOTALS = (
    "SELECT kind, sum(images) FROM (SELECT kind, images FROM tallies WHERE dataset_id = %(dataset)s"
    " AND kind IN ('sample', 'labeled') UNION ALL SELECT kind, images FROM tally_deltas"
    " WHERE dataset_id = %(dataset)s AND kind IN ('sample', 'labeled')) x GROUP BY 1"
)
_OWN = f"SELECT {COLUMNS} FROM samples s WHERE s.dataset_id = %(dataset)s AND {_THERE}"
_NAMED = (
    " AND EXISTS (SELECT FROM sample_paths p WHERE p.sample_id = s.id"
    " AND p.grams @> needle_grams(%(dataset)s, %(needle)s) AND strpos(p.folded_name, %(needle)s) > 0) "
)
_BELOW = ' AND s.object_key COLLATE "C" >= %(prefix)s AND s.object_key COLLATE "C" < %(end)s '
_OF_LABEL = (
    f"SELECT {COLUMNS} FROM samples s JOIN sample_labels l ON l.sample_id = s.id WHERE l.label_id = %(label)s"
    f" AND {_THERE}"
)
_LABEL_ORDER = "ORDER BY l.created_at, l.sample_id LIMIT 51"
_AROUND = (
    "SELECT sample_id FROM sample_labels WHERE label_id = %(label)s AND (created_at, sample_id) {way}"
    " (SELECT created_at, id FROM samples WHERE id = %(sample)s) ORDER BY created_at {order}, sample_id {order}"
    " LIMIT 1"
)
_FOLDERS = (
    "WITH RECURSIVE f(d) AS ((SELECT directory FROM sample_paths WHERE dataset_id = %(dataset)s"
    " ORDER BY directory LIMIT 1) UNION ALL SELECT (SELECT directory FROM sample_paths WHERE"
    " dataset_id = %(dataset)s AND directory > f.d ORDER BY directory LIMIT 1) FROM f WHERE f.d IS NOT NULL)"
    " SELECT d FROM f WHERE d IS NOT NULL"
)
RAW = {
    "plain": [f"{_OWN} {_ORDER}"],
    "after": [f"{_OWN} AND (s.created_at, s.id) > (%(time)s, %(id)s) {_ORDER}"],
    "unlabeled": [f"{_OWN} AND s.annotation_count = 0 {_ORDER}"],
    "label": [f"{_OF_LABEL} {_LABEL_ORDER}"],
    "recent": [f"{_OWN} AND s.created_at >= %(recent)s {_ORDER}"],
    "name": [f"{_OWN} {_NAMED} {_ORDER}"],
    "path": [f"{_OWN} {_BELOW} {_ORDER}"],
    "labeler": [f"{_OWN} AND s.labeled_by = %(labeler)s {_ORDER}"],
    "recent_label": [f"{_OF_LABEL} AND l.created_at >= %(recent)s {_LABEL_ORDER}"],
    "four": [
        f"{_OF_LABEL} AND l.created_at >= %(recent)s {_BELOW} AND s.labeled_by = %(labeler)s {_LABEL_ORDER}"
    ],
    "size": [f"{_OWN} ORDER BY s.size_bytes DESC, s.id DESC LIMIT 51"],
    "by_name": [f'{_OWN} ORDER BY s.name COLLATE "C", s.id LIMIT 51'],
    "past": [
        f"SELECT {COLUMNS} FROM samples s JOIN sample_states t ON t.sample_id = s.id"
        " AND t.begins_at <= %(past)s AND (t.ends_at IS NULL OR t.ends_at > %(past)s)"
        " WHERE s.dataset_id = %(dataset)s"
        f" AND {_THERE} AND t.annotation_count > 0 AND s.created_at <= %(past)s {_ORDER}"
    ],
    "stats": [_TOTALS, _LABEL_COUNTS, _LABELER_COUNTS, _DAY_COUNTS],
    "dashboard": ["SELECT * FROM datasets WHERE id = %(dataset)s", _TOTALS],
    "neighbours": [_AROUND.format(way="<", order="DESC"), _AROUND.format(way=">", order="ASC")],
    "conditions": [_LABEL_COUNTS, _LABELER_COUNTS, _FOLDERS],
}


app = Flask("raw")
app.json.sort_keys = False  # type: ignore[attr-defined]
_connections: list[Any] = []


@app.get("/")
def page() -> Any:
    """The rows of `?page=`."""
    if not _connections:
        _connections.append(psycopg2.connect(os.environ["RAW_DATABASE"]))
        _connections[0].autocommit = True
    values = request.args.to_dict()
    items: list[dict[str, Any]] = []
    for sql in RAW[values["page"]]:
        with _connections[0].cursor() as cursor:
            cursor.execute(sql, values)
            names = [column.name for column in cursor.description]
            items += [dict(zip(names, row, strict=True)) for row in cursor]
    return {"items": items[: LIMIT if values["page"] not in {"stats", "conditions"} else None]}
