"""The command `fourpoint`. What it runs is imported by the commands, so that `--help` is quick."""

import contextlib
import functools
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from fourpoint_core.settings import given
from fourpoint_standalone.api_options import of_dataset
from fourpoint_standalone.model_commands import models
from fourpoint_standalone.processes import StandaloneError
from fourpoint_standalone.transfer_commands import export_dataset, import_dataset
from fourpoint_standalone.version_commands import versions

if TYPE_CHECKING:
    from fourpoint_client import Client
    from fourpoint_core.store.models import User
    from fourpoint_standalone.stack import Stack

_PORT = click.IntRange(0, 65535)
_MANY = click.IntRange(1, 1024)
_MOMENT = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"])


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
_SCOPES = ("read", "label", "manage", "admin")


def _database(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options that say which database, handed over as `database_url`."""

    @functools.wraps(command)
    def with_address(data_directory: Path, **options: Any) -> Any:
        return command(database_url=_database_url(data_directory), **options)

    decorated: Callable[..., Any] = _data_directory(with_address)
    return decorated


def _database_url(data_directory: Path) -> str:
    named = _address("FOURPOINT_DATABASE_URL")
    if named:
        return named
    # As the stack has left it there; `fourpoint --help` is not to load the stack.
    file = data_directory / "database-url"
    if not file.exists():
        raise StandaloneError(
            f"No stack has run on {data_directory}. Start one with `fourpoint up`, name its --data-directory, "
            "or set FOURPOINT_DATABASE_URL."
        )
    return file.read_text()


def _address(variable: str) -> str:
    try:
        return given(os.environ, variable, secret=True)
    except ValueError as error:
        raise StandaloneError(f"{variable}_FILE: {error}") from error


_STACK_OPTIONS = (
    _data_directory,
    _option(
        "--host",
        variable="FOURPOINT_HOST",
        default="127.0.0.1",
        help="Where the API listens, without TLS: tokens travel readable to whoever is on the way.",
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


main.add_command(models)


@main.command()
@_stack_options
def up(**options: Any) -> None:
    """Run everything on this machine until Ctrl-C.

    PostgreSQL, Redis, the API and the workers; the data stays for the next start.
    """
    with _running(options) as stack:
        click.echo(f"\nFourpoint runs at {stack.base_url}, with its documentation at {stack.base_url}/docs")
        if stack.has_admin:
            click.echo(f"The admin's token, which is also in {stack.admin_token_file}: {stack.admin_token}")
        else:
            click.echo(stack.advice_without_admin)
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
        if not stack.has_admin:
            raise StandaloneError(stack.advice_without_admin)
        demo.run(
            stack.base_url,
            stack.admin_token_file,
            stack.data_directory / "demo-output",
            terminal.console(),
        )
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
@click.option(
    "--wait",
    "seconds",
    type=click.IntRange(1, 86400),
    help="Change nothing: wait until somebody else has, so many seconds at most.",
)
def migrate(seconds: int | None) -> None:
    """Bring the database that FOURPOINT_DATABASE_URL names to this version's schema.

    With FOURPOINT_OWNER_DATABASE_URL, the same database's address for another role, that one does it and owns
    all of it; the role of FOURPOINT_DATABASE_URL is made, unless it is there, and may do what API and workers
    need and no more.
    """
    from fourpoint_standalone.schema import upgrade, wait_until_current  # noqa: PLC0415

    url, owners = _address("FOURPOINT_DATABASE_URL"), _address("FOURPOINT_OWNER_DATABASE_URL")
    if not url:
        raise StandaloneError("FOURPOINT_DATABASE_URL is not set: postgresql://user:password@host:5432/name")
    if seconds is not None:
        wait_until_current(url, seconds)
    elif owners:
        upgrade(owners, url)
    else:
        upgrade(url)
    click.echo("The database has this version's schema.")


@main.command()
@_database
@click.option("--dataset", "dataset_id", type=click.UUID, help="Only this one  [default: all]")
def recount(database_url: str, dataset_id: "UUID | None") -> None:
    """Count images and objects again, correct what differs and say so. People may go on labeling."""
    from fourpoint_standalone.recounting import recount  # noqa: PLC0415

    findings = 0
    for finding in recount(database_url, dataset_id):
        findings += 1
        click.echo(finding)
    click.echo("Every count was right." if not findings else f"{findings} findings, corrected.")


@main.command()
@_database
@click.option(
    "--format", "written_as", type=click.Choice(["ndjson", "csv"]), default="ndjson", show_default=True
)
@click.option("--since", type=_MOMENT, help="From this moment on, UTC.")
@click.option("--until", type=_MOMENT, help="Before this moment, UTC.")
@click.option("--action", help="Only this, as `dataset.deleted`.")
@click.option("--kind", help="Only resources of this kind, as `dataset`.")
@click.option("--dataset", "dataset_id", type=click.UUID, help="Only of this dataset.")
def audit(database_url: str, written_as: str, **wanted: Any) -> None:
    """Print who did what to which resource, the oldest first."""
    from fourpoint_standalone.audit_log import printed  # noqa: PLC0415

    for text in printed(database_url, written_as, **wanted):
        click.echo(text, nl=False)


@main.command()
@of_dataset
@click.option("--dry-run", is_flag=True, help="Only say what would happen.")
def sync(client: "Client", dataset_id: str, dry_run: bool) -> None:
    """Have DATASET, named by name or id, say what its bucket says."""
    from fourpoint_standalone.syncing import synchronise  # noqa: PLC0415
    from fourpoint_standalone.terminal import console  # noqa: PLC0415

    for name, number in synchronise(client, dataset_id, console(), dry_run=dry_run).items():
        click.echo(f"{name:>14} {number}")


main.add_command(export_dataset)
main.add_command(import_dataset)
main.add_command(versions)


@main.group()
def user() -> None:
    """People: of the stack that runs on a data directory, or of FOURPOINT_DATABASE_URL."""


@user.command("add")
@_database
@click.argument("name")
@click.option("--admin", is_flag=True, help="May do everything.")
def add_user(database_url: str, name: str, admin: bool) -> None:
    """Add a person."""
    from fourpoint_standalone import people  # noqa: PLC0415

    click.echo(people.add_user(database_url, name, is_admin=admin).id)


@user.command("change")
@_database
@click.argument("name")
@click.option("--admin/--no-admin", "admin", default=None, help="Whether this person may do everything.")
@click.option("--disabled/--enabled", "disabled", default=None, help="Whether this person is shut out.")
def change_user(database_url: str, name: str, admin: bool | None, disabled: bool | None) -> None:
    """Promote or demote a person, shut one out or let one in again."""
    from fourpoint_standalone import people  # noqa: PLC0415

    click.echo(_line_of_user(people.change_user(database_url, name, is_admin=admin, is_disabled=disabled)))


@user.command("list")
@_database
def list_users(database_url: str) -> None:
    """List everybody."""
    from fourpoint_standalone import people  # noqa: PLC0415

    for found in people.all_users(database_url):
        click.echo(_line_of_user(found))


@main.group()
def token() -> None:
    """API tokens: what programs show instead of a password."""


@token.command("create")
@_database
@click.option("--user", "name", required=True, help="Whose.")
@click.option("--scope", type=click.Choice(_SCOPES), default="manage", show_default=True)
@click.option("--days", type=click.IntRange(1, 3650), default=90, show_default=True, help="How long it lives.")
@click.option("--note", default="from the command line", show_default=True, help="What it is for.")
def create_token(database_url: str, name: str, scope: str, days: int, note: str) -> None:
    """Make a token, and print it: this once."""
    from fourpoint_core.domain.access import Scope  # noqa: PLC0415
    from fourpoint_standalone import people  # noqa: PLC0415

    made, secret = people.create_token(database_url, name, note, Scope(scope), days)
    click.echo(f"{made.id}, until {made.expires_at:%Y-%m-%d}; nobody can show it again:", err=True)
    click.echo(secret)


@token.command("list")
@_database
@click.option("--user", "name", required=True, help="Whose.")
def list_tokens(database_url: str, name: str) -> None:
    """List somebody's tokens."""
    from fourpoint_standalone import people  # noqa: PLC0415

    for found in people.tokens_of(database_url, name):
        state = "revoked" if found.revoked_at else f"until {found.expires_at:%Y-%m-%d}"
        click.echo(f"{found.id}  {found.scope:6}  {state:16}  {found.name}")


@token.command("revoke")
@_database
@click.argument("token_id", type=click.UUID)
def revoke_token(database_url: str, token_id: UUID) -> None:
    """End a token; the API heeds it within seconds."""
    from fourpoint_standalone import people  # noqa: PLC0415

    people.revoke_token(database_url, token_id)
    click.echo(f"Revoked {token_id}.")


def _line_of_user(found: "User") -> str:
    marks = [mark for mark, holds in (("admin", found.is_admin), ("disabled", found.disabled_at)) if holds]
    return f"{found.id}  {found.name}" + (f"  ({', '.join(marks)})" if marks else "")


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
