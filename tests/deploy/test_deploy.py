"""deploy/compose.yaml from the Dockerfiles to a restored backup, on real containers: a story in this order."""

import json
from pathlib import Path

import httpx
import pytest
from tests.deploy.backup import back_up, restore
from tests.deploy.images import run
from tests.deploy.load import Load
from tests.deploy.stack import SERVICE_URL, Stack, wait_for
from tests.http_client import Client, disc_photo

# Longer than the rest of the suite allows: containers stop, start and warm up. Building images has no limit.
pytestmark = pytest.mark.timeout(1200, func_only=True)
SERVICES = ("api", "inference", "io")


def test_four_clicks_from_outside_become_a_label(client: Client) -> None:
    dataset = client.create_dataset("Discs")
    (sample,) = client.upload(dataset["id"], ("disc.png", disc_photo()))
    answer = client.click(sample["id"], wait=30, save="document", label="disc")
    assert answer.status_code == 200, answer.text
    assert answer.json()["area"] == pytest.approx(3.14159 * 40**2, rel=0.05)
    assert [item["label"]["name"] for item in client.annotations(sample["id"])] == ["disc"]
    assert client.http.get(f"/v1/samples/{sample['id']}/image").content == disc_photo()


def test_the_schema_is_migrated_and_every_container_replaced_without_a_failed_request(
    stack: Stack, token: str
) -> None:
    with Load(stack.url, token) as load:
        load.wait_for_saves(3)
        stack.version = "latest"
        stack.set_variables(FOURPOINT_DATABASE_URL=SERVICE_URL)
        stack.migrate()
        # The previous version goes on, beside the new schema.
        load.wait_for_saves(3)
        stack.roll(*SERVICES)
        load.wait_for_saves(3)
    print(f"\nfrom the previous version to this one: {load.summary()}")
    assert load.failures == []
    load.check()
    wanted = {
        json.loads(run("podman", "image", "inspect", f"fourpoint-{name}"))[0]["Id"]
        for name in ("api", "worker")
    }
    found = {
        stack.inspect(container)["Image"] for service in SERVICES for container in stack.containers(service)
    }
    assert found == wanted


@pytest.mark.parametrize("service", SERVICES)
def test_nothing_in_a_container_can_change_the_schema_or_the_audit_log(stack: Stack, service: str) -> None:
    variables = stack.execute(f"{service}_1", "env")
    assert f"FOURPOINT_DATABASE_URL={SERVICE_URL}" in variables
    assert "FOURPOINT_OWNER_DATABASE_URL" not in variables
    for statement in ("DELETE FROM audit_entries", "DROP TABLE jobs", "CREATE TABLE x (y int)"):
        program = f"import psycopg2; psycopg2.connect('{SERVICE_URL}').cursor().execute('{statement}')"
        with pytest.raises(AssertionError, match=r"permission denied|must be owner"):
            run("podman", "exec", stack.full(f"{service}_1"), "python", "-c", program)


@pytest.mark.parametrize("service", SERVICES)
def test_a_container_runs_as_nobody_in_particular_on_a_file_system_that_nothing_is_written_to(
    stack: Stack, service: str
) -> None:
    container = f"{service}_1"
    assert stack.execute(container, "id", "-u").strip() == "10001"
    inspected = stack.inspect(container)
    assert inspected["HostConfig"]["ReadonlyRootfs"]
    assert inspected["EffectiveCaps"] in (None, [])
    writing = ("python", "-c", "open('/opt/fourpoint/x', 'w')")
    with pytest.raises(AssertionError, match="Read-only file system"):
        run("podman", "exec", stack.full(container), *writing)
    assert stack.healthy(container)


def test_the_image_of_the_api_has_neither_build_tools_nor_what_draws_outlines(stack: Stack) -> None:
    installed = stack.execute(
        "api_1", "python", "-c", "import os; print(*os.listdir('/opt/fourpoint/lib/python3.11/site-packages'))"
    )
    assert not {"torch", "cv2", "scipy", "skimage", "pip"} & set(installed.split())
    assert stack.execute("api_1", "find", "/usr/local", "/opt", "-name", "pip") == ""
    missing = stack.execute("api_1", "sh", "-c", "command -v cc gcc make || echo none").strip()
    assert missing == "none"


def test_a_file_goes_from_outside_into_a_signed_slot_and_nothing_else_of_the_store_is_within_reach(
    stack: Stack, client: Client
) -> None:
    dataset, photo = client.create_dataset("past the API"), disc_photo(9)
    file = {"name": "large.png", "size_bytes": len(photo), "content_type": "image/png"}
    upload = client.post(f"/v1/datasets/{dataset['id']}/uploads", {"files": [file]})
    slot = upload["files"][0]
    assert slot["url"].startswith(f"{stack.objects_url}/fourpoint/.fourpoint-uploads/")
    written = httpx.put(slot["url"], content=photo, headers=slot["headers"], timeout=60)
    assert written.is_success, written.text
    (sample,) = client.post(f"/v1/datasets/{dataset['id']}/uploads/{upload['id']}/register", {})["items"]
    assert client.http.get(f"/v1/samples/{sample['id']}/image").content == photo
    for path in ("/", "/fourpoint", "/fourpoint/.fourpoint-uploads/"):
        assert httpx.get(f"{stack.objects_url}{path}", timeout=60).status_code == 403
    assert httpx.put(f"{stack.objects_url}/fourpoint/datasets/x", content=b"x", timeout=60).status_code == 403


def test_rolling_again_fails_no_request(stack: Stack, token: str) -> None:
    with Load(stack.url, token) as load:
        load.wait_for_saves(3)
        stack.roll(*SERVICES)
        load.wait_for_saves(3)
    print(f"\nrolling within a version: {load.summary()}")
    assert load.failures == []
    load.check()


@pytest.mark.parametrize("container", ["api_1", "inference_1", "io_1", "redis_1", "postgres_1"])
def test_a_container_that_is_killed_comes_back_and_nothing_acknowledged_is_lost(
    stack: Stack, token: str, container: str
) -> None:
    with Load(stack.url, token, patient=True) as load:
        load.wait_for_saves(2)
        stack.kill(container)
        stack.wait_until_ready()
        load.wait_for_saves(2)
    print(f"\n{container} killed: {load.summary()}")
    assert load.failures == []
    load.check()


def test_a_backup_becomes_the_same_system_in_an_empty_stack(
    stack: Stack, client: Client, token: str, directory: Path
) -> None:
    sample, *_ = (id_ for item in client.get("/v1/datasets")["items"] for id_ in client.samples(item["id"]))
    document = client.annotations(sample)
    back_up(stack, directory / "backup")
    other = Stack("fourpoint-restored", 18041, directory / "second")
    other.down()
    try:
        other.up_data()
        restore(other, directory / "backup")
        other.up()
        restored = Client(other.url, token)
        assert restored.annotations(sample) == document
        assert restored.http.get(f"/v1/samples/{sample}/image").content == disc_photo()
        assert restored.get("/v1/audit", action="dataset.created")["items"]
        answer = restored.click(sample, wait=30, save="document", label="disc")
        assert answer.status_code == 200, answer.text
        wait_for(lambda: len(restored.annotations(sample)) == len(document) + 1, "the restored system labels")
    finally:
        other.down()
