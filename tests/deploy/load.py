"""People who label meanwhile, from outside, and what they were answered."""

import threading
import time
from collections import Counter
from typing import Self
from uuid import uuid4

import httpx
from tests.http_client import Client, disc_photo

PEOPLE = 3
# What a person at a page does not see: the page asks again, under the same key.
RETRIED = {502, 503, 504}


class Load:
    """Each on an image of their own: look, click, save what comes, look again.

    patient: whether they ask again where nobody answered; else that is a failure. answers: by status.
    saved: ids of annotations that were acknowledged, by sample.
    """

    def __init__(self, url: str, token: str, *, patient: bool = False):
        self._url = url
        self._token = token
        self._patient = patient
        self._stop = threading.Event()
        self.answers: Counter[int] = Counter()
        self.failures: list[str] = []
        self.repeated = 0
        self.slowest = 0.0
        self.saved: dict[str, set[str]] = {}
        self.client = Client(url, token)

    def __enter__(self) -> Self:
        self.dataset = self.client.create_dataset(f"load {uuid4()}")
        photos = [(f"{number}.png", disc_photo(number)) for number in range(PEOPLE)]
        samples = [sample["id"] for sample in self.client.upload(self.dataset["id"], *photos)]
        self.saved = {sample: set() for sample in samples}
        self._people = [threading.Thread(target=self._label, args=(sample,)) for sample in samples]
        for person in self._people:
            person.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        for person in self._people:
            person.join()

    def wait_for_saves(self, more: int) -> None:
        """Until so many more were acknowledged."""
        wanted = self._count() + more
        end = time.monotonic() + 180
        while self._count() < wanted:
            assert time.monotonic() < end, f"no {more} saves in time; {self.failures[-3:]}"
            time.sleep(0.1)

    def check(self) -> None:
        """What was acknowledged is there, once, and nothing else is. Raises AssertionError."""
        for sample, saved in self.saved.items():
            found = [item["id"] for item in self.client.annotations(sample)]
            assert len(found) == len(set(found))
            assert set(found) == saved, f"{len(saved)} acknowledged, {len(found)} there"

    def summary(self) -> str:
        """For the log."""
        return (
            f"{sum(self.answers.values())} answers {dict(self.answers)}, {self._count()} saves, "
            f"{self.repeated} asked again, {len(self.failures)} failures, slowest {self.slowest:.1f} s"
        )

    def _count(self) -> int:
        return sum(map(len, self.saved.values()))

    def _label(self, sample: str) -> None:
        # A connection of one's own for each request, as many clients make many.
        with httpx.Client(
            base_url=self._url, headers={"Authorization": f"Bearer {self._token}"}, timeout=60
        ) as http:
            while not self._stop.is_set():
                self._round(http, sample)

    def _round(self, http: httpx.Client, sample: str) -> None:
        self._ask(http, "GET", f"/v1/samples/{sample}")
        points = {"top": [60, 20], "bottom": [60, 100], "left": [20, 60], "right": [100, 60]}
        clicked = self._ask(
            http,
            "POST",
            f"/v1/samples/{sample}/contours",
            json={"points": points},
            headers={"Prefer": "wait=30"},
        )
        if clicked is None or clicked.status_code != 200:
            return
        body = {"contour_id": clicked.json()["contour_id"], "label": "disc"}
        added = self._ask(http, "POST", f"/v1/samples/{sample}/annotations", json=body)
        if added is not None and added.status_code == 201:
            self.saved[sample].add(added.json()["id"])
        self._ask(http, "GET", f"/v1/samples/{sample}/annotations")

    def _ask(self, http: httpx.Client, method: str, path: str, **options: object) -> httpx.Response | None:
        headers = {"Idempotency-Key": str(uuid4()), **options.pop("headers", {})}  # type: ignore[dict-item]
        end = time.monotonic() + 120
        while True:
            begun = time.monotonic()
            try:
                answer = http.request(method, path, headers=headers, **options)  # type: ignore[arg-type]
            except httpx.TransportError as error:
                answer, word = None, f"{method} {path}: {error!r}"
            else:
                word = f"{method} {path}: {answer.status_code} {answer.text[:200]}"
                self.answers[answer.status_code] += 1
            self.slowest = max(self.slowest, time.monotonic() - begun)
            if answer is not None and answer.is_success:
                return answer
            # 409: whoever was at it was killed, or still is at it.
            in_progress = answer is not None and answer.status_code == 409 and "in_progress" in answer.text
            is_retried = answer is None or answer.status_code in RETRIED or in_progress
            if not self._patient or not is_retried or time.monotonic() > end:
                self.failures.append(word)
                return answer
            self.repeated += 1
            time.sleep(0.5)
