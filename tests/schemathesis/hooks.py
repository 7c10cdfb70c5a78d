"""What schemathesis is told about Fourpoint: which things exist, what makes sense, and what is counted.

Random ids name nothing and random outlines lie outside of every image, so that they would be answered 404 and
422 and nothing else. Before a request goes out, most of what is meaningless in it gives way to what means
something, and a request that destroys gets something of its own to destroy. Ids that an answer has named, as
links have, are left alone; so is what was generated to break the schema.
"""

import atexit
import base64
import json
import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.schemathesis.world import CLICKS, CONTOUR, World, photo

import schemathesis

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_world = World(os.environ["FUZZ_BASE_URL"], os.environ["FUZZ_ADMIN_TOKEN"])
_signed_in = os.environ["FUZZ_PERSON"] != "nobody"
_heard_of: set[str] = set()
_statuses: defaultdict[str, Counter[int]] = defaultdict(Counter)
# Counted and not drawn, so that a run with the same seed makes the same choices.
_choices = count()
# What changes the document: of an image that nothing else depends on.
_CHANGES_OF_DOCUMENTS = {
    "replaceAnnotations",
    "deleteAnnotations",
    "restoreRevision",
    "discardDraft",
}
# What is destroyed, by operation, and how to make one of it: values of parameters.
_VICTIMS: dict[str, Callable[[], dict[str, str]]] = {
    "deleteDataset": lambda: {"dataset_id": _world.dataset()},
    "deleteSamples": lambda: {"dataset_id": _world.dataset_with_sample()},
    "deleteLabel": lambda: {**_place(), "label_id": _world.label()},
    "mergeLabel": lambda: {**_place(), "label_id": _world.label()},
    "restoreLabel": lambda: {**_place(), "label_id": _world.label(deleted=True)},
    "deleteSavedFilter": lambda: {**_place(), "filter_id": _world.filter()},
    "deleteAnnotation": lambda: {
        "sample_id": _world.scratch,
        "annotation_id": _world.annotation(_world.scratch),
    },
    "changeUser": lambda: {"user_id": _world.user()},
    "putMember": lambda: {**_place(), "user_id": _world.user()},
    "removeMember": lambda: {**_place(), "user_id": _world.member()},
    "revokeToken": lambda: {"token_id": _world.token()["id"]},
    "cancelJob": lambda: {"job_id": _world.job()},
    "retryJob": lambda: {"job_id": _world.failed_job()},
    "undoSave": lambda: _saved(undone=False),
    "redoSave": lambda: _saved(undone=True),
    "deleteVersion": _world.earlier_version,
    "restoreVersion": lambda: _world.earlier_version(deleted=True),
    "setCurrentVersion": _world.earlier_version,
    "deleteWebhook": lambda: {"webhook_id": _world.webhook()},
    "deleteExport": lambda: {**_place(), "export_id": _world.export()["id"]},
    "deleteImportedBox": lambda: {"sample_id": _world.kept["sample_id"], "box_id": _world.box()},
    "registerUpload": lambda: {**_place(), "upload_id": _world.upload(written=True)["id"]},
}
_CVAT_FUNCTION = "fourpoint-polygon"
_CVAT_FRAME = {
    "image": base64.b64encode(photo()).decode(),
    "pos_points": [[60, 20], [60, 100], [20, 60], [100, 60]],
}
# Of these, one at a time.
_ALTERNATIVES = (
    ("points", "box"),
    ("label", "label_id"),
    ("ids", "filter"),
    ("ids", "deletion_id"),
    ("contour", "move", "resize", "vertices", "reset"),
)


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Put what exists in the place of what does not."""
    if not _signed_in:
        return
    name = _name(case)
    _lead_to_what_exists(name, case)
    # With a header of ours, a case of a header that is missing would count as one that is as it should be.
    if _is_meant_to_pass(case):
        _state_condition(case)
        if "Idempotency-Key" in (case.headers or {}) and _mostly():
            case.headers["Idempotency-Key"] = str(uuid4())
    if isinstance(case.query, dict):
        case.query = _sensible(case.query)
        if case.query.get("cursor") and _mostly():
            del case.query["cursor"]
    if case.media_type == "application/json":
        case.body = _sensible(case.body)
        if isinstance(case.body, dict):
            _complete(name, case.body)
        if name == "invokeCvatFunction" and _is_meant_to_pass(case) and _mostly():
            case.headers["X-Nuclio-Function-Name"] = _CVAT_FUNCTION
            case.body = _CVAT_FRAME
    elif name == "uploadSamples" and _is_meant_to_pass(case) and _mostly():
        case.body = {**case.body, "files": [photo()]}
    elif name == "getCvatFunction" and _mostly():
        case.path_parameters = {"name": _CVAT_FUNCTION}
    elif name == "downloadExport" and _is_meant_to_pass(case) and _mostly():
        case.path_parameters = {"token": _world.download_token}
    elif name == "writeFile" and _is_meant_to_pass(case) and _mostly():
        upload = _world.upload()
        case.path_parameters = {"token": upload["token"]}
        case.media_type, case.body = "image/png", upload["data"]


@schemathesis.hook
def after_call(context: Any, case: Any, response: Any) -> None:
    """Remember what answers named, and count."""
    if response.headers.get("content-type", [""])[0].endswith("json"):
        _heard_of.update(_UUID.findall(response.text))
    if response.status_code == 404:
        # Named once, and gone since.
        _heard_of.difference_update(map(str, (case.path_parameters or {}).values()))
    _statuses[_name(case)][response.status_code] += 1


@schemathesis.check
def status_is_listed(ctx: Any, response: Any, case: Any) -> None:
    """The status is named by the operation: `default`, which stands for any, does not count."""
    if case.method.upper() == case.operation.method.upper():
        listed = case.operation.definition.raw["responses"]
        assert str(response.status_code) in listed, f"{response.status_code} is not listed"


@schemathesis.check
def nobody_gets_in(ctx: Any, response: Any, case: Any) -> None:
    """Without a token there is nothing but 401, where there is anything at all."""
    closed = case.operation.definition.raw.get("security") != []
    if not _signed_in and closed and case.method.upper() != "OPTIONS":
        assert response.status_code in {401, 404, 405, 414}, f"{response.status_code} without a token"


@atexit.register
def _write_statuses() -> None:
    if _statuses:
        counted = {name: dict(sorted(found.items())) for name, found in sorted(_statuses.items())}
        Path(os.environ["FUZZ_STATUSES"]).write_text(json.dumps(counted))


def _name(case: Any) -> str:
    if case.method.upper() != case.operation.method.upper():
        return f"({case.method.upper()} where it is not offered)"
    return str(case.operation.definition.raw["operationId"])


def _is_meant_to_pass(case: Any) -> bool:
    return case.meta is None or case.meta.generation.mode.is_positive


def _mostly() -> bool:
    """Seven times of eight."""
    return next(_choices) % 8 > 0


def _lead_to_what_exists(name: str, case: Any) -> None:
    parameters = dict(case.path_parameters or {})
    ids = {key: str(value) for key, value in parameters.items() if key in _world.kept}
    if not all(map(_UUID.fullmatch, ids.values())):
        return
    if name in _VICTIMS:
        is_needed = not _world.protected.isdisjoint(ids.values())
        is_unheard_of = not _heard_of.issuperset(ids.values())
        if ids and (is_needed or (is_unheard_of and _mostly())):
            parameters |= _VICTIMS[name]()
    else:
        unheard = {key for key, value in ids.items() if value not in _heard_of}
        if unheard and _mostly():
            parameters |= {key: _world.kept[key] for key in ids}
        if name in _CHANGES_OF_DOCUMENTS and parameters.get("sample_id") == _world.kept["sample_id"]:
            parameters["sample_id"] = _world.scratch
    if isinstance(parameters.get("number"), int) and parameters["number"] > 3:
        parameters["number"] %= 4
    if parameters != (case.path_parameters or {}):
        case.path_parameters = parameters


def _state_condition(case: Any) -> None:
    """Have `If-Match` name the state as it is."""
    parameters = case.operation.definition.raw.get("parameters", [])
    heeds = any(parameter.get("name") == "If-Match" for parameter in parameters)
    values = {name: str(value) for name, value in (case.path_parameters or {}).items()}
    if not heeds or not all(map(_UUID.fullmatch, (v for k, v in values.items() if k != "number"))):
        return
    path = case.path.format(**values) if "sample_id" not in values else ""
    etag = _world.etag(path.removeprefix("/v1") or f"/samples/{values['sample_id']}/annotations")
    if etag is not None and _mostly():
        case.headers["If-Match"] = etag


def _sensible(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return _sensible_object(value, key)
    if isinstance(value, list):
        if key == "points" and len(value) == 4 and _mostly():
            return list(CLICKS.values())
        if key == "box" and len(value) == 4 and _mostly():
            return [20, 20, 100, 100]
        if key in {"include", "exclude"} and _mostly():
            return [[60, 60] for _ in value[:2]]
        return [_sensible(inner, key) for inner in value]
    if isinstance(value, str) and _mostly():
        return _sensible_text(value, key)
    return value


def _sensible_object(value: dict[str, Any], key: str) -> dict[str, Any]:
    if key == "contour" and "parts" in value and _mostly():
        return CONTOUR
    if key == "points" and _mostly():
        return CLICKS
    if key == "move" and _mostly():
        return {"dx": 1, "dy": -1}
    if key == "resize" and _mostly():
        return {"box": [20, 20, 100, 100]}
    found = {name: _sensible(inner, name) for name, inner in value.items()}
    for names in _ALTERNATIVES:
        given = [name for name in names if found.get(name) is not None]
        if len(given) > 1 and _mostly():
            for name in set(given) - {given[next(_choices) % len(given)]}:
                del found[name]
    return found


def _sensible_text(value: str, key: str) -> str:
    if _UUID.fullmatch(value) and value not in _heard_of:
        return _existing(key) or value
    if key in {"name", "label"}:
        return f"{key} {uuid4()}"
    if key == "input_path":
        return f"pictures/{uuid4()}"
    if key == "shortcut":
        return chr(ord("a") + next(_choices) % 26)
    return value


def _existing(key: str) -> str | None:
    """The id of something that a field of this name may name."""
    if key == "ids":
        return _world.sample(_world.kept["dataset_id"])
    if key == "into":
        return _world.label()
    if key == "deletion_id":
        return _world.deletion()
    if key in {"labeled_by", "not_labeled_by"}:
        return _world.kept["user_id"]
    if key == "annotation_id":
        return str(uuid4())
    return _world.kept.get(key)


def _complete(name: str, body: dict[str, Any]) -> None:
    """Have an object what it cannot do without: an outline or clicks, and a label to save it under."""
    if name == "addAnnotation":
        _complete_object(body)
    if name == "replaceAnnotations" and isinstance(body.get("annotations"), list):
        for item in filter(lambda item: isinstance(item, dict), body["annotations"]):
            _complete_object(item)
    if name in {"publishVersion", "changeVersion"} and isinstance(body.get("name"), str) and _mostly():
        body["name"] = f"v{uuid4().hex[:24]}"
    if name == "inferContour" and _mostly():
        is_saved = body.get("save") in ["draft", "document"]
        if body.get("points") is None and body.get("box") is None:
            body["points"] = CLICKS
        if is_saved and body.get("label") is None and body.get("label_id") is None:
            body["label"] = "disc"
        if "save" not in body or body["save"] == "none":
            body.pop("label", None)
            body.pop("label_id", None)


def _complete_object(item: dict[str, Any]) -> None:
    if item.get("label") is None and item.get("label_id") is None and _mostly():
        item["label"] = "disc"
    if item.get("contour") is None and item.get("contour_id") is None and _mostly():
        item["contour"] = CONTOUR


def _saved(*, undone: bool) -> dict[str, str]:
    _world.annotation(_world.scratch)
    if undone:
        _world.undo(_world.scratch)
    return {"sample_id": _world.scratch}


def _place() -> dict[str, str]:
    return {"dataset_id": _world.kept["dataset_id"]}
