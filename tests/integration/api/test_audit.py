"""The audit log: what is in it after somebody did something, and how it is read."""

import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import create_engine, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.pool import NullPool
from tests.factories import POINTS, SQUARE_JSON, image_bytes, make_dataset, make_sample
from tests.integration.statements import statements

from fourpoint_core.domain.access import Role, Scope
from fourpoint_core.ids import LOCAL_USER_ID
from fourpoint_core.store.models import Dataset, Sample
from fourpoint_core.store.queries import audit
from fourpoint_core.store.session import Sessions, unit_of_work

PersonMaker = Callable[..., Any]
NOTHING = "the log is as it was"


def entries(client: FlaskClient, **query: Any) -> list[dict[str, Any]]:
    """What the log says, the latest first."""
    answer = client.get("/v1/audit", query_string={"limit": 1000, **query})
    assert answer.status_code == 200
    return answer.json["items"]


def since(client: FlaskClient, before: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What was written since, in the order in which it was."""
    known = {entry["id"] for entry in before}
    return [entry for entry in reversed(entries(client)) if entry["id"] not in known]


@pytest.mark.parametrize("path", ["/v1/audit", "/v1/audit/export"])
@pytest.mark.parametrize("name", ["action", "kind", "resource_id"])
def test_what_no_entry_can_hold_is_refused(client: FlaskClient, path: str, name: str) -> None:
    answer = client.get(path, query_string={name: "\0"})
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, f"?{name}")


def test_an_entry_says_who_did_what_to_what_from_where_and_in_which_request(
    client: FlaskClient, dataset: Dataset, person: PersonMaker
) -> None:
    owner = person(dataset, Role.OWNER)
    answer = owner.patch(f"/v1/datasets/{dataset.id}", json={"name": "Dogs"}, headers={"If-Match": "*"})
    assert answer.status_code == 200
    (entry,) = entries(client, action="dataset.changed")
    assert {name: entry[name] for name in ("actor_id", "actor_name", "via", "address", "request_id")} == {
        "actor_id": str(owner.user.id),
        "actor_name": owner.user.name,
        "via": "api",
        "address": "127.0.0.1",
        "request_id": answer.headers["X-Request-ID"],
    }
    assert (entry["resource_id"], entry["dataset_id"]) == (str(dataset.id), str(dataset.id))
    assert entry["changes"] == {"name": {"from": "Cats", "to": "Dogs"}}
    assert entry["token_id"] is not None


class Doer:
    """Somebody who does what an operator may want to hear of."""

    def __init__(self, client: FlaskClient, sessions: Sessions):
        self._client = client
        self._sessions = sessions
        self.dataset = make_dataset(sessions)
        self.base = f"/v1/datasets/{self.dataset.id}"

    def __call__(self, method: str, path: str, **options: Any) -> Any:
        """Ask, and have it done."""
        headers = {} if method == "POST" else {"If-Match": "*"}
        answer = self._client.open(path, method=method, headers=headers, **options)
        assert answer.status_code < 300, answer.text
        return answer.get_json(silent=True)

    def user(self) -> str:
        """A new person's id."""
        return str(self("POST", "/v1/users", json={"name": f"eve {datetime.now(UTC)}"})["id"])

    def token(self) -> str:
        """A new token's id."""
        body = {"name": "nightly", "scope": "read", "expires_in_days": 1}
        return str(self("POST", "/v1/tokens", json=body)["id"])

    def member(self) -> str:
        """A new member's address."""
        path = f"{self.base}/members/{self.user()}"
        self("PUT", path, json={"role": "viewer"})
        return path

    def label(self) -> str:
        """A new label's address."""
        return f"{self.base}/labels/{self('POST', f'{self.base}/labels', json={'name': 'cup'})['id']}"

    def webhook(self) -> str:
        """A new webhook's address."""
        body = {"url": "https://example.org/hook?key=of-theirs"}
        return f"/v1/webhooks/{self('POST', f'{self.base}/webhooks', json=body)['id']}"

    def sample(self) -> str:
        """A new sample's id."""
        return str(make_sample(self._sessions, self.dataset).id)

    def deletion(self) -> dict[str, Any]:
        """Samples that were put into the trash."""
        return dict(self("POST", f"{self.base}/samples/delete", json={"ids": [self.sample()]}))

    def export(self) -> str:
        """The job of a new export."""
        return str(self("POST", f"{self.base}/exports", json={"format": "coco"})["id"])


DEEDS: dict[str, Callable[[Doer], Any]] = {
    "user.created": lambda do: do.user(),
    "user.changed": lambda do: do("PATCH", f"/v1/users/{do.user()}", json={"is_admin": True}),
    "user.disabled": lambda do: do("PATCH", f"/v1/users/{do.user()}", json={"is_disabled": True}),
    "token.created": lambda do: do.token(),
    "token.revoked": lambda do: do("DELETE", f"/v1/tokens/{do.token()}"),
    "member.created": lambda do: do.member(),
    "member.changed": lambda do: do("PUT", do.member(), json={"role": "owner"}),
    "member.deleted": lambda do: do("DELETE", do.member()),
    "dataset.created": lambda do: do("POST", "/v1/datasets", json={"name": "Birds"}),
    "dataset.changed": lambda do: do("PATCH", do.base, json={"output_path": "results/"}),
    "dataset.deleted": lambda do: do("DELETE", do.base),
    "label.created": lambda do: do.label(),
    "label.changed": lambda do: do("PATCH", do.label(), json={"name": "mug"}),
    "label.deleted": lambda do: do("DELETE", do.label(), query_string={"policy": "label"}),
    "webhook.created": lambda do: do.webhook(),
    "webhook.changed": lambda do: do("POST", f"{do.webhook()}/secret"),
    "webhook.deleted": lambda do: do("DELETE", do.webhook()),
    "samples.deleted": lambda do: do.deletion(),
    "samples.restored": lambda do: do(
        "POST", f"{do.base}/trash/restore", json={"deletion_id": do.deletion()["deletion_id"]}
    ),
    "samples.uploaded": lambda do: do(
        "POST", f"{do.base}/samples", data={"files": (io.BytesIO(image_bytes()), "cat.png")}
    ),
    "version.created": lambda do: do.sample() and do("POST", f"{do.base}/versions", json={"name": "first"}),
    "job.created": lambda do: do.export(),
    "job.cancelled": lambda do: do("POST", f"/v1/jobs/{do.export()}/cancel"),
}


@pytest.mark.parametrize("action", DEEDS)
def test_what_was_done_is_written_down_with_who_did_it(
    action: str, client: FlaskClient, sessions: Sessions
) -> None:
    do = Doer(client, sessions)
    before = entries(client)
    DEEDS[action](do)
    written = since(client, before)
    assert action in {entry["action"] for entry in written}
    assert {(entry["actor_id"], entry["via"]) for entry in written} == {(str(LOCAL_USER_ID), "api")}


def test_a_job_is_written_down_with_what_it_is_to_do(client: FlaskClient, sessions: Sessions) -> None:
    do = Doer(client, sessions)
    do.export()
    (entry,) = entries(client, action="job.created")
    assert entry["changes"]["kind"] == "export_dataset"
    assert entry["changes"]["payload"]["dataset_id"] == str(do.dataset.id)


def test_what_was_refused_is_not_written_down(client: FlaskClient, sessions: Sessions) -> None:
    make_dataset(sessions, "taken")
    before = entries(client)
    assert client.post("/v1/datasets", json={"name": "taken"}).status_code == 409
    assert since(client, before) == [], NOTHING


def test_what_was_rolled_back_was_not_done(client: FlaskClient, sessions: Sessions) -> None:
    before = entries(client)
    with pytest.raises(RuntimeError), unit_of_work(sessions) as session:
        audit.add(session, "dataset", "created", "of nobody")
        raise RuntimeError
    assert since(client, before) == [], NOTHING


def test_no_secret_is_written_down(client: FlaskClient, sessions: Sessions) -> None:
    do = Doer(client, sessions)
    secret = do("POST", f"{do.base}/webhooks", json={"url": "https://example.org/hook?key=of-theirs"})["secret"]
    token = do("POST", "/v1/tokens", json={"name": "n", "scope": "read", "expires_in_days": 1})["secret"]
    log = client.get("/v1/audit/export").text
    assert "of-theirs" not in log and secret not in log and token not in log
    assert entries(client, kind="webhook")[0]["changes"]["url"] == {"to": "https://example.org"}


def test_who_comes_in_is_written_down_once_a_day(
    client: FlaskClient, dataset: Dataset, person: PersonMaker
) -> None:
    viewer = person(dataset)
    for address in ("198.51.100.1", "198.51.100.1", "198.51.100.2"):
        viewer.get("/v1/me", environ_overrides={"REMOTE_ADDR": address})
    found = entries(client, actor_id=viewer.user.id, action="user.signed_in")
    assert [entry["address"] for entry in found] == ["198.51.100.2", "198.51.100.1"]
    assert found[0]["changes"] == {"with": "token"}


def test_a_save_leaves_no_entry_and_pays_for_none(
    client: FlaskClient, sample: Sample, sessions: Sessions
) -> None:
    label = client.post(f"/v1/datasets/{sample.dataset_id}/labels", json={"name": "cat"}).json
    before = entries(client)
    body = {"annotations": [{"label_id": label["id"], "contour": SQUARE_JSON}]}
    with statements() as seen:
        answer = client.put(f"/v1/samples/{sample.id}/annotations", json=body, headers={"If-Match": "*"})
        assert answer.status_code == 200, answer.text
        clicked = client.post(f"/v1/samples/{sample.id}/contours", json={"points": POINTS})
        assert clicked.status_code == 202
    assert [statement for statement in seen if "fourpoint.actor" in statement or "audit" in statement] == []
    assert since(client, before) == [], NOTHING


ATTEMPTS = (
    "UPDATE audit_entries SET actor_name = 'somebody else'",
    "DELETE FROM audit_entries",
    "TRUNCATE audit_entries",
)


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_nothing_is_changed_or_removed_even_by_the_tables_owner(
    attempt: str, client: FlaskClient, dataset: Dataset, owners_url: str
) -> None:
    before = entries(client)
    assert before
    with (
        pytest.raises(ProgrammingError, match="neither changed nor removed"),
        create_engine(owners_url, poolclass=NullPool).begin() as connection,
    ):
        connection.execute(text(attempt))
    assert entries(client) == before


@pytest.mark.parametrize(
    "attempt",
    [
        *ATTEMPTS,
        "SET LOCAL session_replication_role = replica",
        "ALTER TABLE audit_entries DISABLE TRIGGER audit_forever",
        "ALTER TABLE users DISABLE TRIGGER audit",
        "DROP FUNCTION audit_forever() CASCADE",
        "CREATE OR REPLACE FUNCTION audit_forever() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN END'",
        "UPDATE alembic_version SET version_num = '0001'",
        "CREATE TABLE of_my_own (id int)",
    ],
)
def test_the_services_role_gets_nowhere_near(attempt: str, sessions: Sessions) -> None:
    with (
        pytest.raises(ProgrammingError, match=r"permission denied|must be owner"),
        unit_of_work(sessions) as session,
    ):
        session.execute(text(attempt))


def test_what_is_done_past_the_service_is_written_down_too(
    client: FlaskClient, dataset: Dataset, sessions: Sessions
) -> None:
    with unit_of_work(sessions) as session:
        session.execute(text("UPDATE users SET is_admin = false"))
    (entry,) = entries(client, action="user.changed")
    assert (entry["via"], entry["actor_id"]) == ("database", None)
    assert entry["database_role"]


def test_the_log_is_read_page_by_page_and_by_filters(client: FlaskClient, sessions: Sessions) -> None:
    do = Doer(client, sessions)
    for name in ("a", "b", "c"):
        do("POST", f"{do.base}/labels", json={"name": name})
    query: dict[str, Any] = {"kind": "label", "dataset_id": do.dataset.id, "limit": 2}
    first = client.get("/v1/audit", query_string=query).json
    second = client.get("/v1/audit", query_string={**query, "cursor": first["next_cursor"]}).json
    names = [entry["changes"]["name"]["to"] for entry in first["items"] + second["items"]]
    assert (names, second["next_cursor"]) == (["c", "b", "a"], None)


def test_a_time_begins_and_ends_what_is_read(client: FlaskClient, sessions: Sessions) -> None:
    make_dataset(sessions)
    later = datetime.now(UTC) + timedelta(hours=1)
    assert entries(client, since=later.isoformat()) == []
    assert entries(client, until=later.isoformat())


def test_an_export_has_every_entry_up_to_itself_the_oldest_first(
    client: FlaskClient, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "BATCH", 2)
    for _ in range(4):
        make_dataset(sessions)
    before = entries(client)
    answer = client.get("/v1/audit/export")
    assert answer.mimetype == "application/x-ndjson"
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert lines[:-1] == before[::-1]
    assert lines[-1]["action"] == "audit.exported"


def test_a_name_that_spreadsheets_would_run_stays_a_name(client: FlaskClient) -> None:
    assert client.post("/v1/users", json={"name": "=1+1"}).status_code == 201
    user = client.get("/v1/users").json["items"][-1]
    assert client.patch(f"/v1/users/{user['id']}", json={"is_disabled": True}).status_code == 200
    answer = client.get("/v1/audit/export", query_string={"format": "csv", "kind": "user"})
    assert answer.headers["Content-Disposition"] == 'attachment; filename="audit.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert "user.disabled" in {row["action"] for row in rows}
    assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "-", "@"))]


@pytest.mark.parametrize("path", ["/v1/audit", "/v1/audit/export"])
def test_the_log_is_for_admins_whose_token_is_for_that(
    path: str, dataset: Dataset, person: PersonMaker
) -> None:
    assert person(dataset, Role.OWNER, Scope.MANAGE).get(path).status_code == 403
