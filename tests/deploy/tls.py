"""Certificates, made and put in place as docs/deploy.md tells it."""

import os
import ssl
from pathlib import Path
from urllib.parse import urlsplit

from tests.deploy.images import run

# Of the user that HAProxy's image runs as.
PROXY_USER = 99


def make_certificate(directory: Path) -> Path:
    """A certificate for localhost that vouches for itself; its chain in cert.pem, its key in key.pem."""
    directory.mkdir()
    run(
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
        *("-days", "30", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
        *("-keyout", directory / "key.pem", "-out", directory / "cert.pem"),
    )
    return directory


def put_in_place(content: str, directory: Path) -> None:
    """The file that the proxy reads, whole at every moment. content: certificate, chain and key."""
    new = directory / ".new"
    new.unlink(missing_ok=True)
    new.write_text(content)
    new.chmod(0o400)
    os.chown(new, PROXY_USER, PROXY_USER)
    new.replace(directory / "label.pem")


def both_parts(certificate: Path) -> str:
    """Certificate and key, one after the other."""
    return (certificate / "cert.pem").read_text() + (certificate / "key.pem").read_text()


def shown_by(url: str) -> str:
    """The certificate that new connections are shown, as PEM."""
    address = urlsplit(url)
    assert address.hostname and address.port
    return ssl.get_server_certificate((address.hostname, address.port))
