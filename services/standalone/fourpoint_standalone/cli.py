"""The command `fourpoint`. What it runs is imported by the commands, so that `--help` is quick."""

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fourpoint_standalone.processes import StandaloneError

if TYPE_CHECKING:
    from fourpoint_standalone.stack import Stack

_PORT = click.IntRange(0, 65535)
_MANY = click.IntRange(1, 1024)


class _Group(click.Group):
    """Errors that were foreseen are sentences, without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except StandaloneError as error:
            raise click.ClickException(str(error)) from error


def _option(*names: str, variable: str, **attributes: Any) -> Callable[..., Any]:
    return click.option(*names, envvar=variable, show_envvar=True, show_default=True, **attributes)


_data_directory = _option(
    "--data-directory",
    variable="FOURPOINT_DATA_DIRECTORY",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(".fourpoint"),
    help="Database, images and logs; made if need be, and private.",
)
_STACK_OPTIONS = (
    _data_directory,
    _option(
        "--host",
        variable="FOURPOINT_HOST",
        default="127.0.0.1",
        help="Where the API listens. There are no accounts: whoever reaches it may do everything.",
    ),
    _option(
        "--port",
        "api_port",
        variable="FOURPOINT_PORT",
        type=_PORT,
        default=8040,
        help="Port of the API; 0 takes a free one.",
    ),
    _option(
        "--postgres-port",
        variable="FOURPOINT_POSTGRES_PORT",
        type=click.IntRange(1, 65535),
        help="Have PostgreSQL listen on the loopback, too  [default: a Unix socket only]",
    ),
    _option(
        "--redis-port",
        variable="FOURPOINT_REDIS_PORT",
        type=_PORT,
        default=0,
        help="Port of Redis on the loopback; 0 takes a free one.",
    ),
    _option(
        "--api-workers", variable="FOURPOINT_API_WORKERS", type=_MANY, default=2, help="Processes of the API."
    ),
    _option(
        "--api-threads",
        variable="FOURPOINT_API_THREADS",
        type=_MANY,
        default=32,
        help="Requests that a process of the API serves at once.",
    ),
    _option(
        "--inference-threads",
        variable="FOURPOINT_INFERENCE_THREADS",
        type=_MANY,
        default=2,
        help="Outlines that are drawn at once.",
    ),
    _option(
        "--io-processes",
        variable="FOURPOINT_IO_PROCESSES",
        type=_MANY,
        default=2,
        help="Background jobs without inference that run at once.",
    ),
    _option(
        "--engine", variable="FOURPOINT_ENGINE", help="What draws the outlines  [default: the worker's own]"
    ),
)


def _stack_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_STACK_OPTIONS):
        command = option(command)
    return command


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def main() -> None:
    """Fourpoint: four clicks in, an outline out."""


@main.command()
@_stack_options
def up(**options: Any) -> None:
    """Run everything on this machine until Ctrl-C.

    PostgreSQL, Redis, the API and the workers; the data stays for the next start.
    """
    with _running(options) as stack:
        click.echo(f"\nFourpoint runs at {stack.base_url}, with its documentation at {stack.base_url}/docs")
        click.echo(f"Its data is in {stack.data_directory}; end it with Ctrl-C.")
        _wait_for_signal()


@main.command("demo")
@_stack_options
@_option("--once", variable="ONCE", is_flag=True, help="End after the demonstration.")
def show(once: bool, **options: Any) -> None:
    """Label three photographs through the API, and leave it running.

    Run again, it finds what is there and adds nothing twice.
    """
    from fourpoint_standalone import demo, terminal  # noqa: PLC0415 - see the module's docstring

    with _running(options) as stack:
        demo.run(stack.base_url, stack.data_directory / "demo-output", terminal.console())
        if not once:
            click.echo("\nStill running; end it with Ctrl-C.")
            _wait_for_signal()


@main.command("clean-data")
@_data_directory
@click.option("--yes", is_flag=True, help="Do not ask.")
def clean_data(data_directory: Path, yes: bool) -> None:
    """Remove database, images and logs from a data directory."""
    from fourpoint_standalone.stack import remove_data  # noqa: PLC0415

    if not data_directory.exists():
        click.echo(f"There is no {data_directory}.")
        return
    if not yes:
        click.confirm(f"Remove all data in {data_directory.resolve()}?", abort=True)
    remove_data(data_directory)
    click.echo(f"Removed the data in {data_directory}.")


@main.command()
def migrate() -> None:
    """Bring the database that FOURPOINT_DATABASE_URL names to this version's schema."""
    from fourpoint_standalone.schema import upgrade  # noqa: PLC0415

    url = os.environ.get("FOURPOINT_DATABASE_URL")
    if not url:
        raise StandaloneError("FOURPOINT_DATABASE_URL is not set: postgresql://user:password@host:5432/name")
    upgrade(url)
    click.echo("The database has this version's schema.")


@contextlib.contextmanager
def _running(options: dict[str, Any]) -> Iterator["Stack"]:
    from fourpoint_standalone.stack import Stack, StackOptions  # noqa: PLC0415
    from fourpoint_standalone.terminal import Progress, console  # noqa: PLC0415

    progress = Progress(console())
    stack = Stack(StackOptions(**options), progress)
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, _interrupt)
    with progress:
        stack.start()
    try:
        yield stack
    finally:
        with progress:
            progress("stopping")
            stack.stop()


def _interrupt(number: int, frame: object) -> None:
    # Once: a second Ctrl-C must not cut the stopping short and leave a database to recover.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def _wait_for_signal() -> None:
    with contextlib.suppress(KeyboardInterrupt):
        signal.pause()


if __name__ == "__main__":
    main()
