"""Label Studio and CVAT as they speak to us; the worker's own code runs an engine that draws a square."""

import base64
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from tests.dripping import dripping
from tests.fakes import FakeWorker
from tests.integration.api.checked_client import CheckedClient
from tests.integration.applications import AppMaker
from tests.integration.worker.scenes import SIDE, SquareEngine, png
from tests.otlp_receiver import OtlpReceiver

from fourpoint_api.app import create_app
from fourpoint_api.clients import Clients, build_clients
from fourpoint_api.resources.pictures import fetching
from fourpoint_api.resources.pictures.fetching import Fetcher
from fourpoint_api.settings import ApiSettings
from fourpoint_core import tracing
from fourpoint_core.domain.jobs import JobState
from fourpoint_core.errors import FourpointError, InvalidInputError
from fourpoint_core.jobs.events import JobEvent, announce
from fourpoint_core.jobs.payloads.pictures import OutlinePicture
from fourpoint_core.outbound import parse_networks
from fourpoint_core.storage.pictures import FOLDER
from fourpoint_core.store.digest_book import DigestBook
from fourpoint_core.store.models import IdempotencyKey, Job
from fourpoint_core.store.queries import leases
from fourpoint_core.store.session import Sessions, unit_of_work
from fourpoint_worker.formats import brush
from fourpoint_worker.images import ImageCache
from fourpoint_worker.tasks.outline_picture import OutlinePictureWork

PREDICT = "/integrations/label-studio/predict"
INVOKE = "/integrations/cvat/api/function_invocations"
POLYGONS = (
    '<View><Image name="im" value="$photo"/><New/>'
    '<PolygonLabels name="p" toName="im"><Label value="cat"/></PolygonLabels></View>'
)
BRUSHES = POLYGONS.replace("Polygon", "Brush")
INLINE = "data:image/png;base64," + base64.b64encode(png()).decode()
CLICKS = ((50, 25), (50, 75), (25, 50), (75, 50))


def keypoint(x: float, y: float, **more: Any) -> dict[str, Any]:
    value = {"x": x, "y": y, "width": 0.3, "keypointlabels": ["cat"]}
    return {"type": "keypointlabels", "from_name": "k", "to_name": "im", "value": value, **more}


FOUR = [keypoint(*click) for click in CLICKS]


def body(drawn: Any, config: str = POLYGONS, photo: str = INLINE) -> dict[str, Any]:
    params = {"login": None, "context": None if drawn is None else {"result": drawn, "event": "new"}}
    tasks = [{"id": 4, "data": {"photo": photo}, "drafts": [], "predictions": []}]
    return {"tasks": tasks, "project": "12.17", "label_config": config, "params": params, "new": 1}


@pytest.fixture
def working(api_clients: Clients) -> Iterator[None]:
    with _working(api_clients):
        yield


@contextmanager
def _working(held: Clients) -> Iterator[None]:
    worker = FakeWorker(held.sessions, held.redis)
    images = ImageCache(held.store, 2**20, DigestBook(held.sessions, held.store))
    work = OutlinePictureWork(images, SquareEngine())

    def draw(job_id: UUID) -> None:
        claimed = worker.claim(job_id)
        job: Any = SimpleNamespace(checkpoint=lambda stage: None, milliseconds_queued=0.0)
        try:
            result = work.do(OutlinePicture.from_json(claimed.payload), job)
        except FourpointError as error:
            with unit_of_work(held.sessions) as session:
                leases.record_failure(session, claimed.lease, error, retryable=False)
            announce(held.redis, JobEvent(job_id, JobState.FAILED))
            return
        with unit_of_work(held.sessions) as session:
            leases.record_success(session, claimed.lease, result)
        announce(held.redis, JobEvent(job_id, JobState.SUCCEEDED))

    with worker.working(draw):
        yield


def region(client: FlaskClient, drawn: Any, config: str = POLYGONS) -> dict[str, Any]:
    answer = client.post(PREDICT, json=body(drawn, config))
    assert answer.status_code == 200, answer.text
    return dict(answer.json["results"][0]["result"][0])


def test_four_keypoints_become_a_polygon_in_percent(client: FlaskClient, working: None) -> None:
    found = region(client, FOUR)
    xs, ys = zip(*found["value"]["points"], strict=True)
    assert [min(xs), min(ys), max(xs), max(ys)] == pytest.approx([25, 25, 75, 75])
    assert found["value"]["polygonlabels"] == ["cat"]
    assert (found["type"], found["from_name"], found["to_name"]) == ("polygonlabels", "p", "im")
    assert (found["original_width"], found["original_height"]) == (SIDE, SIDE)


def test_a_brush_is_answered_and_is_taken_to_start_from(client: FlaskClient, working: None) -> None:
    painted = region(client, FOUR, BRUSHES)
    runs = brush.decoded(painted["value"]["rle"], SIDE, SIDE, None)
    assert (runs.area, runs.starts.min(), runs.ends.max()) == (400, 10, 30)
    again = region(client, [painted])
    assert len(again["value"]["points"]) >= 4


def test_a_rectangle_alone_is_enough(client: FlaskClient, working: None) -> None:
    value = {"x": 25, "y": 25, "width": 50, "height": 50, "rectanglelabels": ["cat"]}
    assert (
        region(client, [{"type": "rectanglelabels", "to_name": "im", "value": value}])["type"]
        == "polygonlabels"
    )


def test_fewer_than_four_clicks_are_too_few_yet(client: FlaskClient) -> None:
    answer = client.post(PREDICT, json=body([*FOUR[:3], keypoint(1, 1, is_positive=False)]))
    assert answer.json["results"] == [{"model_version": "fourpoint", "score": 0.0, "result": []}]


@pytest.mark.parametrize("drawn", [None, []])
def test_without_a_context_there_is_nothing_to_predict(client: FlaskClient, drawn: Any) -> None:
    asked = body(drawn)
    assert client.post(PREDICT, json=asked).json == {"results": []}
    asked["params"] = {"context": {"result": None}}
    assert client.post(PREDICT, json={**asked, "tasks": [{"data": None}]}).json == {"results": []}


@pytest.mark.parametrize(
    ("drawn", "config", "pointer"),
    [
        ([{"type": "keypointlabels"}], POLYGONS, "/params/context/result/0/value"),
        ([keypoint(1, 1, value={"x": "1", "y": 1})], POLYGONS, "/params/context/result/0/value/x"),
        ([{"type": "brushlabels", "value": {"rle": [256]}}], POLYGONS, "/params/context/result/0/value/rle"),
        ([keypoint(50, 50)] * 4, POLYGONS, "/params/context/result"),
        (FOUR, '<!DOCTYPE v [<!ENTITY a "b">]><View>&a;</View>', "/label_config"),
        (FOUR, '<View><Image name="im" value="$photo"/></View>', "/label_config"),
    ],
)
def test_what_is_wrong_is_pointed_at(client: FlaskClient, drawn: Any, config: str, pointer: str) -> None:
    answer = client.post(PREDICT, json=body(drawn, config))
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, pointer)


@pytest.mark.parametrize(
    "photo",
    [
        "http://127.0.0.1:9/cat.png",
        "http://169.254.169.254/latest/meta-data",
        "http://[::ffff:10.0.0.1]/",
        "http://localhost:99999/",
        "file:///etc/passwd",
        "//127.0.0.1/cat.png",
        "/data/upload/1/cat.png",
        "http://me:secret@93.184.215.14/",
        "data:image/png;base64,!",
        "gopher://127.0.0.1/",
    ],
)
def test_an_address_leads_nowhere_it_may_not(client: FlaskClient, photo: str) -> None:
    answer = client.post(PREDICT, json=body(FOUR, photo=photo))
    assert answer.status_code == 422
    assert answer.json["errors"][0]["pointer"] == "/tasks/0/data/photo"


class Peer(BaseHTTPRequestHandler):
    """A Label Studio: an image for its token, a redirect, and what it trades a token for."""

    def do_POST(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.server.traded_for)  # type: ignore[attr-defined]

    def do_GET(self) -> None:
        self.server.heard.append((self.path, self.headers.get("Authorization")))  # type: ignore[attr-defined]
        self.server.traceparents.append(self.headers.get("traceparent"))  # type: ignore[attr-defined]
        moved, acceptable = self.path == "/data/moved", "*/*" in self.headers["Accept"]
        self.send_response(302 if moved else 200 if acceptable else 406)
        if moved:
            self.send_header("Location", "http://127.0.0.2:1/cat.png")
        self.end_headers()
        if not moved:
            self.wfile.write(png())

    def log_message(self, format: str, *args: object) -> None:
        """Silence."""


@pytest.fixture
def peer() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Peer)
    server.heard, server.traceparents = [], []  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_label_studios_own_images_are_fetched_once_with_its_token_which_goes_nowhere_else(
    api_clients: Clients, admin_token: str, peer: ThreadingHTTPServer
) -> None:
    base = f"http://127.0.0.1:{peer.server_port}"
    settings = replace(api_clients.settings, label_studio_url=base, label_studio_token="abc")
    app: Flask = create_app(replace(api_clients, settings=settings))
    client = CheckedClient(app, admin_token)
    with _working(api_clients):
        for _ in range(2):
            assert client.post(PREDICT, json=body(FOUR, photo="/data/upload/1/cat.png")).status_code == 200
    refused = ["/data/moved", f"{base}/api/users", f"{base}/data/%2e%2e/api/users", "/data/../api/users"]
    for photo in refused:
        assert client.post(PREDICT, json=body(FOUR, photo=photo)).status_code == 422
    heard = peer.heard  # type: ignore[attr-defined]
    assert heard == [("/data/upload/1/cat.png", "Token abc"), ("/data/moved", "Token abc")]
    assert len(list(api_clients.store.list(f"{FOLDER}/"))) == 1


@pytest.mark.parametrize(
    "traded_for",
    [
        b"[" * 50_000,
        b'{"access": 5}',
        b'{"access": "a\\r\\nb"}',
        '{"access": "\u00e9"}'.encode(),
        b"{}",
    ],
    ids=lambda found: found[:20].decode("latin-1"),
)
def test_a_label_studio_that_trades_a_token_for_nothing_is_told_of(
    api_clients: Clients, app_over: AppMaker, admin_token: str, peer: ThreadingHTTPServer, traded_for: bytes
) -> None:
    peer.traded_for = traded_for  # type: ignore[attr-defined]
    base = f"http://127.0.0.1:{peer.server_port}"
    settings = replace(api_clients.settings, label_studio_url=base, label_studio_token="a.b.c")
    client = CheckedClient(app_over(replace(api_clients, settings=settings)), admin_token)
    answer = client.post(PREDICT, json=body(FOUR, photo="/data/upload/1/cat.png"))
    assert (answer.status_code, answer.json["errors"][0]["code"]) == (422, "image_unreachable")


def test_an_image_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "SECONDS", 1.0)
    fetcher = Fetcher(parse_networks("127.0.0.0/8"), "", "", 2**20)
    with (
        dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n") as port,
        pytest.raises(InvalidInputError, match="cannot be fetched"),
    ):
        fetcher.fetch(f"http://127.0.0.1:{port}/cat.png", "/")


def test_where_an_image_is_fetched_nothing_is_heard_of_the_trace(
    peer: ThreadingHTTPServer, traced_here: OtlpReceiver
) -> None:
    fetcher = Fetcher(parse_networks("127.0.0.0/8"), "", "", 2**20)
    with tracing.work("request", "server"):
        assert fetcher.fetch(f"http://127.0.0.1:{peer.server_port}/cat.png?signature=x", "/") == png()
    assert peer.traceparents == [None]  # type: ignore[attr-defined]
    spans = traced_here.wait_for(bool)
    assert [span.name for span in spans] == ["fetch the image", "request"]
    assert b"signature" not in b"".join(traced_here.bodies)


def test_a_password_is_taken_for_a_token_here_and_nowhere_else(nobody: FlaskClient, admin_token: str) -> None:
    assert nobody.get("/integrations/label-studio/health").json["status"] == "UP"
    assert nobody.post(PREDICT, json=body(None)).status_code == 401
    assert nobody.post(PREDICT, json=body(None), auth=("any", admin_token)).status_code == 200
    assert nobody.get("/v1/me", auth=("any", admin_token)).status_code == 401


def cvat(client: FlaskClient, name: str, key: str | None = None, **more: Any) -> Any:
    points = [[20, 10], [20, 30], [10, 20], [30, 20]]
    frame = {
        "image": base64.b64encode(png()).decode(),
        "pos_points": points,
        "neg_points": [],
        "obj_bbox": None,
    }
    headers = {"x-nuclio-function-name": name} | ({} if key is None else {"Idempotency-Key": key})
    return client.post(INVOKE, json={**frame, **more}, headers=headers)


def test_cvat_is_told_of_two_interactors_of_four_points(client: FlaskClient) -> None:
    listed = client.get("/integrations/cvat/api/functions").json
    assert {one["metadata"]["annotations"]["min_pos_points"] for one in listed.values()} == {"4"}
    assert client.get("/integrations/cvat/api/functions/fourpoint-mask").json == listed["fourpoint-mask"]


def test_a_frame_with_a_key_may_be_as_long_as_one_without(
    client: FlaskClient, api_settings: ApiSettings
) -> None:
    asked = {"image": "A" * api_settings.max_json_bytes, "pos_points": [], "neg_points": [], "obj_bbox": None}
    headers = {"x-nuclio-function-name": "of nobody", "Idempotency-Key": "key"}
    assert client.post(INVOKE, json=asked, headers=headers).json["code"] == "not_found"


def test_cvat_gets_a_mask_or_a_polygon(client: FlaskClient, working: None) -> None:
    mask = cvat(client, "fourpoint-mask").json["mask"]
    inside = range(10, 30)
    assert mask == [[255 if x in inside and y in inside else 0 for x in range(SIDE)] for y in range(SIDE)]
    polygon = cvat(client, "fourpoint-polygon", pos_points=[], obj_bbox=[[10, 10], [30, 30]]).json
    assert {min(polygon)[0], max(polygon)[0]} == {10, 30}


def test_a_mask_is_made_again_of_what_was_drawn_and_not_kept_in_full(
    client: FlaskClient, sessions: Sessions, working: None
) -> None:
    first, again = (cvat(client, "fourpoint-mask", key="mask") for _ in range(2))
    assert first.json == again.json
    with unit_of_work(sessions) as session:
        assert session.scalar(select(func.count()).select_from(Job)) == 1
        assert session.scalars(select(IdempotencyKey.body)).all() == [None]


def test_an_outline_that_was_not_there_in_time_may_be_asked_for_again_under_its_key(
    api_settings: ApiSettings, app_over: AppMaker, admin_token: str, api_clients: Clients
) -> None:
    hasty = build_clients(replace(api_settings, max_wait_seconds=0.2))
    client = CheckedClient(app_over(hasty), admin_token)
    assert cvat(client, "fourpoint-polygon", key="late").status_code == 503
    hasty.close()
    client = CheckedClient(app_over(api_clients), admin_token)
    with _working(api_clients):
        assert cvat(client, "fourpoint-polygon", key="late").status_code == 200


def test_an_image_that_is_clicked_on_again_when_half_of_its_hours_are_over_gets_them_anew(
    client: FlaskClient, api_clients: Clients, tmp_path: Path, working: None
) -> None:
    cvat(client, "fourpoint-mask")
    (found,) = api_clients.store.list(f"{FOLDER}/")
    for hours, is_written in ((11.9, False), (12.1, True)):
        before = time.time() - hours * 3600
        os.utime(tmp_path / "objects" / found.key, (before, before))
        assert cvat(client, "fourpoint-mask").status_code == 200
        lies_since = api_clients.store.stat(found.key).last_modified.timestamp()
        assert (lies_since > before + 3600) == is_written


@pytest.mark.parametrize(
    ("name", "more", "status"),
    [
        ("none", {}, 404),
        ("fourpoint-mask", {"pos_points": [[1, 1]]}, 422),
        ("fourpoint-mask", {"image": "!"}, 422),
        ("fourpoint-mask", {"image": base64.b64encode(b"no image").decode()}, 422),
        ("fourpoint-mask", {"obj_bbox": [[1, 1]]}, 422),
    ],
)
def test_what_cvat_sends_wrongly_is_refused(client: FlaskClient, name: str, more: Any, status: int) -> None:
    assert cvat(client, name, **more).status_code == status
