"""What is particular to a bucket: what the network and the server can do to a call, and what is said then."""

import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_bytes

import pytest
from tests.integration.storage.addresses import bucket_settings
from tests.s3_server import running_s3

from fourpoint_core.errors import SettingsError, StorageUnavailableError
from fourpoint_core.storage import ObjectExistsError, ObjectStore, open_store
from fourpoint_core.storage.s3_store import PART_BYTES, S3Store


def opened(endpoint: str, **changes: object) -> S3Store:
    values = {"bucket": "bucket", "access_key": "key", "secret_key": "secret", "region": "us-east-1"}
    times = {"connect_seconds": 60.0, "transfer_seconds": 60.0}
    return S3Store(endpoint=endpoint, secure=False, **(values | times | changes))


def every_call(store: ObjectStore) -> dict[str, Callable[[], object]]:
    return {
        "put": lambda: store.put("a", b"x", content_type="text/plain"),
        "put if absent": lambda: store.put("a", b"x", content_type="text/plain", if_absent=True),
        "read": lambda: store.read("a"),
        "stat": lambda: store.stat("a"),
        "exists": lambda: store.exists("a"),
        "delete": lambda: store.delete("a"),
        "list": lambda: list(store.list()),
        "check": lambda: store.check(),  # noqa: PLW0108 - there is no store when tests are collected
    }


CALLS = list(every_call(None))  # type: ignore[arg-type]


class Server(socketserver.ThreadingTCPServer):
    """A server that answers every request with the same bytes, and writes down what it was asked."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, answer: bytes, silent_seconds: float = 0):
        super().__init__(("127.0.0.1", 0), Answer)
        self.answer = answer
        self.silent_seconds = silent_seconds
        self.requests: list[bytes] = []

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


class Answer(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        # Silent before the body is read: a sender that outruns the buffers has to wait.
        time.sleep(self.server.silent_seconds)
        head = b""
        while (line := self.rfile.readline()) not in {b"\r\n", b""}:
            head += line
        self.server.requests.append(head)
        self.rfile.read(int(message_from_bytes(head.partition(b"\r\n")[2])["Content-Length"] or 0))
        self.wfile.write(self.server.answer)


@contextmanager
def serving(answer: bytes, silent_seconds: float = 0) -> Iterator[Server]:
    with Server(answer, silent_seconds) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def answer(status: str, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def error(status: str, code: str) -> bytes:
    return answer(status, f"<Error><Code>{code}</Code></Error>".encode(), "Content-Type: application/xml")


# The real server


@pytest.fixture
def store(s3_server, s3_bucket) -> ObjectStore:
    return open_store(bucket_settings(s3_server, s3_bucket))


def test_the_content_type_is_kept_whatever_the_name_is(store):
    store.put("a.png", b"x", content_type="application/x-odd; a=b")
    assert store.stat("a.png").content_type == "application/x-odd; a=b"


def test_keys_that_other_programs_wrote_are_listed(store, s3_server, s3_bucket):
    client = s3_server.client()
    for key in ("dir/", "double//slash", "new\nline"):
        client._put_object(s3_bucket, key, b"", {})
    assert [info.key for info in store.list()] == ["dir/", "double//slash", "new\nline"]


@pytest.mark.parametrize("call", CALLS)
def test_wrong_credentials_are_named(s3_server, s3_bucket, call):
    store = open_store(bucket_settings(s3_server, s3_bucket, SECRET_KEY="wrong"))
    with pytest.raises(StorageUnavailableError, match="FOURPOINT_STORAGE_SECRET_KEY"):
        every_call(store)[call]()


def test_an_unknown_access_key_is_named(s3_server, s3_bucket):
    store = open_store(bucket_settings(s3_server, s3_bucket, ACCESS_KEY="nobody"))
    with pytest.raises(StorageUnavailableError, match="FOURPOINT_STORAGE_ACCESS_KEY"):
        store.check()


@pytest.mark.parametrize("call", ["check", "put", "read", "list"])
def test_a_missing_bucket_is_named(s3_server, call):
    store = open_store(bucket_settings(s3_server, "no-such-bucket"))
    with pytest.raises(StorageUnavailableError, match="no bucket 'no-such-bucket'"):
        every_call(store)[call]()


def test_a_failed_upload_in_parts_leaves_no_parts(store, s3_server, s3_bucket):
    class Failing:
        left = 3 * PART_BYTES

        def read(self, amount: int) -> bytes:
            if not self.left:
                raise ConnectionResetError
            amount = min(amount, self.left)
            self.left -= amount
            return bytes(amount)

    with pytest.raises(ConnectionResetError):
        store.put("a", Failing(), content_type="text/plain")
    uploads = s3_server.client()._list_multipart_uploads(s3_bucket)
    assert uploads.uploads == []


def test_a_server_that_dies_and_comes_back_is_unavailable_in_between():
    with running_s3() as server:
        store = open_store(bucket_settings(server, server.make_bucket()))
        store.put("a", b"x", content_type="text/plain")
        server.process.kill()
        server.process.wait()
        for call in every_call(store).values():
            with pytest.raises(StorageUnavailableError):
                call()


# The network


@pytest.fixture
def refusing_endpoint() -> Iterator[str]:
    """A port that is taken, and on which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"


@pytest.mark.parametrize("call", CALLS)
def test_an_endpoint_without_a_server_is_unavailable_at_once(refusing_endpoint, call):
    started = time.monotonic()
    with pytest.raises(StorageUnavailableError):
        every_call(opened(refusing_endpoint))[call]()
    assert time.monotonic() - started < 30


def test_an_endpoint_that_never_answers_fails_its_check_in_time():
    with serving(b"", silent_seconds=60) as server:
        started = time.monotonic()
        with pytest.raises(StorageUnavailableError):
            opened(server.endpoint, connect_seconds=0.5).check()
        assert time.monotonic() - started < 30


def test_a_host_that_does_not_exist_is_unavailable():
    with pytest.raises(StorageUnavailableError):
        opened("no-such-host.invalid").check()


def test_a_slow_uplink_gets_the_time_of_a_transfer_and_not_of_a_connection():
    with serving(answer("200 OK", b"", 'ETag: "1"'), silent_seconds=1) as server:
        store = opened(server.endpoint, connect_seconds=0.2)
        assert store.put("a", bytes(PART_BYTES), content_type="text/plain").etag == "1"


def test_an_object_cut_off_on_the_way_is_no_object():
    whole = answer("200 OK", b"0123456789", 'ETag: "1"')
    with serving(whole[:-4]) as server, pytest.raises(StorageUnavailableError):
        opened(server.endpoint).read("a")


# What servers answer


ANSWERS = {
    "internal error": error("500 Internal Server Error", "InternalError"),
    "overloaded": error("503 Slow Down", "SlowDown"),
    "a page of a proxy": answer("502 Bad Gateway", b"<html>Bad gateway</html>", "Content-Type: text/html"),
    "nothing useful": answer("503 Service Unavailable"),
    "xml that is none": answer("403 Forbidden", b"<Error", "Content-Type: application/xml"),
    "text in no encoding": answer("400 Bad Request", b"\xff\xfe", "Content-Type: application/xml"),
    "no http at all": b"SSH-2.0-OpenSSH_9.2\r\n",
    "a closed connection": b"",
    "a wrong clock": error("403 Forbidden", "RequestTimeTooSkewed"),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("reply", ANSWERS.values(), ids=ANSWERS.keys())
def test_whatever_a_server_answers_is_an_error_of_ours(reply, call):
    with serving(reply) as server, pytest.raises(StorageUnavailableError):
        every_call(opened(server.endpoint))[call]()


def test_a_server_that_asks_for_a_long_pause_is_not_waited_for():
    reply = answer("503 Slow Down", b"", "Retry-After: 600")
    with serving(reply) as server:
        started = time.monotonic()
        with pytest.raises(StorageUnavailableError):
            opened(server.endpoint).read("a")
        assert time.monotonic() - started < 60


def test_reading_is_tried_again_and_a_check_is_not():
    with serving(answer("503 Service Unavailable")) as server:
        store = opened(server.endpoint)
        with pytest.raises(StorageUnavailableError):
            store.check()
        assert len(server.requests) == 1
        with pytest.raises(StorageUnavailableError):
            store.read("a")
        assert len(server.requests) == 4


def test_a_new_object_is_written_under_a_condition():
    with serving(answer("404 Not Found", b"")) as server, pytest.raises(StorageUnavailableError):
        opened(server.endpoint).put("a", b"x", content_type="text/plain", if_absent=True)
    [asked, written] = server.requests
    assert asked.startswith(b"HEAD /bucket/a")
    assert b"if-none-match: *" in written.lower()


def test_a_completion_that_confirms_nothing_is_not_believed():
    reply = answer("200 OK", b"<Error><Code>InternalError</Code><UploadId>1</UploadId></Error>", 'ETag: "1"')
    with serving(reply) as server, pytest.raises(StorageUnavailableError, match="did not confirm"):
        opened(server.endpoint).put("a", bytes(PART_BYTES + 1), content_type="text/plain")


def listing(*keys: str) -> bytes:
    contents = "".join(
        f'<Contents><Key>{key}</Key><Size>1</Size><ETag>"1"</ETag>'
        "<LastModified>2026-01-02T03:04:05.000Z</LastModified></Contents>"
        for key in keys
    )
    body = f"<ListBucketResult><Name>bucket</Name><IsTruncated>true</IsTruncated>{contents}</ListBucketResult>"
    return answer("200 OK", body.encode(), "Content-Type: application/xml")


@pytest.mark.parametrize("keys", [("b", "a"), ("a", "b")], ids=["unsorted", "the same page for ever"])
def test_a_listing_out_of_order_is_not_believed(keys):
    with serving(listing(*keys)) as server, pytest.raises(StorageUnavailableError, match="lists"):
        list(opened(server.endpoint).list())


# Addresses


@pytest.mark.parametrize("url", ["http://host", "http://host/a/b", "http://host/UPPER", "http:///bucket"])
def test_an_address_that_names_no_bucket_stops_the_start(s3_server, url):
    with pytest.raises(SettingsError, match="FOURPOINT_STORAGE_URL"):
        open_store(bucket_settings(s3_server, "any", URL=url))


@pytest.mark.parametrize("url", ["http://key:secret@host/bucket", "http://host/bucket?region=x"])
def test_an_address_that_says_more_than_the_bucket_stops_the_start(s3_server, url):
    with pytest.raises(SettingsError, match="FOURPOINT_STORAGE_URL"):
        open_store(bucket_settings(s3_server, "any", URL=url))


def test_a_bucket_without_keys_stops_the_start(s3_server):
    with pytest.raises(SettingsError, match="FOURPOINT_STORAGE_SECRET_KEY"):
        open_store(bucket_settings(s3_server, "any", SECRET_KEY=""))


def test_a_bucket_of_obs_is_asked_for_by_its_own_host_name():
    store = opened("obs.cn-north-4.myhuaweicloud.com")
    url = store._client.presigned_get_object("bucket", "a")
    assert url.startswith("http://bucket.obs.cn-north-4.myhuaweicloud.com/a?")


def test_a_lost_answer_to_a_conditional_write_is_not_repeated():
    with serving(answer("404 Not Found")) as probing:
        # The answer to HEAD is "no such object"; the writing client then gets a broken connection.
        store = opened(probing.endpoint)
        with pytest.raises(StorageUnavailableError):
            store.put("a", b"x", content_type="text/plain", if_absent=True)
        assert [request.split()[0] for request in probing.requests] == [b"HEAD", b"PUT"]


def test_a_conflict_found_by_the_server_is_an_object_that_exists(s3_server, s3_bucket):
    store = open_store(bucket_settings(s3_server, s3_bucket))
    store.put("a", b"x", content_type="text/plain")
    store.exists = lambda key: False  # another writer was faster than the question
    with pytest.raises(ObjectExistsError):
        store.put("a", b"y", content_type="text/plain", if_absent=True)
    assert store.read("a") == b"x"
