"""A client as a frontend would write it: plain HTTP, nothing of Fourpoint imported."""

import io
from typing import Any

import httpx
import numpy as np
from PIL import Image, ImageDraw

JSON = dict[str, Any]
DISC = {"top": [60, 20], "bottom": [60, 100], "left": [20, 60], "right": [100, 60]}


def disc_photo(seed: int = 0, side: int = 120) -> bytes:
    """A PNG of a bright disc of radius 40 around (60, 60) on a dark, slightly noisy ground."""
    image = Image.new("RGB", (side, side), (40, 50, 60))
    ImageDraw.Draw(image).ellipse((20, 20, 100, 100), fill=(200, 180, 60))
    noise = np.random.default_rng(seed).integers(0, 12, (side, side, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(np.asarray(image) + noise).save(out, "PNG")
    return out.getvalue()


class Client:
    """Talks to one base URL."""

    def __init__(self, base_url: str, token: str):
        self.http = httpx.Client(base_url=base_url, headers={"Authorization": f"Bearer {token}"}, timeout=120)

    def get(self, path: str, **parameters: Any) -> JSON:
        """The body of a successful GET."""
        return self._body(self.http.get(path, params=parameters))

    def post(self, path: str, body: JSON) -> JSON:
        """The body of a successful POST."""
        return self._body(self.http.post(path, json=body))

    def create_dataset(self, name: str) -> JSON:
        """A new dataset."""
        return self._body(self.http.post("/v1/datasets", json={"name": name}))

    def upload(self, dataset_id: str, *files: tuple[str, bytes]) -> list[JSON]:
        """Images, as new samples."""
        parts = [("files", (name, data, "image/png")) for name, data in files]
        return list(self._body(self.http.post(f"/v1/datasets/{dataset_id}/samples", files=parts))["items"])

    def click(self, sample_id: str, *, wait: int = 0, **body: Any) -> httpx.Response:
        """Four clicks; the bare response, because some tests kill the server meanwhile."""
        headers = {"Prefer": f"wait={wait}"} if wait else {}
        return self.http.post(
            f"/v1/samples/{sample_id}/contours", json={"points": DISC, **body}, headers=headers
        )

    def samples(self, dataset_id: str, status: str = "all") -> list[str]:
        """Ids of a tab's samples."""
        return [item["id"] for item in self.get(f"/v1/datasets/{dataset_id}/samples", status=status)["items"]]

    def annotations(self, sample_id: str) -> list[JSON]:
        """The objects of the current document."""
        return list(self.get(f"/v1/samples/{sample_id}/annotations")["annotations"])

    @staticmethod
    def _body(response: httpx.Response) -> JSON:
        assert response.is_success, response.text
        return dict(response.json())
