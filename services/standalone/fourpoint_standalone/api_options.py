"""Options of the commands that speak to an API: where it is, and as whom."""

import contextlib
import functools
from collections.abc import Callable
from typing import Any

import click

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
    def connected(url: str, token: str, dataset: str, **options: Any) -> Any:
        from fourpoint_standalone.rest_client import RestClient  # noqa: PLC0415 - so that `--help` is quick

        with contextlib.closing(RestClient(url, token)) as client:
            return command(client=client, dataset_id=client.find_dataset(dataset), **options)

    decorated: Callable[..., Any] = connected
    for option in _OPTIONS:
        decorated = option(decorated)
    return decorated
