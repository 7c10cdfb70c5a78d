"""The demonstration: photographs are labeled with four clicks an object, over HTTP as by any client."""

import hashlib
import json
import shlex
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from rich.console import Console
from rich.progress import track
from rich.table import Table

from fourpoint_client import Client, calls
from fourpoint_client.models import Annotation, Inference, NewLabel, Upload
from fourpoint_standalone import private
from fourpoint_standalone.connection import connected
from fourpoint_standalone.overlay import draw_overlay
from fourpoint_standalone.photographs import NEXT_PHOTOGRAPH, NEXT_THING, PHOTOGRAPHS, Photograph, Thing

DATASET = "Demo"
_WAIT_SECONDS = 30
COLOURS = {
    "cup and saucer": "#ffdd33",
    "coffee": "#00e5a0",
    "spoon": "#4aa3ff",
    "eye": "#e377c2",
    "nose": "#1f77b4",
    "head": "#ffdd33",
    "collar": "#e377c2",
    "patch": "#00e5a0",
    "helmet": "#4aa3ff",
}

Samples = Mapping[Photograph, str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the API answered to the clicks on one object.

    saved: False when the object was there already, and the outline was only drawn again.
    milliseconds: from the request to the answer.
    """

    photograph: Photograph
    thing: Thing
    answer: Inference
    saved: bool
    milliseconds: float


def run(base_url: str, token_file: Path, output: Path, screen: Console) -> None:
    """Label the photographs, and show what came out.

    token_file: holds the token of whoever labels.
    What an earlier run has made is found again, and nothing is added twice. Overlays are written to `output`.
    Raises StandaloneError where the API refuses something.
    """
    with connected(base_url, token_file.read_text().strip()) as client:
        samples = _samples(client, _dataset(client))
        clicks = [(photograph, thing) for photograph in PHOTOGRAPHS for thing in photograph.things]
        outcomes = [
            _outline(client, samples[photograph], photograph, thing)
            for photograph, thing in track(clicks, "Labeling", console=screen, transient=True)
        ]
        _draw_overlays(client, samples, output)
    screen.print(_table_of(outcomes), "", _table_of_credits())
    _say_how_to_go_on(screen, base_url, token_file, output, samples[NEXT_PHOTOGRAPH])


def _dataset(client: Client) -> str:
    for dataset in client.datasets():
        if dataset["name"] == DATASET:
            return dataset["id"]
    labels: list[NewLabel] = [{"name": name, "colour": colour} for name, colour in COLOURS.items()]
    description = "Photographs that `fourpoint demo` has labeled."
    made = client.call(calls.create_dataset({"name": DATASET, "description": description, "labels": labels}))
    return made["id"]


def _samples(client: Client, dataset_id: str) -> dict[Photograph, str]:
    by_digest = {sample["digest"]: sample["id"] for sample in client.items(calls.list_samples(dataset_id))}
    contents = {photograph: photograph.read() for photograph in PHOTOGRAPHS}
    digests = {photograph: hashlib.sha256(content).hexdigest() for photograph, content in contents.items()}
    new = [(p.file_name, content) for p, content in contents.items() if digests[p] not in by_digest]
    if new:
        stored = cast(Upload, client.call(calls.upload_samples(dataset_id, new)))
        by_digest.update({sample["digest"]: sample["id"] for sample in stored["items"]})
    return {photograph: by_digest[digest] for photograph, digest in digests.items()}


def _outline(client: Client, sample_id: str, photograph: Photograph, thing: Thing) -> Outcome:
    known = client.open(sample_id).document["annotations"]
    save = not any(_shows(annotation, thing) for annotation in known)
    started = time.monotonic()
    answer = client.click(
        sample_id, thing.top, thing.bottom, thing.left, thing.right, label=thing.label if save else None
    )
    return Outcome(photograph, thing, answer, save, (time.monotonic() - started) * 1000)


def _shows(annotation: Annotation, thing: Thing) -> bool:
    clicked = (annotation["prompt"] or {}).get("points")
    return annotation["label"]["name"] == thing.label and clicked == thing.points


def _draw_overlays(client: Client, samples: Samples, output: Path) -> None:
    private.make_private(output)
    for photograph, sample_id in samples.items():
        annotations = client.open(sample_id).document["annotations"]
        image = client.call(calls.get_sample_image(sample_id))
        draw_overlay(image, annotations, output / photograph.file_name)


def _table_of(outcomes: list[Outcome]) -> Table:
    table = Table(title="Outlines from four clicks", title_justify="left", caption_justify="left")
    table.caption = "Times in milliseconds; total is what the client waited."
    for heading in ("Photograph", "Object", "Top, bottom, left, right"):
        table.add_column(heading)
    for heading in ("Vertices", "Score", "Queue", "Image", "Model", "Polygon", "Total"):
        table.add_column(heading, justify="right")
    for heading in ("Engine", "Saved"):
        table.add_column(heading)
    for outcome in outcomes:
        table.add_row(*_row_of(outcome))
    return table


def _row_of(outcome: Outcome) -> tuple[str, ...]:
    answer, spent = outcome.answer, outcome.answer["milliseconds"]
    clicks = "  ".join(f"{x:g},{y:g}" for x, y in outcome.thing.points.values())
    doubt = "" if answer["confident"] else " ?"
    stages = (f"{spent[stage]:.0f}" for stage in ("queue", "image", "model", "polygon"))
    return (
        outcome.photograph.title,
        outcome.thing.label,
        clicks,
        str(answer["vertices"]),
        f"{answer['score']:.2f}{doubt}",
        *stages,
        f"{outcome.milliseconds:.0f}",
        answer["engine"],
        "now" if outcome.saved else "before",
    )


def _table_of_credits() -> Table:
    table = Table(title="Photographs", title_justify="left")
    for heading in ("Photograph", "By", "Terms"):
        table.add_column(heading)
    for photograph in PHOTOGRAPHS:
        table.add_row(photograph.title, photograph.credit, photograph.terms)
    return table


def _say_how_to_go_on(screen: Console, base_url: str, token_file: Path, output: Path, sample_id: str) -> None:
    body = json.dumps({"points": NEXT_THING.points})
    command = ["curl", "-s", f"{base_url}/v1/samples/{sample_id}/contours"]
    command += ["-H", "Content-Type: application/json", "-H", f"Prefer: wait={_WAIT_SECONDS}", "-d", body]
    # Read from its file: a token on the screen ends up in recordings and in the shell's history.
    bearer = f'-H "Authorization: Bearer $(cat {shlex.quote(str(token_file))})"'
    lines = (
        "\nOutlines over their photographs:",
        *(str(output / photograph.file_name) for photograph in PHOTOGRAPHS),
        f"\nAPI            {base_url}",
        f"Documentation  {base_url}/docs",
        f"Token          in {token_file}",
        f"\nFour clicks of your own, on the {NEXT_THING.label} of the cup:\n",
        f"{shlex.join(command)} {bearer}",
    )
    for line in lines:
        # Unbroken, whatever the width: the command is there to be copied.
        screen.print(line, soft_wrap=True, markup=False, highlight=False)
