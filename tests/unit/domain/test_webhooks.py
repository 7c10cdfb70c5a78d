"""What a webhook may be, how its calls are signed, and how long they are tried."""

import hashlib
import hmac

import pytest

from fourpoint_core.domain.webhooks import MAX_ATTEMPTS, check_url, pause_after, signature
from fourpoint_core.errors import InvalidInputError


def test_a_signature_is_what_any_receiver_computes() -> None:
    expected = hmac.new(b"fpw_key", b'{"a":1}', hashlib.sha256).hexdigest()
    assert signature("fpw_key", b'{"a":1}') == f"sha256={expected}"


def test_pauses_grow_and_end() -> None:
    pauses = [pause_after(attempt) for attempt in range(1, MAX_ATTEMPTS)]
    assert None not in pauses
    assert pauses == sorted(pauses)  # type: ignore[type-var]
    assert pause_after(MAX_ATTEMPTS) is None


@pytest.mark.parametrize(
    "url", ["https://example.org/hook?a=1", "http://[2606:4700::1]:8080/", "http://10.0.0.1"]
)
def test_an_address_that_can_be_called_is_taken(url: str) -> None:
    check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.org",
        "ftp://example.org",
        "file:///etc/passwd",
        "https://",
        "https://:80/",
        "https://user:secret@example.org/",
        "https://example.org:99999/",
        "https://example.org:0/",
        "https://[::1",
        "https://example.org/#part",
        "https://example.org/a b",
        "https://example.org/\n",
        "https://exämple.org/",
        "https://example.org/" + "a" * 2000,
    ],
)
def test_an_address_that_cannot_is_refused_at_its_field(url: str) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        check_url(url)
    assert [(error.pointer, error.code) for error in refusal.value.errors] == [("/url", "url_invalid")]
