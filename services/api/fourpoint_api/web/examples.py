"""The values that the contract's examples show: one dataset, one photo, one cat."""

from typing import Any

DATASET_ID = "01930000-0000-7000-8000-0000000000d1"
SAMPLE_ID = "01930000-0000-7000-8000-0000000000a1"
LABEL_ID = "01930000-0000-7000-8000-0000000000b1"
JOB_ID = "01930000-0000-7000-8000-0000000000f1"
CONTOUR_ID = "01930000-0000-7000-8000-0000000000c1"
ANNOTATION_ID = "01930000-0000-7000-8000-0000000000e1"
NEW_ANNOTATION_ID = "01930000-0000-7000-8000-0000000000e2"
USER_ID = "01900000-0000-7000-8000-000000000001"
TOKEN_ID = "01930000-0000-7000-8000-000000000071"  # noqa: S105 - names a token and opens nothing
TIME = "2026-01-01T12:00:00+00:00"

VERSION_ID = "01930000-0000-7000-8000-0000000000e9"
VERSION: dict[str, Any] = {
    "id": VERSION_ID,
    "dataset_id": DATASET_ID,
    "number": 1,
    "name": "V001",
    "description": "The first cats",
    "state": "published",
    "is_current": True,
    "samples": 8,
    "labeled": 1,
    "annotations": 2,
    "parent_id": None,
    "job_id": JOB_ID,
    "created_by": USER_ID,
    "created_at": TIME,
    "published_at": TIME,
    "deleted_at": None,
}
USER = {"id": USER_ID, "name": "ada", "is_admin": False, "is_disabled": False, "created_at": TIME}
ME = {
    "id": USER_ID,
    "name": "ada",
    "is_admin": False,
    "scope": "manage",
    "token_id": TOKEN_ID,
    "token_expires_at": TIME,
}
TOKEN = {
    "id": TOKEN_ID,
    "user_id": USER_ID,
    "name": "nightly export",
    "scope": "read",
    "created_at": TIME,
    "expires_at": "2026-01-31T12:00:00+00:00",
    "revoked_at": None,
    "last_used_at": None,
}
IMAGE_SIGNATURE = {"signature": "WyIwMTkz…", "expires_at": TIME}
MEMBER = {"user_id": USER_ID, "name": "ada", "role": "labeler", "since": TIME}
LABEL = {"id": LABEL_ID, "name": "cat", "colour": "#3399ff", "shortcut": None, "mask_index": 1}
DATASET = {
    "id": DATASET_ID,
    "name": "Cats",
    "description": "",
    "input_path": f"datasets/{DATASET_ID}/",
    "output_path": None,
    "import_annotations": True,
    "auto_sync_minutes": None,
    "created_by": USER_ID,
    "created_at": TIME,
    "updated_at": TIME,
}
TOTALS = {"total": 8, "labeled": 1, "unlabeled": 7, "missing": 0, "progress_percent": 12}
SAMPLE = {
    "id": SAMPLE_ID,
    "dataset_id": DATASET_ID,
    "name": "cat.png",
    "object_key": f"datasets/{DATASET_ID}/cat.png",
    "digest": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "media_type": "image/png",
    "size_bytes": 240512,
    "width": 451,
    "height": 300,
    "status": "unlabeled",
    "annotation_count": 0,
    "revision": 0,
    "labeled_by": None,
    "labeled_at": None,
    "created_by": USER_ID,
    "created_at": TIME,
    "object_modified_at": None,
    "missing_since": None,
    "changed_at": None,
}
CONTOUR = {"parts": [{"outer": [[150.5, 10.0], [280.0, 150.0], [140.0, 299.0], [60.0, 160.0]], "holes": []}]}
POINTS = {"top": [150.5, 10], "bottom": [140, 299], "left": [60, 160], "right": [280, 150]}
INFERENCE = {
    "contour_id": CONTOUR_ID,
    "sample_id": SAMPLE_ID,
    "contour": CONTOUR,
    "bbox": [60.0, 10.0, 280.0, 299.0],
    "area": 31790.0,
    "vertices": 4,
    "score": 0.93,
    "confident": True,
    "engine": "compact",
    "model_digest": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "prompt": {"points": POINTS},
    "milliseconds": {"queue": 4.0, "image": 6.1, "model": 58.0, "polygon": 7.2},
    "save": "none",
}
ANNOTATION = {
    "id": ANNOTATION_ID,
    "label": LABEL,
    "contour": CONTOUR,
    "bbox": [60.0, 10.0, 280.0, 299.0],
    "area": 31790.0,
    "attributes": {},
    "visible": True,
    "z_order": 0,
    "difficult": False,
    "occluded": False,
    "truncated": False,
    "unconfirmed": False,
    "method": "extreme_points",
    "prompt": {"points": POINTS},
    "contour_id": CONTOUR_ID,
    "engine": "compact",
    "model_digest": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "score": 0.93,
    "confident": None,
    "created_by": USER_ID,
    "created_at": TIME,
    "edited_by": None,
    "edited_at": None,
}
DOCUMENT = {
    "sample_id": SAMPLE_ID,
    "revision": 1,
    "undo_to": 0,
    "redo_to": None,
    "annotations": [ANNOTATION],
}
REVISION = {
    "number": 1,
    "action": "add",
    "author_id": USER_ID,
    "created_at": TIME,
    "restored_from": None,
}
JOB: dict[str, Any] = {
    "id": JOB_ID,
    "kind": "infer_contour",
    "queue": "click",
    "state": "queued",
    "dataset_id": DATASET_ID,
    "sample_id": SAMPLE_ID,
    "progress": None,
    "result": None,
    "error": None,
    "attempts": [],
    "max_attempts": 5,
    "created_by": USER_ID,
    "created_at": TIME,
    "started_at": None,
    "finished_at": None,
    "deadline_at": "2026-01-01T12:02:00+00:00",
    "cancel_requested": False,
}
_LABEL_CONFIG = (
    '<View><Image name="image" value="$image"/><KeyPointLabels name="click" toName="image" smart="true">'
    '<Label value="cat"/></KeyPointLabels><PolygonLabels name="outline" toName="image"><Label value="cat"/>'
    "</PolygonLabels></View>"
)
LABEL_STUDIO_SETUP = {"project": "12.1700000000", "schema": _LABEL_CONFIG}
LABEL_STUDIO_PREDICT = {
    "tasks": [{"id": 4, "data": {"image": "/data/upload/12/cat.jpg"}}],
    "project": "12.1700000000",
    "label_config": _LABEL_CONFIG,
    "params": {
        "context": {
            "result": [
                {
                    "type": "keypointlabels",
                    "from_name": "click",
                    "to_name": "image",
                    "is_positive": True,
                    "value": {"x": x, "y": y, "width": 0.3, "keypointlabels": ["cat"]},
                }
                for x, y in ((50, 10), (48, 90), (20, 55), (80, 50))
            ]
        }
    },
}
LABEL_STUDIO_PREDICTIONS = {
    "results": [
        {
            "model_version": "fourpoint",
            "score": 0.93,
            "result": [
                {
                    "id": "a1b2c3d4e5",
                    "from_name": "outline",
                    "to_name": "image",
                    "type": "polygonlabels",
                    "original_width": 640,
                    "original_height": 480,
                    "image_rotation": 0,
                    "score": 0.93,
                    "value": {
                        "points": [[50.0, 10.0], [80.0, 50.0], [48.0, 90.0], [20.0, 55.0]],
                        "closed": True,
                        "polygonlabels": ["cat"],
                    },
                }
            ],
        }
    ]
}
CVAT_INVOCATION = {
    "image": "/9j/4AAQSkZJRgABAQAAAQABAAD/2Q==",
    "pos_points": [[320, 48], [307, 432], [128, 264], [512, 240]],
    "neg_points": [],
    "obj_bbox": None,
}
