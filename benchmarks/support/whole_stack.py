"""What people do in Fourpoint, as calls of its API, on a whole stack with the workers."""

from collections.abc import Sequence
from typing import Any

import httpx
from benchmarks.support.in_turns import Side

from fourpoint_standalone.stack import Stack


class Ours(Side):
    """Fourpoint: a whole stack, with the worker that synchronises and exports."""

    def __init__(self, stack: Stack):
        super().__init__(lambda: list(stack.pids.values()))
        self.stack = stack
        self.http = client_of(stack.base_url, stack.admin_token)
        self._numbers = iter(range(1_000_000))

    def call(self, method: str, path: str, **more: Any) -> Any:
        """The body of a successful answer."""
        return called(self.http, method, path, **more)

    def dataset(self, **more: Any) -> str:
        """An empty one."""
        return str(
            self.call("POST", "/v1/datasets", json={"name": f"bench {next(self._numbers)}", **more})["id"]
        )

    def upload(self, dataset: str, files: Sequence[tuple[str, bytes]]) -> None:
        """Images, in one request."""
        parts = [("files", (name, data, "image/jpeg")) for name, data in files]
        self.call("POST", f"/v1/datasets/{dataset}/samples", files=parts)

    def add_folder(self, folder: str) -> str:
        """A dataset on a folder of the bucket, when all of its images are samples."""
        dataset = self.dataset(input_path=f"{folder}/")
        self.finish(self.call("GET", f"/v1/datasets/{dataset}/sync")["job"])
        return dataset

    def finish(self, job: Any) -> Any:
        """The result of a job."""
        while job["state"] not in {"succeeded", "failed", "cancelled"}:
            job = self.call("GET", f"/v1/jobs/{job['id']}", headers={"Prefer": "wait=10"})
        if job["result"] is None:
            raise SystemExit(f"Fourpoint: {job['error']}")
        return job["result"]

    def export(self, dataset: str) -> bytes:
        """The archive of a dataset as COCO."""
        job = self.call(
            "POST", f"/v1/datasets/{dataset}/exports", json={"format": "coco", "with_images": False}
        )
        made = self.call("GET", f"/v1/datasets/{dataset}/exports/{self.finish(job)['export_id']}")
        return self.http.get(made["download"]["url"]).raise_for_status().content


def client_of(base_url: str, token: str) -> httpx.Client:
    """Speaks HTTP to a server."""
    return httpx.Client(
        base_url=base_url, headers={"Authorization": f"Bearer {token}"}, timeout=900, trust_env=False
    )


def called(http: httpx.Client, method: str, path: str, **more: Any) -> Any:
    """The body of a successful answer."""
    response = http.request(method, path, **more)
    if not response.is_success:
        raise SystemExit(f"Fourpoint: {path}: {response.status_code} {response.text[:500]}")
    return response.json()


def sample_ids(http: httpx.Client, dataset: str) -> list[str]:
    """Of all samples, in their order."""
    found: list[str] = []
    cursor = ""
    while True:
        body = called(http, "GET", f"/v1/datasets/{dataset}/samples?limit=1000{cursor}")
        found += [item["id"] for item in body["items"]]
        if body["next_cursor"] is None:
            return found
        cursor = f"&cursor={body['next_cursor']}"


def cursors(http: httpx.Client, dataset: str, count: int, page: int) -> tuple[str, str]:
    """Of the page in the middle and of the last one."""
    found: list[str] = []
    cursor = ""
    for _ in range(-(-count // page) - 1):
        body = called(http, "GET", f"/v1/datasets/{dataset}/samples?limit={page}{cursor}")
        found.append(body["next_cursor"])
        cursor = f"&cursor={found[-1]}"
    return found[len(found) // 2], found[-1]
