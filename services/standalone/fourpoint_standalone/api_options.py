"""Options of the commands that speak to an API: where it is, and as whom."""

import functools
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from fourpoint_standalone.processes import StandaloneError

if TYPE_CHECKING:
    from fourpoint_client import Client

_OPTIONS = (
    click.argument("dataset"),
    click.option(
        "--token",
        envvar="FOURPOINT_TOKEN",
        show_envvar=True,
        required=True,
        help="An API token; of the scope `manage` for all that changes something.",
    ),
    click.option(
        "--url",
        envvar="FOURPOINT_URL",
        show_envvar=True,
        show_default=True,
        default="http://127.0.0.1:8040",
        help="Where the API is.",
    ),
)


def of_dataset(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options that say which API and which dataset, handed over as `client` and `dataset_id`."""

    @functools.wraps(command)
    def with_client(url: str, token: str, dataset: str, **options: Any) -> Any:
        from fourpoint_standalone.connection import connected  # noqa: PLC0415 - so that `--help` is quick

        with connected(url, token.strip()) as client:
            return command(client=client, dataset_id=_find_dataset(client, dataset), **options)

    decorated: Callable[..., Any] = with_client
    for option in _OPTIONS:
        decorated = option(decorated)
    return decorated


def _find_dataset(client: "Client", dataset: str) -> str:
    """The id of a dataset that is named by its id or its name."""
    from fourpoint_client import calls  # noqa: PLC0415

    with suppress(ValueError):
        return str(UUID(dataset))
    alike = client.items(calls.list_datasets(name_contains=dataset))
    found = next((one["id"] for one in alike if one["name"] == dataset), None)
    if found is None:
        raise StandaloneError(f"There is no dataset named {dataset!r}; give its name or its id.")
    return found
