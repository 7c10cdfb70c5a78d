"""Settings of stores, as an operator would write them."""

from pathlib import Path

from tests.s3_server import S3Server

from fourpoint_core.settings import CoreSettings

ELSEWHERE = {
    "FOURPOINT_DATABASE_URL": "postgresql://nobody@localhost/none",
    "FOURPOINT_REDIS_URL": "redis://localhost/0",
}


def directory_settings(directory: Path) -> CoreSettings:
    return CoreSettings.from_mapping(ELSEWHERE | {"FOURPOINT_STORAGE_URL": directory.as_uri()})


def bucket_settings(server: S3Server, bucket: str, **changes: str) -> CoreSettings:
    """changes: other values of the variables, without their prefix FOURPOINT_STORAGE_."""
    values = {"URL": f"{server.url}/{bucket}", "REGION": server.region}
    values |= {"ACCESS_KEY": server.access_key, "SECRET_KEY": server.secret_key} | changes
    return CoreSettings.from_mapping(
        ELSEWHERE | {f"FOURPOINT_STORAGE_{name}": value for name, value in values.items()}
    )
