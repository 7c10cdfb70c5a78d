"""The directories of a dataset's images, one level at a time."""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

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


def child_directories(session: Session, dataset_id: UUID, prefix: str, limit: int) -> list[str]:
    """The directories directly below `prefix`, which is empty or ends with a slash; each ends with one."""
    values = {"dataset_id": dataset_id, "prefix": prefix, "limit": limit}
    return list(session.scalars(_CHILDREN, values))
