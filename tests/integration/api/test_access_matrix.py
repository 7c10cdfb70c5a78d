"""Every operation of the contract, by everybody: who gets in, who is refused, who is told of nothing.

A new operation needs a row in NEEDS; without one its test fails.
"""

import re
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from tests.factories import make_dataset, make_job, make_sample, make_webhook
from tests.integration.api.checked_client import CheckedClient
from werkzeug.test import TestResponse

from fourpoint_api.app import contract
from fourpoint_core.domain.access import Role, Scope
from fourpoint_core.store.session import Sessions

METHODS = {"get", "post", "put", "patch", "delete"}
CONTRACT = contract()
OPERATIONS = {
    operation["operationId"]: (method.upper(), path)
    for path, item in CONTRACT["paths"].items()
    for method, operation in item.items()
    if method in METHODS
}
PUBLIC, SIGNED_IN, MANAGER, ADMIN = "public", "signed in", "manager", "admin"
# Any token that may label; no dataset is named.
LABELING = "labeling"
VIEWER, LABELER, OWNER = "viewer", "labeler", "owner"
# What each operation asks of its caller. `signed in` and `manager` name no dataset: any token does, or one of
# the scope `manage`; `leave` is for members, with a token of that scope.
LEAVE = "leave"
NEEDS = {
    "getHealth": PUBLIC,
    "getReadiness": PUBLIC,
    "getMe": SIGNED_IN,
    "listUsers": SIGNED_IN,
    "getUser": SIGNED_IN,
    "createUser": ADMIN,
    "changeUser": ADMIN,
    "listTokens": MANAGER,
    "createToken": MANAGER,
    "revokeToken": MANAGER,
    "listDatasets": SIGNED_IN,
    "createDataset": MANAGER,
    "getDataset": VIEWER,
    "changeDataset": OWNER,
    "deleteDataset": OWNER,
    "listMembers": VIEWER,
    "putMember": OWNER,
    "removeMember": LEAVE,
    "listLabels": VIEWER,
    "createLabel": LABELER,
    "listSamples": VIEWER,
    "uploadSamples": OWNER,
    "deleteSamples": OWNER,
    "listTrash": VIEWER,
    "restoreSamples": OWNER,
    "syncDataset": OWNER,
    "getSync": VIEWER,
    "listSyncReport": VIEWER,
    "listForgottenObjects": VIEWER,
    "restoreForgottenObjects": OWNER,
    "confirmSampleChange": LABELER,
    "testStorage": MANAGER,
    "receiveStorageEvents": PUBLIC,
    "createUpload": OWNER,
    "getUpload": OWNER,
    "registerUpload": OWNER,
    "writeFile": PUBLIC,
    "createImport": OWNER,
    "listImports": VIEWER,
    "getImport": VIEWER,
    "listImportLines": VIEWER,
    "listImportedBoxes": VIEWER,
    "deleteImportedBox": LABELER,
    "createExport": OWNER,
    "listExports": VIEWER,
    "getExport": VIEWER,
    "deleteExport": OWNER,
    "downloadExport": PUBLIC,
    "getPreferences": VIEWER,
    "changePreferences": LABELER,
    "getSample": VIEWER,
    "getImageSignature": VIEWER,
    "getSampleImage": VIEWER,
    "getSampleThumbnail": VIEWER,
    "inferContour": LABELER,
    "prefetchSample": LABELER,
    "preLabel": OWNER,
    "getMetrics": ADMIN,
    "confirmPreLabels": OWNER,
    "rejectPreLabels": OWNER,
    "confirmOutlines": LABELER,
    "rejectOutlines": LABELER,
    "getAnnotations": VIEWER,
    "addAnnotation": LABELER,
    "deleteAnnotation": LABELER,
    "getDraft": VIEWER,
    "discardDraft": LABELER,
    "getLabel": VIEWER,
    "changeLabel": LABELER,
    "deleteLabel": OWNER,
    "mergeLabel": OWNER,
    "restoreLabel": OWNER,
    "takeNextSample": LABELER,
    "releaseSampleLease": LABELER,
    "getSampleNeighbours": VIEWER,
    "getSearchConditions": VIEWER,
    "listSavedFilters": VIEWER,
    "createSavedFilter": LABELER,
    "getSavedFilter": VIEWER,
    "changeSavedFilter": LABELER,
    "deleteSavedFilter": LABELER,
    "getDatasetStats": VIEWER,
    "listVersions": VIEWER,
    "publishVersion": OWNER,
    "getVersion": VIEWER,
    "changeVersion": OWNER,
    "deleteVersion": OWNER,
    "restoreVersion": OWNER,
    "setCurrentVersion": OWNER,
    "compareVersions": VIEWER,
    "compareWorkingState": VIEWER,
    "getVersionSample": VIEWER,
    "getVersionImage": VIEWER,
    "listVersionDrift": VIEWER,
    "replaceAnnotations": LABELER,
    "deleteAnnotations": LABELER,
    "getAnnotation": VIEWER,
    "changeAnnotation": LABELER,
    "listRevisions": VIEWER,
    "getRevision": VIEWER,
    "compareRevisions": VIEWER,
    "restoreRevision": LABELER,
    "undoSave": LABELER,
    "redoSave": LABELER,
    "saveDraft": LABELER,
    "listJobs": SIGNED_IN,
    "getJob": VIEWER,
    "streamJobEvents": VIEWER,
    "cancelJob": OWNER,
    "retryJob": OWNER,
    "listAuditEntries": ADMIN,
    "exportAuditEntries": ADMIN,
    "createGlobalWebhook": ADMIN,
    "listGlobalWebhooks": ADMIN,
    "createWebhook": OWNER,
    "listWebhooks": OWNER,
    "getWebhook": OWNER,
    "changeWebhook": OWNER,
    "deleteWebhook": OWNER,
    "renewWebhookSecret": OWNER,
    "pingWebhook": OWNER,
    "listWebhookDeliveries": OWNER,
    "getWebhookDelivery": OWNER,
    "redeliverWebhookDelivery": OWNER,
    "getLabelStudioHealth": PUBLIC,
    "getLabelStudioBackend": PUBLIC,
    "setUpLabelStudioProject": LABELING,
    "predictForLabelStudio": LABELING,
    "noticeForLabelStudio": PUBLIC,
    "listCvatFunctions": LABELING,
    "getCvatFunction": LABELING,
    "invokeCvatFunction": LABELING,
}
# Who may, of those who are members of the dataset; and everybody who may where no dataset is named.
MEMBERS = ("viewer", "labeler", "owner", "owner with a token to read", "admin")
ALLOWED = {
    VIEWER: set(MEMBERS),
    LABELER: {"labeler", "owner", "admin"},
    OWNER: {"owner", "admin"},
    LEAVE: {"viewer", "labeler", "owner", "admin"},
    SIGNED_IN: {*MEMBERS, "stranger"},
    MANAGER: {"stranger", "viewer", "labeler", "owner", "admin"},
    LABELING: {"stranger", "viewer", "labeler", "owner", "admin"},
    ADMIN: {"admin"},
}
IN_DATASET = {VIEWER, LABELER, OWNER, LEAVE}
ACTORS = ("nobody", "stranger", *MEMBERS)


def expected(need: str, actor: str, *, foreign: bool) -> str:
    """`in`, or the code of the refusal. foreign: another dataset than the one the actor is a member of."""
    if need == PUBLIC:
        return "in"
    if actor == "nobody":
        return "unauthenticated"
    if need in IN_DATASET and actor != "admin" and (foreign or actor == "stranger"):
        return "not_found"
    if actor in ALLOWED[need]:
        return "in"
    if actor == "owner with a token to read" or need == ADMIN:
        return "insufficient_scope"
    return "insufficient_role"


class World:
    """A dataset with a sample, a job and a webhook, and people who are something in it."""

    def __init__(self, sessions: Sessions, app: Flask, person: Callable[..., Any], admin_token: str):
        self._sessions = sessions
        self.nobody = CheckedClient(app)
        self.admin = CheckedClient(app, admin_token)
        self._person = person
        self.ids = self.fresh_ids()

    def fresh_ids(self) -> dict[str, UUID]:
        """Somebody's dataset, and what is in it, for the arguments of addresses."""
        self.dataset = make_dataset(self._sessions)
        sample = make_sample(self._sessions, self.dataset)
        job = make_job(self._sessions, sample)
        webhook = make_webhook(self._sessions, self.dataset)
        return {
            "dataset_id": self.dataset.id,
            "sample_id": sample.id,
            "job_id": job.id,
            "webhook_id": webhook.id,
        }

    def actor(self, name: str) -> tuple[FlaskClient, dict[str, UUID]]:
        """A client, and a dataset of its own in which it is what its name says."""
        ids = self.fresh_ids()
        if name in {"nobody", "admin"}:
            return getattr(self, name), ids
        if name == "stranger":
            return self._person(), ids
        role = Role.OWNER if name.startswith("owner") else Role(name)
        scope = Scope.READ if name.endswith("read") else Scope.MANAGE
        client = self._person(self.dataset, role, scope)
        return client, {**ids, "user_id": client.user.id}


@pytest.fixture
def world(sessions: Sessions, app: Flask, person: Callable[..., Any], admin_token: str) -> World:
    return World(sessions, app, person, admin_token)


def address_of(path: str, ids: dict[str, UUID], unknown: UUID) -> str:
    """The path with its arguments; those that nobody has made name nothing."""
    others = {"number": "1"}
    return re.sub(r"{(\w+)}", lambda part: others.get(part[1]) or str(ids.get(part[1], unknown)), path)


def outcome(client: FlaskClient, name: str, ids: dict[str, UUID], unknown: UUID) -> str:
    """`in`, or the code with which the guard refuses.

    There is no body: who gets in may still be told what is missing.
    """
    method, path = OPERATIONS[name]
    answer = client.open(address_of(path, ids, unknown), method=method)
    # The address of a slot is its permission, and the bucket has a token of its own: no matter who sends it.
    if answer.status_code in {401, 403} and answer.json["code"] not in {"signature_invalid", "token_invalid"}:
        return str(answer.json["code"])
    return "not_found" if _is_guards(answer, path, ids) else "in"


def _is_guards(answer: TestResponse, path: str, ids: dict[str, UUID]) -> bool:
    """Whether the outermost thing that the address names is said not to be there.

    What else it names, a draft or a token, is not there indeed.
    """
    if answer.status_code != 404:
        return False
    details = [f"There is no {name.removesuffix('_id')} {ids[name]}." for name in ids if f"{{{name}}}" in path]
    return answer.json["detail"] in details[:1]


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_lets_in_whom_its_row_says(name: str, world: World, unknown_id: UUID) -> None:
    assert name in NEEDS, "say in NEEDS who may do this"
    found = {}
    for actor in ACTORS:
        client, ids = world.actor(actor)
        found[actor] = outcome(client, name, ids, unknown_id)
    assert found == {actor: expected(NEEDS[name], actor, foreign=False) for actor in ACTORS}


@pytest.mark.parametrize("name", [name for name in OPERATIONS if NEEDS.get(name) in IN_DATASET])
def test_in_a_foreign_dataset_everybody_but_an_admin_is_a_stranger(
    name: str, world: World, unknown_id: UUID
) -> None:
    found = {}
    for actor in ACTORS:
        client, _ = world.actor(actor)
        found[actor] = outcome(client, name, world.fresh_ids(), unknown_id)
    assert found == {actor: expected(NEEDS[name], actor, foreign=True) for actor in ACTORS}


def test_no_row_is_left_of_an_operation_that_is_gone() -> None:
    assert NEEDS.keys() <= OPERATIONS.keys()


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_contract_says_which_operations_are_open_to_everybody(name: str) -> None:
    method, path = OPERATIONS[name]
    operation = CONTRACT["paths"][path][method.lower()]
    assert (operation.get("security") == []) == (NEEDS.get(name) == PUBLIC)


@pytest.mark.parametrize("name", [name for name in OPERATIONS if "{" in OPERATIONS[name][1]])
def test_what_is_hidden_looks_like_what_is_not_there(name: str, world: World, unknown_id: UUID) -> None:
    method, path = OPERATIONS[name]
    stranger, _ = world.actor("stranger")
    answers = []
    for ids in (world.fresh_ids(), {}):
        answer = stranger.open(address_of(path, ids, unknown_id), method=method)
        text = answer.text
        for value in (*ids.values(), unknown_id, answer.headers["X-Request-ID"]):
            text = text.replace(str(value), "-")
        answers.append((answer.status_code, text))
    assert answers[0] == answers[1]
