"""A typed client of Fourpoint: all of its contract, and what a labeling program needs around that."""

from httpx import TransportError

from fourpoint_client import calls, models
from fourpoint_client.client import AsyncClient, Client
from fourpoint_client.flows import OpenDocument, Retrying
from fourpoint_client.problems import (
    BusyError,
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    ProblemError,
    StaleError,
    UnauthenticatedError,
)
from fourpoint_client.progress import Progress

__all__ = [
    "AsyncClient",
    "BusyError",
    "Client",
    "ConflictError",
    "ForbiddenError",
    "InvalidError",
    "NotFoundError",
    "OpenDocument",
    "ProblemError",
    "Progress",
    "Retrying",
    "StaleError",
    "TransportError",
    "UnauthenticatedError",
    "calls",
    "models",
]
