"""`fourpoint export` and `fourpoint import`, over the REST API."""

from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from fourpoint_standalone.api_options import of_dataset
from fourpoint_standalone.processes import StandaloneError

if TYPE_CHECKING:
    from fourpoint_client import Client
    from fourpoint_client.models import ExportRequest, ImportRequest, Split

_FORMATS = ("modelarts", "coco", "yolo", "voc", "cvat", "label_studio", "labelme")
_LINES_SHOWN = 20

_format = click.option("--format", "format_name", type=click.Choice(_FORMATS), required=True)


@click.command("export")
@of_dataset
@_format
@click.option("--output", type=click.Path(path_type=Path), help="The archive  [default: named after DATASET]")
@click.option("--to-bucket", "output_path", help="Below this path of the bucket, instead of an archive.")
@click.option("--version", help="A published version, by name or id  [default: what is there now]")
@click.option("--status", type=click.Choice(("all", "labeled", "unlabeled", "missing")), default="all")
@click.option("--with-images", is_flag=True, help="The images, too.")
@click.option("--split", help="Shares of train, val and test, such as 0.8,0.1,0.1.")
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed splits in the same way.")
@click.option("--split-attribute", help="The attribute of objects that says which part an image is in.")
def export_dataset(
    client: "Client",
    dataset_id: str,
    format_name: str,
    output: Path | None,
    output_path: str | None,
    version: str | None,
    status: str,
    with_images: bool,
    split: str | None,
    seed: int,
    split_attribute: str | None,
) -> None:
    """Write DATASET, named by name or id, as other tools read it."""
    from fourpoint_standalone import transfers  # noqa: PLC0415
    from fourpoint_standalone.terminal import console  # noqa: PLC0415
    from fourpoint_standalone.version_commands import find_version  # noqa: PLC0415

    if output is not None and output_path is not None:
        raise StandaloneError("Give either --output or --to-bucket.")
    if output is not None and not output.parent.is_dir():
        raise StandaloneError(f"There is no folder {output.parent} for {output.name}.")
    order = {
        "format": format_name,
        "filter": {"status": status},
        "version": None if version is None else find_version(client, dataset_id, version),
        "with_images": with_images,
        "split": _split(split, seed, split_attribute),
        "output_path": output_path,
    }
    # The choices of the options are those of the contract.
    made = transfers.export(client, dataset_id, cast("ExportRequest", order), console())
    if made["download"] is None:
        click.echo(f"{made['files']} files below {made['path']}")
    else:
        to = output or Path(f"{made['report']['dataset']}-{format_name}.zip")
        transfers.download(client, made["download"]["url"], to, console())
        click.echo(
            f"{to}: {made['report']['images']} images, {made['files']} files, {made['size_bytes']} bytes"
        )
    for code, number in made["report"]["conversions"].items():
        click.echo(f"{code:>24} {number}")


def _split(shares: str | None, seed: int, attribute: str | None) -> "Split | None":
    if shares is None:
        return None if attribute is None else {"attribute": attribute}
    if attribute is not None:
        raise StandaloneError("Give either --split or --split-attribute.")
    try:
        numbers = [float(share) for share in shares.split(",")]
        train, val, test = numbers
    except ValueError:
        raise StandaloneError("--split takes three numbers that add up to 1, such as 0.8,0.1,0.1.") from None
    return {"ratios": {"train": train, "val": val, "test": test}, "seed": seed}


@click.command("import")
@of_dataset
@click.argument("source")
@_format
@click.option("--from-bucket", is_flag=True, help="SOURCE is a path of the bucket: a folder/, or one file.")
@click.option(
    "--label", "labels", multiple=True, metavar="THEIRS=OURS", help="Rename; with nothing, leave out."
)
@click.option(
    "--existing",
    type=click.Choice(("merge", "replace", "skip")),
    default="merge",
    show_default=True,
    help="What becomes of the objects of images that are labeled already.",
)
@click.option("--without-images", is_flag=True, help="Add no image that DATASET lacks.")
@click.option("--dry-run", is_flag=True, help="Only say what would happen.")
def import_dataset(
    client: "Client",
    dataset_id: str,
    source: str,
    format_name: str,
    from_bucket: bool,
    labels: tuple[str, ...],
    existing: str,
    without_images: bool,
    dry_run: bool,
) -> None:
    """Bring images and labels of another tool into DATASET: SOURCE is an archive, a file or a folder."""
    from fourpoint_client import calls  # noqa: PLC0415
    from fourpoint_standalone import transfers  # noqa: PLC0415
    from fourpoint_standalone.terminal import console  # noqa: PLC0415

    order: dict[str, object] = {
        "format": format_name,
        "labels": _mapping(labels),
        "existing": existing,
        "with_images": not without_images,
        "dry_run": dry_run,
    }
    if from_bucket:
        order["path"] = source
    else:
        if not Path(source).exists():
            raise StandaloneError(f"There is no {source} here; of the bucket, say --from-bucket.")
        order["upload_id"] = transfers.upload(client, dataset_id, Path(source), console())
    result = transfers.bring_in(client, dataset_id, cast("ImportRequest", order), console())
    counts = {name: number for name, number in sorted(result["counts"].items()) if number}
    for name, number in counts.items():
        click.echo(f"{name:>20} {number}")
    reasons = result["lines"].get("refused", {})
    refused = sum(reasons.values())
    said = calls.list_import_lines(dataset_id, result["import_id"], outcome="refused", limit=_LINES_SHOWN)
    for line in client.call(said)["items"] if refused else ():
        place = line["place"] or source
        where = place if line["line"] is None else f"{place}:{line['line']}"
        click.echo(f"{where}: {line['code']}: {line['detail']}", err=True)
    if refused > _LINES_SHOWN:
        click.echo(f"... and {refused - _LINES_SHOWN} more: GET {said.path}", err=True)
    if not counts or reasons.keys() == {"nothing_found"}:
        raise StandaloneError(f"Nothing of the format {format_name} was found in {source}.")


def _mapping(labels: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for label in labels:
        theirs, sign, ours = label.partition("=")
        if not sign or not theirs:
            raise StandaloneError(f"--label takes THEIRS=OURS, not {label!r}.")
        found[theirs] = ours
    return found
