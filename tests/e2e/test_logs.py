"""What the processes write down, as they are deployed: JSON, and nothing that opens anything."""

import json
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest
from tests.http_client import JSON, Client, disc_photo

from fourpoint_standalone.stack import Stack

pytestmark = pytest.mark.xdist_group("e2e")


def lines(stack: Stack) -> Iterator[str]:
    """Everything that API and workers have logged."""
    for name in ("api", "inference", "io"):
        yield from (stack.log_directory / f"{name}.log").read_text().splitlines()


def signed_download(client: Client, dataset: JSON) -> str:
    """The address of an archive, which needs no token."""
    body = {"format": "coco"}
    exports = f"/v1/datasets/{dataset['id']}/exports"
    job = client.http.post(exports, json=body, headers={"Prefer": "wait=30"})
    assert job.is_success, job.text
    return str(client.get(f"{exports}/{job.json()['result']['export_id']}")["download"]["url"])


def ask_unreadably(stack: Stack, line: str) -> None:
    """Send what is no HTTP, as a scanner or a broken proxy does."""
    address = urlsplit(stack.base_url)
    with socket.create_connection((address.hostname, address.port), timeout=120) as connection:
        connection.sendall(f"{line}\r\n\r\n".encode())
        assert connection.recv(65536)


def test_nothing_that_opens_anything_stands_in_a_log(stack: Stack, client: Client) -> None:
    dataset = client.create_dataset("logged")
    client.upload(dataset["id"], ("disc.png", disc_photo()))
    token = client.post("/v1/tokens", {"name": "for a script", "scope": "read"})["secret"]
    link = signed_download(client, dataset)
    photo = disc_photo(1)
    file = {"name": "large.png", "size_bytes": len(photo), "content_type": "image/png"}
    slot = client.post(f"/v1/datasets/{dataset['id']}/uploads", {"files": [file]})["files"][0]["url"]
    hook = {"url": "https://hooks.example.org/hook?key=of-a-receiver", "events": ["samples.created"]}
    webhook = client.post(f"/v1/datasets/{dataset['id']}/webhooks", hook)
    with httpx.Client(base_url=stack.base_url, timeout=60) as stranger:
        assert stranger.get(link).status_code == 200
        # Nor where no route serves it.
        assert stranger.get(f"{link}/more").status_code == 404
        assert stranger.post(link).status_code == 405
        assert stranger.put(slot, content=photo, headers={"Content-Type": "image/png"}).is_success
        assert stranger.get("/v1/me", headers={"Authorization": f"Bearer {token}"}).status_code == 200
    ask_unreadably(stack, f"GET {urlsplit(link).path} HTTP/x")
    ask_unreadably(stack, f"GET / HTTP/1.1\r\nAuthorization Bearer {token}")
    logged = "\n".join(lines(stack))
    assert "/v1/exports/<string:token>/download" in logged
    secrets = [token, link.split("/")[-2], slot.rsplit("/", 1)[-1], webhook["secret"], stack.admin_token]
    assert [secret for secret in (*secrets, "of-a-receiver") if secret in logged] == []


def test_a_line_names_the_dataset_that_was_asked_for(stack: Stack, client: Client) -> None:
    dataset = client.create_dataset("named in a log")
    client.get(f"/v1/datasets/{dataset['id']}")
    assert any(f'"path": "/v1/datasets/{dataset["id"]}"' in line for line in lines(stack))


def test_every_line_of_every_process_is_json(stack: Stack, client: Client) -> None:
    client.get("/v1/me")
    written = [json.loads(line) for line in lines(stack)]
    assert {"gunicorn.error", "fourpoint_api.web.request_ids"} <= {line["logger"] for line in written}
