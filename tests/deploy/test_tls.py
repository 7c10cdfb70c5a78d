"""TLS by the proxy, as docs/deploy.md tells it: after test_deploy, on the system that it left."""

import json
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from tests.deploy import tls
from tests.deploy.images import run
from tests.deploy.load import Load
from tests.deploy.stack import Stack, wait_for
from tests.http_client import Client, disc_photo

pytestmark = pytest.mark.timeout(1200, func_only=True)
HSTS = "Strict-Transport-Security"


@pytest.fixture(scope="module")
def certificates(directory: Path) -> tuple[Path, Path]:
    """One to begin with, and one that takes its place."""
    return tls.make_certificate(directory / "certificate"), tls.make_certificate(directory / "another")


@pytest.fixture(scope="module")
def vouchers(certificates: tuple[Path, Path], directory: Path) -> Path:
    """A file with what clients trust: both."""
    file = directory / "vouchers.pem"
    file.write_text("".join((certificate / "cert.pem").read_text() for certificate in certificates))
    return file


@pytest.fixture(scope="module")
def client(stack: Stack, token: str, certificates: tuple[Path, Path], vouchers: Path) -> Iterator[Client]:
    """Speaks HTTPS to it, from outside, and verifies whom it speaks to."""
    stack.version = "latest"
    stack.migrate()
    stack.turn_tls_on(certificates[0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(vouchers))
        yield Client(stack.tls_url, token)


def test_four_clicks_over_tls_become_a_label(stack: Stack, client: Client) -> None:
    dataset = client.create_dataset("Discs, unseen by others")
    (sample,) = client.upload(dataset["id"], ("disc.png", disc_photo()))
    answer = client.click(sample["id"], wait=30, save="document", label="disc")
    assert answer.status_code == 200, answer.text
    assert answer.headers[HSTS] == "max-age=600; includeSubDomains"
    assert [item["label"]["name"] for item in client.annotations(sample["id"])] == ["disc"]
    assert client.http.get(f"/v1/samples/{sample['id']}/image").content == disc_photo()
    proxy = stack.inspect("proxy_1")
    assert proxy["HostConfig"]["ReadonlyRootfs"]
    assert proxy["EffectiveCaps"] in (None, [])


def test_without_tls_one_is_told_where_to_go_and_only_how_the_system_is(stack: Stack, client: Client) -> None:
    for method, path in (("GET", "/v1/datasets?limit=1"), ("POST", "/v1/datasets"), ("GET", "/metrics")):
        sent = client.http.request(method, f"{stack.url}{path}")
        assert sent.status_code == 308
        assert sent.headers["Location"] == f"{stack.tls_url.replace('localhost', '127.0.0.1')}{path}"
    for path in ("/healthz", "/readyz"):
        assert httpx.get(f"{stack.url}{path}", timeout=60).status_code == 200


def test_who_says_by_a_header_that_they_speak_tls_is_not_believed(stack: Stack, client: Client) -> None:
    plain = httpx.get(f"{stack.url}/healthz", headers={"X-Forwarded-Proto": "https"}, timeout=60)
    assert HSTS not in plain.headers
    assert HSTS in client.http.get("/healthz", headers={"X-Forwarded-Proto": "http"}).headers


def test_http2_is_spoken_and_what_came_before_tls_1_2_is_not(
    stack: Stack, client: Client, vouchers: Path
) -> None:
    asked = ("curl", "--silent", "--show-error", "--cacert", vouchers, "--output", "/dev/null")
    spoken = run(*asked, "--write-out", "%{http_version} %{http_code}", f"{stack.tls_url}/readyz")
    assert spoken == "2 200"
    old = ("--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0")
    with pytest.raises(AssertionError, match="alert protocol version"):
        run(*asked, *old, f"{stack.tls_url}/readyz")


def test_a_file_goes_over_tls_into_a_signed_slot(stack: Stack, client: Client) -> None:
    dataset, photo = client.create_dataset("past the API, unseen by others"), disc_photo(9)
    file = {"name": "large.png", "size_bytes": len(photo), "content_type": "image/png"}
    upload = client.post(f"/v1/datasets/{dataset['id']}/uploads", {"files": [file]})
    slot = upload["files"][0]
    assert slot["url"].startswith(f"{stack.tls_objects_url}/fourpoint/.fourpoint-uploads/")
    path = slot["url"].removeprefix(stack.tls_objects_url)
    sent = httpx.put(f"{stack.objects_url}{path}", content=photo, headers=slot["headers"], timeout=60)
    assert sent.status_code == 308
    assert sent.headers["Location"].endswith(path)
    written = httpx.put(slot["url"], content=photo, headers=slot["headers"], timeout=60)
    assert written.is_success, written.text
    (sample,) = client.post(f"/v1/datasets/{dataset['id']}/uploads/{upload['id']}/register", {})["items"]
    assert client.http.get(f"/v1/samples/{sample['id']}/image").content == photo
    assert httpx.get(f"{stack.tls_objects_url}/fourpoint", timeout=60).status_code == 403


def test_a_wait_of_half_a_minute_is_answered_and_events_outlast_a_change_of_certificate(
    stack: Stack, client: Client, certificates: tuple[Path, Path]
) -> None:
    dataset = client.create_dataset("Discs that take their time")
    (sample,) = client.upload(dataset["id"], ("disc.png", disc_photo()))
    with ExitStack() as open_stream:
        with stack.paused("inference_1"):
            queued = client.click(sample["id"], wait=30, save="document", label="disc")
            assert queued.status_code == 202, queued.text
            address = f"/v1/jobs/{queued.json()['id']}/events"
            events = open_stream.enter_context(client.http.stream("GET", address))
            states = (json.loads(line[6:])["state"] for line in events.iter_lines() if line[:6] == "data: ")
            assert next(states) == "queued"
            _change(stack, certificates[1])
        assert list(states)[-1] == "succeeded"


def test_certificates_change_without_a_failed_request(
    stack: Stack, client: Client, token: str, certificates: tuple[Path, Path]
) -> None:
    with Load(stack.tls_url, token) as load:
        for certificate in (*certificates, *certificates):
            load.wait_for_saves(2)
            _change(stack, certificate)
        load.wait_for_saves(2)
    print(f"\nfour certificates one after another: {load.summary()}")
    assert load.failures == []
    load.check()


def test_a_certificate_that_cannot_be_read_leaves_the_one_before_in_its_place(
    stack: Stack, client: Client, certificates: tuple[Path, Path]
) -> None:
    before = tls.shown_by(stack.tls_url)
    stack.put_certificate("no certificate\n")
    stack.reload_proxy()
    wait_for(lambda: "unable to load" in stack.logs("proxy_1"), "the proxy says what is wrong")
    assert tls.shown_by(stack.tls_url) == before
    assert client.http.get("/readyz").status_code == 200
    _change(stack, certificates[0])


def _change(stack: Stack, certificate: Path) -> None:
    """Another certificate, until new connections are shown it, and are taken for what it says."""
    stack.put_certificate(tls.both_parts(certificate))
    stack.reload_proxy()
    wanted = (certificate / "cert.pem").read_text()
    wait_for(lambda: tls.shown_by(stack.tls_url) == wanted, "the new certificate is shown")
    verified = ssl.create_default_context(cafile=certificate / "cert.pem")
    for url in (f"{stack.tls_url}/healthz", stack.tls_objects_url):
        assert httpx.get(url, verify=verified, timeout=60).status_code in {200, 403}
