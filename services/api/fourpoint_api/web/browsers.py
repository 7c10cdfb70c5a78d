"""What browsers are told that no page may do with answers; which pages may call at all is said in `cors`."""

import base64
import hashlib
import re

from flask import Flask, Response, request
from werkzeug.middleware.proxy_fix import ProxyFix

from fourpoint_api.settings import ApiSettings

# JSON and images: nothing in them is to be run, loaded or framed.
_NOTHING = "default-src 'none'; frame-ancestors 'none'; sandbox"
NOT_TO_BE_RUN = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": _NOTHING,
}
_HTML = "text/html"
_INLINE_SCRIPT = re.compile(rb"<script>(.*?)</script>", re.DOTALL)


def install(app: Flask, settings: ApiSettings) -> None:
    """Set the headers of every answer, and believe proxies as far as they are trusted."""
    if settings.trusted_proxies:
        count = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=count, x_proto=count, x_host=count)  # type: ignore[method-assign]

    def guard(response: Response) -> Response:
        headers = response.headers
        headers.update(NOT_TO_BE_RUN)
        if response.mimetype == _HTML:
            headers["Content-Security-Policy"] = _for_page(response)
        if settings.hsts_seconds and request.is_secure:
            headers["Strict-Transport-Security"] = f"max-age={settings.hsts_seconds}; includeSubDomains"
        return response

    app.after_request(guard)


def _for_page(response: Response) -> str:
    """What the documentation may do: run its own scripts, and talk to its own host."""
    response.direct_passthrough = False
    scripts = [hashlib.sha256(script).digest() for script in _INLINE_SCRIPT.findall(response.get_data())]
    hashes = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in scripts)
    return (
        f"default-src 'none'; script-src 'self' {hashes}; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
