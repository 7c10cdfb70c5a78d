"""People who label: each opens an image, clicks four times, waits for the outline, saves, asks for the next.

They do what docs/frontend-guide.md tells a page to do, what to send again and when included, and note down all
that they were told, so that it can be held against what is there afterwards.
"""

import asyncio
import random
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx

STEPS = ("next", "open", "image", "prefetch", "click", "save")
# What docs/api.md says may happen to a click when its workers die; the person clicks again.
HONEST_FAILURES = {"attempts_exhausted", "deadline_exceeded"}
_NO_ANSWER_PAUSE_SECONDS = 0.5
# Shares of the time for one object: until the image is understood, for the four clicks, and for the name.
_LOOKING, _CLICKING, _NAMING = 0.2, 0.6, 0.2
# Who gets no answer for so long has found a defect, whatever was done to the service.
_PATIENCE_SECONDS = 120.0
_LEASE_SECONDS = 600


class GivenUpError(Exception):
    """The service said something that no page could go on from; it has been noted down."""


@dataclass(frozen=True)
class Save:
    """A document that the service said it has: one object on an image, from an outline that it drew."""

    sample_id: str
    annotation_id: str
    contour_id: str
    person: int


@dataclass
class Ledger:
    """What all people were told.

    seconds: for each step the moments it ended at, on time.monotonic's clock, and how long it took from the
    first request to the answer that counts, pauses that the service asked for included. retries: refusals that
    say when to come again, and answers that never came, by step and reason. unexpected: everything else.
    polled: clicks that were answered 202. in_doubt: saves that were sent, and nobody said how they ended.
    """

    seconds: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))
    retries: Counter[tuple[str, str]] = field(default_factory=Counter)
    unexpected: list[str] = field(default_factory=list)
    requests: int = 0
    polled: int = 0
    failed_jobs: Counter[str] = field(default_factory=Counter)
    saves: list[Save] = field(default_factory=list)
    in_doubt: list[Save] = field(default_factory=list)
    contours: set[str] = field(default_factory=set)
    accepted_jobs: set[str] = field(default_factory=set)

    def wrong(self, step: str, answer: httpx.Response) -> GivenUpError:
        """Note an answer that should not have come."""
        self.unexpected.append(f"{step}: {answer.status_code} {answer.text[:300]}")
        return GivenUpError(step)


@dataclass(frozen=True)
class World:
    """Where people work. clicks: what there is to outline, by the beginning of the file's name."""

    base_url: str
    dataset_id: str
    clicks: dict[str, list[tuple[str, dict[str, list[float]]]]]


class Labeler:
    """One person with one connection, who labels until told to stop.

    pace: seconds for an object that the person takes, on average; what the service takes comes on top.
    """

    def __init__(self, number: int, token: str, world: World, pace: float, ledger: Ledger):
        self._number = number
        self._world = world
        self._pace = pace
        self._ledger = ledger
        self._chance = random.Random(number)
        self._headers = {"Authorization": f"Bearer {token}"}

    async def work(self, stop: asyncio.Event) -> None:
        """Label image after image. When it is time to stop, who has an outline saves it, and nobody clicks."""
        limits = httpx.Limits(max_connections=2, keepalive_expiry=10)
        # Nothing here speaks TLS, and a context for it would cost each of hundreds of people 20 ms.
        async with httpx.AsyncClient(
            base_url=self._world.base_url, headers=self._headers, timeout=60, limits=limits, verify=False
        ) as http:
            # Not everybody comes at nine sharp.
            await self._think(self._chance.random(), stop)
            while not stop.is_set():
                try:
                    await self._label_one(http, stop)
                except GivenUpError:
                    await asyncio.sleep(1)

    async def _label_one(self, http: httpx.AsyncClient, stop: asyncio.Event) -> None:
        with self._timed("next"):
            body = {"lease_seconds": _LEASE_SECONDS}
            answer = await self._ask(
                http, "next", "POST", f"/v1/datasets/{self._world.dataset_id}/samples/next", json=body, key=True
            )
        sample = answer.json()["sample"]
        if sample is None:
            raise SystemExit("All images are labeled; make more of them.")
        at = f"/v1/samples/{sample['id']}"
        with self._timed("open"):
            document = await self._ask(http, "open", "GET", f"{at}/annotations")
        with self._timed("image"):
            await self._ask(http, "image", "GET", f"{at}/image")
        with self._timed("prefetch"):
            await self._ask(http, "prefetch", "PUT", f"{at}/embedding")
        label, points = self._chance.choice(self._world.clicks[sample["name"].split("-")[0]])
        await self._think(_LOOKING, stop)
        await self._think(_CLICKING, stop)
        if stop.is_set():
            return
        with self._timed("click"):
            contour_id = await self._click(http, at, points)
        await self._think(_NAMING, stop)
        save = Save(sample["id"], str(uuid4()), contour_id, self._number)
        with self._timed("save"):
            await self._save(http, save, label, document.headers["ETag"])

    async def _click(self, http: httpx.AsyncClient, at: str, points: dict[str, list[float]]) -> str:
        """The id of the outline."""
        headers = {"Prefer": "wait=30"}
        while True:
            answer = await self._ask(
                http, "click", "POST", f"{at}/contours", json={"points": points}, headers=headers
            )
            if answer.status_code == httpx.codes.OK:
                return self._outlined(answer.json()["contour_id"])
            job = answer.json()
            if answer.status_code == httpx.codes.ACCEPTED:
                self._ledger.polled += 1
                self._ledger.accepted_jobs.add(job["id"])
                job = await self._outcome(http, job)
                if job["state"] == "succeeded":
                    return self._outlined(job["result"]["contour_id"])
                code = (job["error"] or {}).get("code", job["state"])
            else:
                code = job["code"]
            if code not in HONEST_FAILURES:
                raise self._ledger.wrong("click", answer)
            self._ledger.failed_jobs[code] += 1

    async def _outcome(self, http: httpx.AsyncClient, job: dict[str, Any]) -> dict[str, Any]:
        headers = {"Prefer": "wait=25"}
        while job["state"] in {"queued", "running"}:
            answer = await self._ask(http, "click", "GET", f"/v1/jobs/{job['id']}", headers=headers)
            job = answer.json()
        return job

    def _outlined(self, contour_id: str) -> str:
        self._ledger.contours.add(contour_id)
        return contour_id

    async def _save(self, http: httpx.AsyncClient, save: Save, label: str, etag: str) -> None:
        objects = [{"id": save.annotation_id, "contour_id": save.contour_id, "label": label}]
        address, headers = f"/v1/samples/{save.sample_id}/annotations", {"If-Match": etag}
        try:
            await self._ask(http, "save", "PUT", address, json={"annotations": objects}, headers=headers)
        except (GivenUpError, asyncio.CancelledError):
            self._ledger.in_doubt.append(save)
            raise
        self._ledger.saves.append(save)

    async def _ask(
        self, http: httpx.AsyncClient, step: str, method: str, address: str, *, key: bool = False, **how: Any
    ) -> httpx.Response:
        """Send, and send again as docs/frontend-guide.md says. Raises GivenUpError.

        key: whether it carries an Idempotency-Key. Returns what is no error, or says how a click's job failed.
        """
        headers = how.pop("headers", {}) | ({"Idempotency-Key": str(uuid4())} if key else {})
        give_up_at = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < give_up_at:
            self._ledger.requests += 1
            try:
                answer = await http.request(method, address, headers=headers, **how)
            except httpx.TransportError as error:
                self._ledger.retries[step, f"no answer: {type(error).__name__}"] += 1
                await asyncio.sleep(_NO_ANSWER_PAUSE_SECONDS)
                continue
            if answer.is_success:
                return answer
            code = _code(answer)
            if step == "click" and code in HONEST_FAILURES:
                return answer
            if "Retry-After" not in answer.headers or answer.status_code not in {409, 429, 503}:
                raise self._ledger.wrong(step, answer)
            self._ledger.retries[step, f"{answer.status_code} {code}"] += 1
            await asyncio.sleep(float(answer.headers["Retry-After"]))
        self._ledger.unexpected.append(f"{step}: no answer that counts within {_PATIENCE_SECONDS:.0f} s")
        raise GivenUpError(step)

    async def _think(self, share: float, stop: asyncio.Event) -> None:
        """Half to one and a half times the share of the pace; cut short when it is time to stop."""
        seconds = self._pace * share * self._chance.uniform(0.5, 1.5)
        try:
            await asyncio.wait_for(stop.wait(), seconds)
        except TimeoutError:
            return

    @contextmanager
    def _timed(self, step: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        ended = time.monotonic()
        self._ledger.seconds[step].append((ended, ended - began))


def _code(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["code"])
    except (ValueError, KeyError, TypeError):
        return "without a code"
