import http.server
import json
import threading

import pytest

from fourpoint_standalone import readiness
from fourpoint_standalone.processes import free_port


@pytest.fixture
def answering():
    """Start a server that answers every request with a status and a body; its port."""
    servers = []

    def start(status, body):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(status)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments):
                pass

        server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        return server.server_port

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_nothing_is_missing_when_the_api_says_that_it_is_ready(answering):
    assert readiness.missing("127.0.0.1", answering(200, b"{}")) == {}


def test_what_is_not_ok_is_missing_in_the_words_of_the_api(answering):
    body = json.dumps({"checks": {"database": "ok", "workers": "nobody consumes: io"}}).encode()
    assert readiness.missing("127.0.0.1", answering(503, body)) == {"workers": "nobody consumes: io"}


def test_an_answer_of_another_program_is_not_taken_for_ours(answering):
    assert readiness.missing("127.0.0.1", answering(404, b"<html>")) == {"api": "it answers with status 404"}


def test_without_an_answer_the_api_is_missing():
    assert set(readiness.missing("127.0.0.1", free_port())) == {"api"}


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "127.0.0.1:80"),
        ("0.0.0.0", "127.0.0.1:80"),
        ("::", "[::1]:80"),
        ("fd00::7", "[fd00::7]:80"),
    ],
)
def test_an_address_is_one_that_this_machine_can_reach(host, address):
    assert readiness.in_url(readiness.reachable(host), 80) == address
