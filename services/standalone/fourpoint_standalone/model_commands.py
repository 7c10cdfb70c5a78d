"""`fourpoint models`: what it runs is imported by the commands, as in `cli`."""

from pathlib import Path

import click

MODELS = ("vit_b", "vit_l", "vit_h")
_models_directory = click.option(
    "--models-directory",
    "directory",
    envvar="FOURPOINT_MODELS_DIRECTORY",
    show_envvar=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Where checkpoints are kept  [default: ~/.cache/fourpoint/models]",
)
_model = click.argument("model", type=click.Choice(MODELS))


@click.group("models")
def models() -> None:
    """Checkpoints of the engine `sam`: what there is, and what is on this machine."""


@models.command("list")
@_models_directory
def show(directory: Path | None) -> None:
    """List the official checkpoints, and what is here of them."""
    from fourpoint_standalone import models as files  # noqa: PLC0415

    for checkpoint, state in files.states(files.directory_of(directory)):
        megabytes = checkpoint.size_bytes / 1e6
        click.echo(f"{checkpoint.model}  {megabytes:5.0f} MB  {checkpoint.sha256[:12]}  {state}")


@models.command("pull")
@_model
@_models_directory
def fetch_one(model: str, directory: Path | None) -> None:
    """Fetch a checkpoint; what an earlier try has left is gone on with."""
    from fourpoint_standalone import models as files  # noqa: PLC0415

    click.echo(files.pull(model, files.directory_of(directory)))


@models.command("verify")
@_model
@_models_directory
def check(model: str, directory: Path | None) -> None:
    """Compare a checkpoint on this machine with the published digest."""
    from fourpoint_standalone import models as files  # noqa: PLC0415

    click.echo(f"{files.verify_official(model, files.directory_of(directory))} is {model}, as published.")
