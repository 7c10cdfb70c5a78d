"""What browsers are told, and which proxies are believed."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from flask import Flask, request
from flask.testing import FlaskClient

from fourpoint_api.app import create_app
from fourpoint_api.clients import build_clients
from fourpoint_api.settings import ApiSettings

Configured = Callable[..., Flask]


@pytest.fixture
def configured(api_settings: ApiSettings) -> Iterator[Configured]:
    """Makes APIs with other settings."""
    made = []

    def make(**settings: object) -> Flask:
        made.append(build_clients(replace(api_settings, **settings)))
        return create_app(made[-1])

    yield make
    for clients in made:
        clients.close()


@pytest.mark.parametrize("path", ["/v1/me", "/healthz", "/nowhere", "/docs/", "/openapi.json"])
def test_no_answer_is_to_be_guessed_at_or_framed(nobody: FlaskClient, path: str) -> None:
    headers = nobody.get(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]


def test_the_documentation_may_run_its_own_scripts_and_no_others(nobody: FlaskClient) -> None:
    page = nobody.get("/docs/")
    policy = page.headers["Content-Security-Policy"]
    assert policy.count("'sha256-") == len(re.findall(r"<script>", page.text)) == 1
    assert "script-src 'self' 'sha256-" in policy
    assert "unsafe-inline" not in policy.partition("style-src")[0]


def test_the_page_is_the_same_wherever_it_is_asked_for(nobody: FlaskClient) -> None:
    # Its inline script holds no address, so that its hash is the page's own.
    assert nobody.get("/docs/", base_url="http://a").text == nobody.get("/docs/", base_url="https://b").text


def test_browsers_are_held_to_tls_where_there_is_some(configured: Configured) -> None:
    client = configured(hsts_seconds=31536000).test_client()
    held = client.get("/healthz", base_url="https://localhost").headers
    assert held["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"
    assert "Strict-Transport-Security" not in client.get("/healthz").headers


FORWARDED = {
    "X-Forwarded-For": "198.51.100.1, 203.0.113.7",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "label.example.org",
}


@pytest.mark.parametrize(
    ("proxies", "address", "url"),
    [
        (0, "127.0.0.1", "http://localhost/seen"),
        (1, "203.0.113.7", "https://label.example.org/seen"),
        (2, "198.51.100.1", "http://localhost/seen"),
    ],
)
def test_proxies_are_believed_as_far_as_they_are_trusted(
    configured: Configured, proxies: int, address: str, url: str
) -> None:
    app = configured(trusted_proxies=proxies)
    seen = []
    app.before_request(lambda: seen.append((request.remote_addr, request.base_url)))
    app.test_client().get("/seen", headers=FORWARDED)
    assert seen == [(address, url)]
