"""Object storage behind one port: a directory, or a bucket of any S3 service."""

from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from fourpoint_core.errors import SettingsError
from fourpoint_core.settings import CoreSettings
from fourpoint_core.storage.local_store import LocalStore
from fourpoint_core.storage.port import ObjectExistsError, ObjectInfo, ObjectStore, SignedPut
from fourpoint_core.storage.s3_store import S3Store

__all__ = ["ObjectExistsError", "ObjectInfo", "ObjectStore", "SignedPut", "open_store"]


def open_store(settings: CoreSettings) -> ObjectStore:
    """The store that FOURPOINT_STORAGE_URL names.

    A directory is made if need be; a bucket is not contacted yet. Call it once per process, after forking.
    Raises SettingsError where the address cannot be one of a store.
    """
    address = urlsplit(settings.storage_url)
    if address.scheme == "file":
        return LocalStore(_directory(address))
    if not settings.storage_access_key or not settings.storage_secret_key:
        raise SettingsError(
            "FOURPOINT_STORAGE_ACCESS_KEY and FOURPOINT_STORAGE_SECRET_KEY must be set for a bucket"
        )
    public = urlsplit(settings.storage_public_url)
    if settings.storage_public_url:
        _require_same_bucket(public, address, settings.storage_region)
    return S3Store(
        endpoint=_endpoint(address),
        bucket=address.path.strip("/"),
        access_key=settings.storage_access_key,
        secret_key=settings.storage_secret_key,
        region=settings.storage_region,
        secure=address.scheme == "https",
        public_endpoint=_endpoint(public) if settings.storage_public_url else None,
        public_secure=public.scheme == "https",
    )


def _directory(address: SplitResult) -> Path:
    directory = Path(unquote(address.path))
    # file://data/bucket would silently mean /bucket on a host called data.
    if address.netloc not in {"", "localhost"} or not directory.is_absolute() or directory == Path("/"):
        raise SettingsError("FOURPOINT_STORAGE_URL: a directory is written file:///path/to/directory")
    return directory


def _require_same_bucket(public: SplitResult, address: SplitResult, region: str) -> None:
    if public.scheme not in {"http", "https"} or public.path.strip("/") != address.path.strip("/"):
        raise SettingsError(
            "FOURPOINT_STORAGE_PUBLIC_URL: give the address of the same bucket, https://endpoint/bucket"
        )
    if not region:
        # Whoever signs without one asks the endpoint, and the public one may be out of reach from here.
        raise SettingsError("FOURPOINT_STORAGE_REGION must be set together with FOURPOINT_STORAGE_PUBLIC_URL")


def _endpoint(address: SplitResult) -> str:
    if "@" in address.netloc:
        raise SettingsError(
            "FOURPOINT_STORAGE_URL: keys do not belong here, but into FOURPOINT_STORAGE_ACCESS_KEY"
            " and FOURPOINT_STORAGE_SECRET_KEY"
        )
    if address.query or address.fragment or not address.netloc:
        raise SettingsError("FOURPOINT_STORAGE_URL: a bucket is written https://endpoint/bucket")
    return address.netloc
