"""A bucket of any S3 service (OBS, MinIO, Swift, AWS) as object store, through the minio SDK."""

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from io import BytesIO
from typing import Any, BinaryIO, cast
from xml.etree.ElementTree import ParseError

import urllib3
from minio import Minio
from minio.datatypes import Object
from minio.error import MinioException, S3Error, ServerError
from minio.helpers import ObjectWriteResult
from urllib3 import BaseHTTPResponse
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from fourpoint_core.errors import (
    FourpointError,
    ObjectMissingError,
    SettingsError,
    StorageDeniedError,
    StorageUnavailableError,
)
from fourpoint_core.storage.port import (
    CHUNK_BYTES,
    ExactReader,
    ObjectExistsError,
    ObjectInfo,
    SignedPut,
    check_range,
    missing,
    validate_key,
    validate_prefix,
)
from fourpoint_core.storage.presigning import with_signed_headers

# What a write keeps in memory, a few times over. Longer data goes up in parts of this size, of which S3 takes
# MAX_PARTS: 80 GB of a stream whose length nobody knows, any length where it is known.
PART_BYTES = 8 * 2**20
MAX_PARTS = 10_000
POOL_CONNECTIONS = 16

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
# OBS gives every bucket a host name of its own, and promises nothing for the bucket in the path.
_VIRTUAL_HOSTED = re.compile(r"\.myhuaweicloud\.(com|eu|cn)(:\d+)?$")
_REFUSED = {
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "AccountProblem",
    "AllAccessDisabled",
    "ExpiredToken",
    "InvalidToken",
}
_DENIED = "AccessDenied"
_MD5 = re.compile(r"[0-9a-f]{32}")
_MADE_OF_MD5 = re.compile(r"[0-9a-f]{32}(-[0-9]+)?")
_CLOCK = {"RequestTimeTooSkewed", "RequestExpired"}

_RETRIES = urllib3.Retry(
    total=2,
    connect=1,
    read=1,
    backoff_factor=0.2,
    status_forcelist={500, 502, 503, 504},
    raise_on_status=False,
    # A server may ask for minutes; whoever is waiting is told at once instead, and the job tries again.
    respect_retry_after_header=False,
)
# A conditional write that succeeded, and whose answer got lost, must not run into itself.
_RETRY_CONNECTING = urllib3.Retry(total=1, connect=1, read=0, status=0, other=0, raise_on_status=False)
_NO_RETRY = urllib3.Retry(total=0, raise_on_status=False)


class S3Store:
    """The port `ObjectStore` on one bucket. Nothing is contacted before the first call.

    Parts of an upload that was killed stay in the bucket, unseen: give it a lifecycle rule that aborts
    incomplete multipart uploads.
    """

    def __init__(
        self,
        *,
        endpoint: str,
        bucket: str,
        access_key: str,
        secret_key: str,
        region: str,
        secure: bool,
        connect_seconds: float = 3.0,
        transfer_seconds: float = 30.0,
        public_endpoint: str | None = None,
        public_secure: bool = True,
    ):
        """endpoint: host, or host:port. transfer_seconds: longest silence of the server within a request.

        public_endpoint: what signed requests are for, where clients reach the server at another address.

        Raises SettingsError where the names cannot be those of a bucket.
        """
        if not _BUCKET.fullmatch(bucket):
            raise SettingsError(f"FOURPOINT_STORAGE_URL: {bucket!r} is no bucket name")
        self._bucket = bucket
        self._endpoint = endpoint
        self._secret_key = secret_key

        def client(
            kind: type[Minio],
            retries: urllib3.Retry,
            seconds: float = transfer_seconds,
            at: tuple[str, bool] = (endpoint, secure),
        ) -> Minio:
            pool = _Pools(connect_seconds, seconds, retries)
            return kind(at[0], access_key, secret_key, region=region or None, secure=at[1], http_client=pool)

        try:
            self._client = client(Minio, _RETRIES)
            self._creator = client(_CreatingClient, _RETRY_CONNECTING)
            self._prober = client(Minio, _NO_RETRY, seconds=connect_seconds)
            # It only signs, and never connects.
            signs_for = (endpoint, secure) if public_endpoint is None else (public_endpoint, public_secure)
            self._signer = client(Minio, _RETRIES, at=signs_for)
        except ValueError as error:
            raise SettingsError(f"FOURPOINT_STORAGE_URL: {error}") from error
        if _VIRTUAL_HOSTED.search(public_endpoint or endpoint):
            self._signer.enable_virtual_style_endpoint()  # type: ignore[no-untyped-call]
        if _VIRTUAL_HOSTED.search(endpoint):
            for each in (self._client, self._creator, self._prober):
                each.enable_virtual_style_endpoint()  # type: ignore[no-untyped-call]

    @property
    def bucket(self) -> str | None:
        """See ObjectStore.bucket."""
        return self._bucket

    def same_bytes(self, etag: str, other_etag: str) -> bool | None:
        """See ObjectStore.same_bytes.

        A tag with a dash is made from the MD5s of parts: equal ones have equal bytes, others may have. Where
        the service encrypts with keys of its own, tags are no MD5, and equal bytes are told apart; that costs
        a rename its recognition, and confuses nothing.
        """
        if etag == other_etag:
            return True if _MADE_OF_MD5.fullmatch(etag) else None
        return False if _MD5.fullmatch(etag) and _MD5.fullmatch(other_etag) else None

    def put(
        self,
        key: str,
        data: bytes | BinaryIO,
        *,
        content_type: str,
        size: int | None = None,
        if_absent: bool = False,
    ) -> ObjectInfo:
        """See ObjectStore.put. The ETag of data over PART_BYTES is none of its MD5."""
        validate_key(key)
        if if_absent and self.exists(key):
            # Asked first because some servers ignore the condition that the creating client sends.
            raise _exists(key)
        if isinstance(data, bytes):
            size = len(data) if size is None else size
            data = BytesIO(data)
        source = ExactReader(data, size)
        client = self._creator if if_absent else self._client
        with self._translated(key):
            written = client.put_object(
                self._bucket,
                key,
                cast(BinaryIO, source),
                length=-1 if size is None else size,
                content_type=content_type,
                part_size=_part_bytes(size),
                # One after the other: in parallel, the SDK would queue parts without bound.
                num_parallel_uploads=1,
            )
        return _written_info(key, source.count, content_type, written)

    def read(self, key: str) -> bytes:
        """See ObjectStore.read."""
        with self.open_range(key) as chunks:
            return b"".join(chunks)

    @contextmanager
    def open_range(self, key: str, start: int = 0, length: int | None = None) -> Iterator[Iterator[bytes]]:
        """See ObjectStore.open_range. Bytes that do not arrive raise StorageUnavailableError on the way."""
        check_range(start, length)
        response = self._get(key, start, length)
        if response is None:
            yield iter(())
            return
        try:
            yield self._chunks(response)
        finally:
            # Closed, not drained: what nobody wants to read is not worth the connection.
            response.close()
            response.release_conn()

    def stat(self, key: str) -> ObjectInfo:
        """See ObjectStore.stat. A missing bucket looks like a missing object here: only `check` tells."""
        validate_key(key)
        with self._translated(key):
            return _info(self._client.stat_object(self._bucket, key))

    def exists(self, key: str) -> bool:
        """See ObjectStore.exists."""
        try:
            self.stat(key)
        except ObjectMissingError:
            return False
        return True

    def delete(self, key: str) -> None:
        """See ObjectStore.delete."""
        validate_key(key)
        with self._translated(key):
            self._client.remove_object(self._bucket, key)

    def list(self, prefix: str = "", start_after: str | None = None) -> Iterator[ObjectInfo]:
        """See ObjectStore.list."""
        validate_prefix(prefix)
        return self._list(prefix, start_after)

    def signed_put(self, key: str, *, size: int, content_type: str, seconds: int) -> SignedPut | None:
        """See ObjectStore.signed_put. Where no region is configured, the bucket's is asked for once."""
        validate_key(key)
        with self._translated(key):
            url = self._signer.get_presigned_url("PUT", self._bucket, key, expires=timedelta(seconds=seconds))
        headers = {"Content-Type": content_type}
        return SignedPut(
            with_signed_headers(url, {**headers, "Content-Length": str(size)}, self._secret_key), headers
        )

    def check(self) -> None:
        """See ObjectStore.check. One request, no retry, and no longer than two times `connect_seconds`."""
        with self._translated():
            if not self._prober.bucket_exists(self._bucket):
                raise self._no_bucket()

    def _get(self, key: str, start: int, length: int | None) -> BaseHTTPResponse | None:
        """The open answer; None where the range holds nothing."""
        validate_key(key)
        if length == 0:
            # "No bytes" cannot be said in a Range header.
            self.stat(key)
            return None
        with self._translated(key):
            try:
                return self._client.get_object(self._bucket, key, offset=start, length=length or 0)
            except S3Error as error:
                if error.code == "InvalidRange":
                    return None
                raise

    def _chunks(self, response: BaseHTTPResponse) -> Iterator[bytes]:
        stream = response.stream(CHUNK_BYTES)
        while True:
            with self._translated():
                chunk = next(stream, None)
            if chunk is None:
                return
            yield chunk

    def _list(self, prefix: str, start_after: str | None) -> Iterator[ObjectInfo]:
        # Version 1, which every S3 service has: one that overlooks `list-type=2` would also overlook the
        # continuation token, and send its first page for ever.
        objects = self._client.list_objects(
            self._bucket, prefix=prefix, recursive=True, start_after=start_after, use_api_v1=True
        )
        last = start_after or ""
        while True:
            with self._translated():
                found = next(objects, None)
            if found is None:
                return
            info = _info(found)
            if info.key <= last:
                # Synchronisation compares two sorted lists: a wrong order would delete what exists.
                raise StorageUnavailableError(f"The object store lists {info.key!r} after {last!r}.")
            last = info.key
            yield info

    @contextmanager
    def _translated(self, key: str = "") -> Iterator[None]:
        """What the SDK and the network raise, as errors of the domain; nothing else raises out of them."""
        try:
            yield
        except S3Error as error:
            raise self._from_s3(error, key) from error
        except ServerError as error:
            # An answer to HEAD has no body that could say more.
            raise StorageUnavailableError(
                f"The object store at {self._endpoint} answered with the HTTP status {error.status_code}."
            ) from error
        except (MinioException, urllib3.exceptions.HTTPError, ParseError, UnicodeDecodeError) as error:
            # What urllib3 gave up on says more than that it gave up.
            reason = getattr(error, "reason", None) or error
            raise StorageUnavailableError(
                f"The object store at {self._endpoint} did not answer properly: {type(reason).__name__}."
            ) from error

    def _from_s3(self, error: S3Error, key: str) -> FourpointError:
        code = error.code or ""
        if key and code == "NoSuchKey":
            return missing(key)
        if key and code == "PreconditionFailed":
            return _exists(key)
        return self._no_bucket() if code == "NoSuchBucket" else self._refusal(code, error.message or "")

    def _refusal(self, code: str, message: str) -> StorageUnavailableError:
        if code == _DENIED:
            return StorageDeniedError(
                f"The access key may not do this in the bucket {self._bucket!r} ({code}): check its policy,"
                " FOURPOINT_STORAGE_ACCESS_KEY and FOURPOINT_STORAGE_SECRET_KEY."
            )
        if code in _REFUSED:
            return StorageUnavailableError(
                f"The object store refused the access key ({code}): check FOURPOINT_STORAGE_ACCESS_KEY,"
                f" FOURPOINT_STORAGE_SECRET_KEY, and what the key may do in the bucket {self._bucket!r}."
            )
        if code in _CLOCK:
            return StorageUnavailableError(f"The clocks of this machine and the object store differ ({code}).")
        return StorageUnavailableError(f"The object store answered {code}: {message}")

    def _no_bucket(self) -> StorageUnavailableError:
        return StorageUnavailableError(
            f"There is no bucket {self._bucket!r} at {self._endpoint}: check FOURPOINT_STORAGE_URL."
        )


class _CreatingClient(Minio):
    """Writes only where there is no object yet. The SDK (7.2) has no parameter for the condition."""

    def _execute(
        self,
        method: str,
        bucket_name: str | None = None,
        object_name: str | None = None,
        body: bytes | None = None,
        headers: dict[str, Any] | None = None,
        query_params: dict[str, Any] | None = None,
        preload_content: bool = True,
        no_body_trace: bool = False,
    ) -> BaseHTTPResponse:
        if _gives_key_its_object(method, query_params or {}):
            headers = {**(headers or {}), "If-None-Match": "*"}
        return super()._execute(
            method, bucket_name, object_name, body, headers, query_params, preload_content, no_body_trace
        )


def _gives_key_its_object(method: str, query: dict[str, Any]) -> bool:
    """Single uploads, and the completion of one in parts; for the parts, servers know no condition."""
    return (method == "PUT" and "partNumber" not in query) or (method == "POST" and "uploadId" in query)


# urllib3 sends the body under the timeout of connecting, and for plain HTTP that bounds the whole part: a
# slow uplink could never finish one. Once connected, the longer time counts.
class _PlainConnection(HTTPConnection):
    transfer_seconds: float

    def connect(self) -> None:
        super().connect()
        cast(socket.socket, self.sock).settimeout(self.transfer_seconds)


class _TlsConnection(HTTPSConnection):
    transfer_seconds: float

    def connect(self) -> None:
        super().connect()
        cast(socket.socket, self.sock).settimeout(self.transfer_seconds)


class _Pools(urllib3.PoolManager):
    """Connections that give up soon on an endpoint that is not there, and later on one that is slow."""

    def __init__(self, connect_seconds: float, transfer_seconds: float, retries: urllib3.Retry):
        super().__init__(
            maxsize=POOL_CONNECTIONS,
            timeout=urllib3.Timeout(connect=connect_seconds, read=transfer_seconds),
            retries=retries,
        )
        seconds = {"transfer_seconds": transfer_seconds}
        plain = type("_Plain", (_PlainConnection,), seconds)
        tls = type("_Tls", (_TlsConnection,), seconds)
        self.pool_classes_by_scheme = {
            "http": type("_PlainPool", (HTTPConnectionPool,), {"ConnectionCls": plain}),
            "https": type("_TlsPool", (HTTPSConnectionPool,), {"ConnectionCls": tls}),
        }


def _part_bytes(size: int | None) -> int:
    return PART_BYTES if size is None else max(PART_BYTES, -(-size // MAX_PARTS))


def _exists(key: str) -> ObjectExistsError:
    return ObjectExistsError(f"There already is an object {key!r}.")


def _info(found: Object) -> ObjectInfo:
    return ObjectInfo(
        key=found.object_name or "",
        size=found.size or 0,
        etag=found.etag or "",
        last_modified=found.last_modified or datetime.now(UTC),
        content_type=found.content_type,
    )


def _written_info(key: str, size: int, content_type: str, written: ObjectWriteResult) -> ObjectInfo:
    if not written.etag:
        # S3 may answer the completion of an upload with 200 and an error in the body; the SDK overlooks it.
        raise StorageUnavailableError(f"The object store did not confirm that it stored {key!r}.")
    stamp = written.http_headers.get("Last-Modified") or written.http_headers.get("Date")
    last_modified = parsedate_to_datetime(stamp).astimezone(UTC) if stamp else datetime.now(UTC)
    return ObjectInfo(key, size, written.etag, last_modified, content_type)
