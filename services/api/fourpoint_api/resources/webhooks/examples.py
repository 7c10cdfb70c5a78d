"""What the contract shows of webhooks."""

from fourpoint_api.web.examples import DATASET_ID, TIME, USER_ID

WEBHOOK_ID = "01930000-0000-7000-8000-0000000000f1"
DELIVERY_ID = "01930000-0000-7000-8000-0000000000f2"
EVENT_ID = "01930000-0000-7000-8000-0000000000f3"
NEW_WEBHOOK = {"url": "https://example.org/fourpoint", "events": ["annotations.saved", "job.finished"]}
WEBHOOK = {
    "id": WEBHOOK_ID,
    "dataset_id": DATASET_ID,
    **NEW_WEBHOOK,
    "description": "",
    "active": True,
    "created_by": USER_ID,
    "created_at": TIME,
}
MADE_WEBHOOK = {**WEBHOOK, "secret": "fpw_shown-once"}
DELIVERY = {
    "id": DELIVERY_ID,
    "event_id": EVENT_ID,
    "event": "ping",
    "body": {
        "id": EVENT_ID,
        "event": "ping",
        "dataset_id": DATASET_ID,
        "created_at": TIME,
        "data": {"webhook_id": WEBHOOK_ID},
    },
    "state": "pending",
    "attempts": 0,
    "next_attempt_at": TIME,
    "status_code": None,
    "error": None,
    "response": None,
    "milliseconds": None,
    "created_at": TIME,
    "ended_at": None,
}
