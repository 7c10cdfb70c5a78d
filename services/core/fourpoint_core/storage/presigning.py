"""Signed PUT requests that hold for one size and one type (AWS Signature Version 4, in the query).

The SDK signs the host only, so whoever has its URL may write any number of bytes. Here the headers that say
how many are signed too, and the service refuses a request with others.
"""

import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, urlsplit

ALGORITHM = "AWS4-HMAC-SHA256"


def with_signed_headers(url: str, headers: Mapping[str, str], secret_key: str) -> str:
    """The URL of a PUT, signed again so that it holds only together with these headers.

    url: as the SDK has signed it, whose time and scope stay.
    """
    parts = urlsplit(url)
    signed = {"host": parts.netloc, **{name.lower(): value.strip() for name, value in headers.items()}}
    query = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True))
    query.pop("X-Amz-Signature")
    query["X-Amz-SignedHeaders"] = ";".join(sorted(signed))
    canonical_query = "&".join(f"{_encoded(name)}={_encoded(query[name])}" for name in sorted(query))
    request = "\n".join(
        [
            "PUT",
            parts.path,
            canonical_query,
            *(f"{name}:{signed[name]}" for name in sorted(signed)),
            "",
            query["X-Amz-SignedHeaders"],
            "UNSIGNED-PAYLOAD",
        ]
    )
    scope = query["X-Amz-Credential"].split("/", 1)[1]
    text = "\n".join([ALGORITHM, query["X-Amz-Date"], scope, hashlib.sha256(request.encode()).hexdigest()])
    signature = hmac.new(_signing_key(secret_key, scope), text.encode(), hashlib.sha256).hexdigest()
    return f"{parts.scheme}://{parts.netloc}{parts.path}?{canonical_query}&X-Amz-Signature={signature}"


def _signing_key(secret_key: str, scope: str) -> bytes:
    """scope: date/region/service/aws4_request."""
    key = f"AWS4{secret_key}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key


def _encoded(text: str) -> str:
    return quote(text, safe="-_.~")
