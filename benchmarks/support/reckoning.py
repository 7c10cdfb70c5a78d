"""After the load: everything that people were told is read back, and held against what is there."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
from benchmarks.support.labelers import HONEST_FAILURES, Ledger, Save, World

_AT_ONCE = 4
_END_SECONDS = 150.0


@dataclass
class Reckoning:
    """What was found. jobs: of clicks, how many ended how; wrong: sentences about what does not fit."""

    saves: int = 0
    jobs: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


async def reckon(world: World, token: str, ledger: Ledger) -> Reckoning:
    """Read every document and every job. token: an admin's."""
    found = Reckoning(wrong=list(ledger.unexpected))
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=world.base_url, headers=headers, timeout=60) as http:
        await _wait_for_jobs(http, world, found)
        await _check_jobs(http, world, ledger, found)
        await _check_saves(http, world, ledger, found)
    return found


async def _wait_for_jobs(http: httpx.AsyncClient, world: World, found: Reckoning) -> None:
    give_up_at = time.monotonic() + _END_SECONDS
    for state in ("queued", "running"):
        while left := [job async for job in _jobs(http, world, state)]:
            if time.monotonic() > give_up_at:
                found.wrong.append(f"{len(left)} jobs have not ended after {_END_SECONDS:.0f} s")
                return
            await asyncio.sleep(0.5)


async def _check_jobs(http: httpx.AsyncClient, world: World, ledger: Ledger, found: Reckoning) -> None:
    contours, ended = set(), set()
    async for job in _jobs(http, world, None):
        if job["kind"] not in {"infer_contour", "prefetch_sample"}:
            continue
        error = (job["error"] or {}).get("code", "")
        is_click = job["kind"] == "infer_contour"
        if is_click:
            ended.add(job["id"])
            found.jobs[error or job["state"]] += 1
        if job["state"] == "succeeded":
            contours.add((job["result"] or {}).get("contour_id"))
        elif job["state"] == "failed" and error not in HONEST_FAILURES:
            found.wrong.append(f"a job of {job['kind']} failed with {error}: {job['error']}")
        elif job["state"] == "cancelled" and is_click:
            found.wrong.append(f"click {job['id']} was cancelled, and nobody hung up")
    if lost := ledger.contours - contours:
        found.wrong.append(f"{len(lost)} outlines were answered, and no job has them")
    if lost := ledger.accepted_jobs - ended:
        found.wrong.append(f"{len(lost)} jobs were accepted, and are not there")


async def _check_saves(http: httpx.AsyncClient, world: World, ledger: Ledger, found: Reckoning) -> None:
    given_to = Counter(save.sample_id for save in ledger.saves)
    found.wrong += [f"image {sample} was saved by {n} people" for sample, n in given_to.items() if n > 1]
    turns = asyncio.Semaphore(_AT_ONCE)

    async def check(save: Save, is_sure: bool) -> int:
        async with turns:
            document = (await http.get(f"/v1/samples/{save.sample_id}/annotations")).raise_for_status().json()
        objects = [(one["id"], one["contour_id"]) for one in document["annotations"]]
        if not objects and not is_sure:
            return 0
        if objects != [(save.annotation_id, save.contour_id)] or document["revision"] != 1:
            found.wrong.append(f"{save} was accepted; there is {objects} in revision {document['revision']}")
        return 1

    there = await asyncio.gather(*(check(save, True) for save in ledger.saves))
    maybe = await asyncio.gather(*(check(save, False) for save in ledger.in_doubt))
    found.saves = sum(there) + sum(maybe)
    stats = (await http.get(f"/v1/datasets/{world.dataset_id}/stats")).raise_for_status().json()
    labeled = stats["samples"]["labeled"]
    objects = sum(one["objects"] for one in stats["labels"])
    if (labeled, objects) != (found.saves, found.saves):
        found.wrong.append(f"{found.saves} saves, and {objects} objects on {labeled} labeled images")


async def _jobs(http: httpx.AsyncClient, world: World, state: str | None) -> AsyncIterator[dict[str, Any]]:
    wanted: dict[str, Any] = {"dataset_id": world.dataset_id, "limit": 1000}
    if state is not None:
        wanted["state"] = state
    while True:
        page = (await http.get("/v1/jobs", params=wanted)).raise_for_status().json()
        for job in page["items"]:
            yield job
        if page["next_cursor"] is None:
            return
        wanted["cursor"] = page["next_cursor"]
