"""What the requests are about: a dataset, images, labels and jobs, and as many more as get destroyed."""

import io
import json
import time
from itertools import count
from typing import Any
from uuid import uuid4

import httpx
from PIL import Image, ImageDraw

Json = dict[str, Any]
CLICKS = {"top": [60, 20], "bottom": [60, 100], "left": [20, 60], "right": [100, 60]}
CONTOUR = {"parts": [{"outer": [[20.0, 20.0], [90.0, 25.0], [70.0, 95.0]], "holes": []}]}
_FINAL = {"succeeded", "failed", "cancelled"}


def photo() -> bytes:
    """A PNG of 120 x 120 pixels with a disc in it, unlike every other."""
    image = Image.new("RGB", (120, 120), (40, 50, 60))
    ImageDraw.Draw(image).ellipse((20, 20, 100, 100), fill=(200, 180, 60))
    for index, value in enumerate(uuid4().bytes):
        image.putpixel((index, 0), (value, value, value))
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


class World:
    """Seeds a running Fourpoint as its admin, and makes what a destructive request may have.

    kept: ids by the name of the parameter that they stand for; destructive requests are led away from them.
    """

    def __init__(self, base_url: str, token: str):
        self._http = httpx.Client(
            base_url=f"{base_url}/v1",
            headers={"Authorization": f"Bearer {token}"},
            timeout=60,
            trust_env=False,
        )
        self.kept: dict[str, str] = {}
        self.download_token = ""
        self.protected: set[str] = set()
        self.scratch = ""
        self._kept_name = f"{uuid4()}.png"
        self._seeds = count(1)
        self._imports = 0
        self._seed()

    def etag(self, path: str) -> str | None:
        """The entity tag of a resource as it is now."""
        answer = self._http.get(path)
        return answer.headers.get("ETag") if answer.is_success else None

    def dataset(self) -> str:
        """An empty dataset."""
        return str(self._post("/datasets", {"name": f"spare {uuid4()}"})["id"])

    def dataset_with_sample(self) -> str:
        """A dataset of one image."""
        dataset_id = self.dataset()
        self.sample(dataset_id)
        return dataset_id

    def sample(self, dataset_id: str, name: str | None = None) -> str:
        """An image of a dataset."""
        files = [("files", (name or f"{uuid4()}.png", photo(), "image/png"))]
        answer = self._http.post(f"/datasets/{dataset_id}/samples", files=files)
        return str(_body(answer)["items"][0]["id"])

    def label(self, *, deleted: bool = False) -> str:
        """A label that names nothing."""
        path = f"/datasets/{self.kept['dataset_id']}/labels"
        label_id = str(self._post(path, {"name": f"spare {uuid4()}"})["id"])
        if deleted:
            self._http.delete(f"{path}/{label_id}", params={"policy": "label"}).raise_for_status()
        return label_id

    def annotation(self, sample_id: str) -> str:
        """An object of an image."""
        path = f"/samples/{sample_id}/annotations"
        return str(self._post(path, {"contour": CONTOUR, "label": "disc"})["id"])

    def undo(self, sample_id: str) -> None:
        """Take the last save of an image back."""
        condition = {"If-Match": self.etag(f"/samples/{sample_id}/annotations") or ""}
        self._http.post(f"/samples/{sample_id}/undo", headers=condition).raise_for_status()

    def filter(self) -> str:
        """A saved filter."""
        path = f"/datasets/{self.kept['dataset_id']}/filters"
        return str(self._post(path, {"name": f"spare {uuid4()}", "filter": {"difficult": True}})["id"])

    def user(self) -> str:
        """A person who holds nothing."""
        return str(self._post("/users", {"name": f"person {uuid4()}"})["id"])

    def member(self) -> str:
        """A person who labels in the dataset."""
        user_id = self.user()
        path = f"/datasets/{self.kept['dataset_id']}/members/{user_id}"
        self._http.put(path, json={"role": "labeler"}).raise_for_status()
        return user_id

    def token(self, *, user_id: str | None = None, scope: str = "read") -> Json:
        """A token and its id."""
        return self._post("/tokens", {"name": "spare", "scope": scope, "user_id": user_id})

    def job(self) -> str:
        """A job that waits behind another one, so that there is time to cancel it."""
        self._queue_export()
        return self._queue_export()

    def export(self) -> Json:
        """An export that can be downloaded, unlike every other."""
        export_id = self._ended(self._queue_export())["result"]["export_id"]
        return _body(self._http.get(f"/datasets/{self.kept['dataset_id']}/exports/{export_id}"))

    def imported(self) -> str:
        """An import, after which the kept image has boxes that wait for an outline."""
        dataset_id = self.kept["dataset_id"]
        # Others than those before: a box that has its outline is not kept again.
        self._imports += 1
        shift = self._imports / 100
        document = {
            "images": [{"id": 1, "file_name": self._kept_name, "width": 120, "height": 120}],
            "categories": [{"id": 1, "name": "disc"}],
            "annotations": [
                {"id": 1 + index, "image_id": 1, "category_id": 1, "bbox": [20 + shift, 20, 40 + index, 80]}
                for index in range(40)
            ],
        }
        upload = self._put(json.dumps(document).encode(), f"{uuid4()}.json", "application/json")
        body = {"format": "coco", "upload_id": upload["id"], "with_images": False}
        return str(self._ended(str(self._post(f"/datasets/{dataset_id}/imports", body)["id"]))["id"])

    def box(self) -> str:
        """An imported box of the kept image."""
        # Pre-labeling uses them up.
        path = f"/samples/{self.kept['sample_id']}/boxes"
        if len(_body(self._http.get(path))["items"]) < 2:
            self.imported()
        return str(_body(self._http.get(path))["items"][-1]["id"])

    def failed_job(self) -> str:
        """A click that failed, because what it was to be saved as is something else."""
        body = {
            "points": CLICKS,
            "save": "document",
            "label": "disc",
            "annotation_id": self.kept["annotation_id"],
        }
        path = f"/samples/{self.kept['sample_id']}/contours"
        answer = self._http.post(path, json=body, headers={"Prefer": "wait=30"})
        return str(answer.json()["job_id"])

    def upload(self, *, written: bool = False) -> Json:
        """Slots for one image; written: its bytes are in there."""
        return self._put(photo(), f"{uuid4()}.png", "image/png", written=written)

    def version(self, dataset_id: str) -> str:
        """A version of a dataset, as it is now."""
        path = f"/datasets/{dataset_id}/versions"
        self._ended(str(self._post(path, {"name": f"v{uuid4().hex[:24]}"})["id"]))
        return str(_body(self._http.get(path))["items"][0]["id"])

    def earlier_version(self, *, deleted: bool = False) -> dict[str, str]:
        """A version of a dataset of its own that is not the current one."""
        dataset_id = self.dataset_with_sample()
        version_id = self.version(dataset_id)
        self.sample(dataset_id)
        self.version(dataset_id)
        if deleted:
            self._http.delete(f"/datasets/{dataset_id}/versions/{version_id}").raise_for_status()
        return {"dataset_id": dataset_id, "version_id": version_id}

    def webhook(self) -> str:
        """A webhook that hears of nothing but pings."""
        body = {"url": "https://example.org/fourpoint", "events": ["dataset.deleted"]}
        path = f"/datasets/{self.kept['dataset_id']}/webhooks"
        return str(self._post(path, body)["id"])

    def delivery(self) -> dict[str, str]:
        """A ping, with the id of its webhook."""
        webhook_id = self.webhook()
        delivery_id = str(self._post(f"/webhooks/{webhook_id}/ping", None)["id"])
        return {"webhook_id": webhook_id, "delivery_id": delivery_id}

    def deletion(self) -> str:
        """A deletion that can be taken back."""
        dataset_id = self.kept["dataset_id"]
        body = {"ids": [self.sample(dataset_id)]}
        return str(self._post(f"/datasets/{dataset_id}/samples/delete", body)["deletion_id"])

    def _seed(self) -> None:
        kept = self.kept
        kept["dataset_id"] = self.dataset()
        kept["sample_id"] = self.sample(kept["dataset_id"], self._kept_name)
        self.scratch = self.sample(kept["dataset_id"])
        kept["annotation_id"] = self.annotation(kept["sample_id"])
        kept["label_id"] = str(self._post(f"/datasets/{kept['dataset_id']}/labels", {"name": "disc"})["id"])
        kept["filter_id"] = self.filter()
        kept["user_id"] = self.member()
        kept["token_id"] = self.token()["id"]
        clicked = self._http.post(
            f"/samples/{kept['sample_id']}/contours", json={"points": CLICKS}, headers={"Prefer": "wait=30"}
        )
        kept["contour_id"] = str(_body(clicked)["contour_id"])
        kept["job_id"] = self.job()
        self._ended(kept["job_id"])
        kept["upload_id"] = self.upload()["id"]
        exported = self.export()
        kept["export_id"], self.download_token = exported["id"], exported["download"]["url"].split("/")[-2]
        kept["import_id"] = self.imported()
        kept["box_id"] = self.box()
        kept["version_id"] = self.version(kept["dataset_id"])
        kept |= self.delivery()
        draft = {"annotations": [{"contour": CONTOUR, "label": "disc"}]}
        self._http.put(f"/samples/{kept['sample_id']}/draft", json=draft).raise_for_status()
        self.protected = set(kept.values())
        self.protected.add(str(_body(self._http.get("/me"))["id"]))
        self.protected |= {item["id"] for item in _body(self._http.get("/tokens"))["items"]}

    def _queue_export(self) -> str:
        body = {"format": "coco", "split": {"ratios": {"train": 1.0}, "seed": next(self._seeds)}}
        return str(self._post(f"/datasets/{self.kept['dataset_id']}/exports", body)["id"])

    def _put(self, data: bytes, name: str, media_type: str, *, written: bool = True) -> Json:
        file = {"name": name, "size_bytes": len(data), "content_type": media_type}
        upload = self._post(f"/datasets/{self.kept['dataset_id']}/uploads", {"files": [file]})
        slot = upload["files"][0]
        if written:
            address = self._http.base_url.join(slot["url"])
            httpx.put(
                address, content=data, headers=slot["headers"], timeout=60, trust_env=False
            ).raise_for_status()
        return {"id": upload["id"], "token": slot["url"].rpartition("/")[2], "data": data}

    def _ended(self, job_id: str) -> Json:
        deadline = time.monotonic() + 300
        while (job := _body(self._http.get(f"/jobs/{job_id}")))["state"] not in _FINAL:
            if time.monotonic() > deadline:
                raise TimeoutError(f"The job {job_id} does not end.")
            time.sleep(0.05)
        return job

    def _post(self, path: str, body: Json | None) -> Json:
        return _body(self._http.post(path, json=body))


def _body(answer: httpx.Response) -> Json:
    if not answer.is_success:
        raise RuntimeError(f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text}")
    body: Json = answer.json()
    return body
