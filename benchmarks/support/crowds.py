"""What labelers need before they can begin: a dataset of photographs, all different, and a token each."""

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from benchmarks.support.labelers import World
from PIL import Image

from fourpoint_core.domain.access import Scope
from fourpoint_standalone import people
from fourpoint_standalone.photographs import PHOTOGRAPHS
from fourpoint_standalone.stack import Stack


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with a token to label with."""

    user_id: UUID
    token: str


def dataset_of_photographs(stack: Stack, name: str, count: int) -> World:
    """So many images, synchronised from the bucket; no two have the same bytes, so none is known before."""
    folder = stack.object_directory / name
    folder.mkdir()
    kinds = [(Path(photograph.file_name).stem, _jpeg(photograph.read())) for photograph in PHOTOGRAPHS]
    for number in range(count):
        kind, data = kinds[number % len(kinds)]
        comment = f"{name} {number}"
        (folder / f"{kind}-{number:06}.jpg").write_bytes(_with_comment(data, comment))
    with admin(stack) as http:
        dataset = _body(http.post("/v1/datasets", json={"name": name, "input_path": f"{name}/"}))
        job = _body(http.get(f"/v1/datasets/{dataset['id']}/sync"))["job"]
        while job["state"] in {"queued", "running"}:
            job = _body(http.get(f"/v1/jobs/{job['id']}", headers={"Prefer": "wait=25"}))
        if job["state"] != "succeeded":
            raise SystemExit(f"the images could not be added: {job['error']}")
    clicks = {
        Path(photograph.file_name).stem: [(thing.label, thing.points) for thing in photograph.things]
        for photograph in PHOTOGRAPHS
    }
    return World(stack.base_url, dataset["id"], clicks)


def hire(stack: Stack, count: int) -> list[Person]:
    """So many people, who are nothing yet in any dataset."""
    found = []
    for number in range(count):
        user = people.add_user(stack.database_url, f"labeler {number}", is_admin=False)
        _, token = people.create_token(stack.database_url, user.name, "load", Scope.LABEL, 1)
        found.append(Person(user.id, token))
    return found


def let_in(stack: Stack, world: World, crowd: Sequence[Person]) -> None:
    """Make them labelers of the dataset."""
    with admin(stack) as http:
        for person in crowd:
            address = f"/v1/datasets/{world.dataset_id}/members/{person.user_id}"
            http.put(address, json={"role": "labeler"}).raise_for_status()


@contextmanager
def admin(stack: Stack) -> Iterator[httpx.Client]:
    """HTTP as the stack's admin."""
    headers = {"Authorization": f"Bearer {stack.admin_token}"}
    with httpx.Client(base_url=stack.base_url, headers=headers, timeout=60) as http:
        yield http


def _jpeg(data: bytes) -> bytes:
    out = BytesIO()
    Image.open(BytesIO(data)).convert("RGB").save(out, "JPEG", quality=92)
    return out.getvalue()


def _with_comment(jpeg: bytes, comment: str) -> bytes:
    """The same picture in other bytes: JPEG has room for words after its first marker."""
    text = comment.encode()
    return jpeg[:2] + b"\xff\xfe" + struct.pack(">H", len(text) + 2) + text + jpeg[2:]


def _body(response: httpx.Response) -> Any:
    return response.raise_for_status().json()
