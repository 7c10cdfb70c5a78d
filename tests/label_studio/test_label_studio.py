"""The real Label Studio asks Fourpoint for outlines, over HTTP, as its editor and its pages have it do."""

from uuid import uuid4

import httpx
import pytest
import shapely
from prometheus_client.parser import text_string_to_metric_families
from tests.e2e.test_giving_up import eventually
from tests.label_studio.conftest import BRUSHES, CONFIG, CUP, PHOTO, Connected, Json, Pair, clicks, connect
from tests.label_studio_server import is_up

from fourpoint_worker.formats import brush

# The first one waits until Label Studio has made its tables.
pytestmark = pytest.mark.timeout(600)
WIDTH, HEIGHT = 600, 400
CLICKS = clicks(CUP, WIDTH, HEIGHT)


def shape(region: Json) -> shapely.Polygon:
    """The area of a polygon region, in pixels."""
    return shapely.Polygon([(x * WIDTH / 100, y * HEIGHT / 100) for x, y in region["value"]["points"]])


def fourpoints_own(pair: Pair) -> shapely.Polygon:
    """The outline of the same clicks, asked for without Label Studio."""
    dataset = pair.fourpoint.create_dataset(f"beside {uuid4()}")
    [sample] = pair.fourpoint.upload(dataset["id"], (PHOTO.file_name, PHOTO.read()))
    answer = pair.fourpoint.click(sample["id"], wait=30, points=CUP.points)
    [part] = answer.json()["contour"]["parts"]
    return shapely.Polygon(part["outer"], part["holes"])


def answered(pair: Pair, route: str) -> dict[str, float]:
    """How often Fourpoint has answered there, by status."""
    headers = {"Authorization": f"Bearer {pair.stack.admin_token}"}
    text = httpx.get(f"{pair.stack.base_url}/metrics", headers=headers, timeout=60).text
    samples = [one for family in text_string_to_metric_families(text) for one in family.samples]
    requests = [one for one in samples if one.name == "fourpoint_requests_total"]
    return {one.labels["status"]: one.value for one in requests if one.labels["route"] == route}


def test_four_clicks_give_the_polygon_that_fourpoint_answers_itself(connected: Connected) -> None:
    answer = connected.ask(CLICKS)
    [region] = answer["data"]["result"]
    assert (region["type"], region["from_name"], region["to_name"]) == ("polygonlabels", "outline", "image")
    assert region["value"]["polygonlabels"] == ["cup"]
    drawn, own = shape(region), fourpoints_own(connected.pair)
    assert drawn.symmetric_difference(own).area < 0.001 * own.area


def test_with_three_clicks_there_is_no_outline_and_no_error_yet(connected: Connected) -> None:
    assert connected.ask(CLICKS[:3]) == {"data": {"model_version": "fourpoint", "score": 0.0, "result": []}}


def test_where_the_project_paints_the_outline_is_a_brush(pair: Pair) -> None:
    [region] = connect(pair, BRUSHES).ask(CLICKS)["data"]["result"]
    assert (region["type"], region["value"]["format"]) == ("brushlabels", "rle")
    runs = brush.decoded(region["value"]["rle"], WIDTH, HEIGHT, None)
    assert runs.area == pytest.approx(fourpoints_own(pair).area, rel=0.02)


def test_a_project_that_connects_is_told_the_model(connected: Connected) -> None:
    assert (connected.backend["readable_state"], connected.backend["model_version"]) == (
        "Connected",
        "fourpoint",
    )


def test_the_region_is_saved_there_and_fourpoint_takes_the_notice_of_it(connected: Connected) -> None:
    route = "/integrations/label-studio/webhook"
    before = answered(connected.pair, route).get("200", 0.0)
    result = connected.ask(CLICKS)["data"]["result"]
    label_studio = connected.pair.label_studio
    made = label_studio.post(f"/api/tasks/{connected.task['id']}/annotations/", {"result": result})
    [kept] = label_studio.get(f"/api/annotations/{made['id']}/")["result"]
    assert kept["value"] == result[0]["value"]
    after = answered(connected.pair, route)
    assert set(after) == {"200"}
    assert after["200"] > before


def test_asked_for_predictions_of_all_tasks_it_makes_none(connected: Connected) -> None:
    label_studio, project = connected.pair.label_studio, connected.project
    action = f"/api/dm/actions?id=retrieve_tasks_predictions&project={project}"
    label_studio.post(action, {"selectedItems": {"all": True, "excluded": []}})
    assert label_studio.get("/api/predictions/", project=project) == []
    [backend] = label_studio.get("/api/ml/", project=project)
    assert (backend["readable_state"], backend["error_message"]) == ("Connected", None)


def test_a_token_that_is_refused_is_said_when_a_project_connects(pair: Pair) -> None:
    body = pair.backend(pair.label_studio.project(CONFIG), basic_auth_pass="no token")
    answer = pair.label_studio.http.post("/api/ml/", json=body)
    assert answer.status_code == 400
    assert "401 Client Error" in answer.text


def test_the_editor_is_told_that_fourpoint_is_down_and_goes_on_when_it_is_back(connected: Connected) -> None:
    with connected.pair.stack.without("api"):
        assert "Connection refused" in connected.ask(CLICKS)["errors"][0]
        [backend] = connected.pair.label_studio.get("/api/ml/", project=connected.project)
        assert backend["readable_state"] == "Disconnected"
    assert eventually(lambda: is_up(connected.pair.url))
    assert len(connected.ask(CLICKS)["data"]["result"]) == 1
