"""The directories of a dataset's images, one level at a time."""

from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from fourpoint_core.domain.filters import next_prefix

# From one directory to the next that differs at this level, each by one look into the index: the cost is that
# of the answer, however many images lie below. In the order of code points "0" is what follows "/".
_CHILDREN = text(
    """
    WITH RECURSIVE level(child) AS (
        (
            SELECT :prefix || split_part(substr(directory, char_length(:prefix) + 1), '/', 1) || '/'
            FROM sample_paths
            WHERE dataset_id = :dataset_id AND directory > :prefix AND starts_with(directory, :prefix)
            ORDER BY directory LIMIT 1
        )
        UNION ALL
        SELECT (
            SELECT :prefix || split_part(substr(directory, char_length(:prefix) + 1), '/', 1) || '/'
            FROM sample_paths
            WHERE dataset_id = :dataset_id AND directory >= rtrim(level.child, '/') || '0'
                AND starts_with(directory, :prefix)
            ORDER BY directory LIMIT 1
        )
        FROM level WHERE level.child IS NOT NULL
    )
    SELECT child FROM level WHERE child IS NOT NULL LIMIT :limit
    """
)

# The same by the keys that a version holds; files that lie beside the directories are read through.
_FIRST_CHILD = """
    SELECT :prefix || split_part(substr(pin.object_key, char_length(:prefix) + 1), '/', 1) || '/'
    FROM version_samples pin
    WHERE pin.dataset_id = :dataset_id AND pin.from_number <= (SELECT number FROM version)
        AND (pin.to_number IS NULL OR pin.to_number > (SELECT number FROM version))
        AND pin.object_key COLLATE "C" {beyond} AND starts_with(pin.object_key, :prefix)
        AND (CAST(:stop AS text) IS NULL OR pin.object_key COLLATE "C" < :stop)
        AND strpos(substr(pin.object_key, char_length(:prefix) + 1), '/') > 0
    ORDER BY pin.object_key COLLATE "C" LIMIT 1
"""
_CHILDREN_OF_VERSION = text(
    f"""
    WITH RECURSIVE version AS (SELECT number FROM versions WHERE id = :version_id), level(child) AS (
        ({_FIRST_CHILD.format(beyond="> :prefix")})
        UNION ALL
        SELECT ({_FIRST_CHILD.format(beyond=">= rtrim(level.child, '/') || '0'")})
        FROM level WHERE level.child IS NOT NULL
    )
    SELECT child FROM level WHERE child IS NOT NULL LIMIT :limit
    """  # noqa: S608 - constants
)


def child_directories(
    session: Session, dataset_id: UUID, prefix: str, limit: int, version: UUID | None = None
) -> list[str]:
    """The directories directly below `prefix`, which is empty or ends with a slash; each ends with one.

    version: those of its images; None: those of all images.
    """
    values: dict[str, Any] = {"dataset_id": dataset_id, "prefix": prefix, "limit": limit}
    if version is None:
        return list(session.scalars(_CHILDREN, values))
    values |= {"version_id": version, "stop": next_prefix(prefix)}
    return list(session.scalars(_CHILDREN_OF_VERSION, values))
