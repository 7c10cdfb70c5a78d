"""The demonstration: photographs are labeled with four clicks an object, over HTTP as by any client."""

import hashlib
import json
import shlex
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from fourpoint_standalone import private
from fourpoint_standalone.overlay import draw_overlay
from fourpoint_standalone.photographs import NEXT_PHOTOGRAPH, NEXT_THING, PHOTOGRAPHS, Photograph, Thing
from fourpoint_standalone.rest_client import Json, RestClient

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

Samples = Mapping[Photograph, Json]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the API answered to the clicks on one object.

    saved: False when the object was there already, and the outline was only drawn again.
    milliseconds: from the request to the answer.
    """

    photograph: Photograph
    thing: Thing
    answer: Json
    saved: bool
    milliseconds: float


def run(base_url: str, token_file: Path, output: Path, screen: Console) -> None:
    """Label the photographs, and show what came out.

    token_file: holds the token of whoever labels.
    What an earlier run has made is found again, and nothing is added twice. Overlays are written to `output`.
    Raises StandaloneError where the API refuses something.
    """
    with closing(RestClient(base_url, token_file.read_text().strip())) as client:
        dataset = _dataset(client)
        samples = _samples(client, dataset)
        clicks = [(photograph, thing) for photograph in PHOTOGRAPHS for thing in photograph.things]
        outcomes = [
            _outline(client, samples[photograph], photograph, thing)
            for photograph, thing in track(clicks, "Labeling", console=screen, transient=True)
        ]
        _draw_overlays(client, samples, output)
    screen.print(_table_of(outcomes), "", _table_of_credits())
    _say_how_to_go_on(screen, base_url, token_file, output, samples[NEXT_PHOTOGRAPH])


def _dataset(client: RestClient) -> Json:
    for dataset in client.items("/datasets"):
        if dataset["name"] == DATASET:
            return dataset
    labels = [{"name": name, "colour": colour} for name, colour in COLOURS.items()]
    description = "Photographs that `fourpoint demo` has labeled."
    return client.create("/datasets", {"name": DATASET, "description": description, "labels": labels})


def _samples(client: RestClient, dataset: Json) -> dict[Photograph, Json]:
    path = f"/datasets/{dataset['id']}/samples"
    by_digest = {sample["digest"]: sample for sample in client.items(path)}
    contents = {photograph: photograph.read() for photograph in PHOTOGRAPHS}
    digests = {photograph: hashlib.sha256(content).hexdigest() for photograph, content in contents.items()}
    new = {p.file_name: content for p, content in contents.items() if digests[p] not in by_digest}
    if new:
        by_digest.update({sample["digest"]: sample for sample in client.upload(path, new)})
    return {photograph: by_digest[digest] for photograph, digest in digests.items()}


def _outline(client: RestClient, sample: Json, photograph: Photograph, thing: Thing) -> Outcome:
    known = client.get(f"/samples/{sample['id']}/annotations")["annotations"]
    save = not any(_shows(annotation, thing) for annotation in known)
    wish = {"save": "document", "label": thing.label} if save else {}
    started = time.monotonic()
    answer = client.run(f"/samples/{sample['id']}/contours", {"points": thing.points, **wish}, _WAIT_SECONDS)
    return Outcome(photograph, thing, answer, save, (time.monotonic() - started) * 1000)


def _shows(annotation: Json, thing: Thing) -> bool:
    clicked = (annotation["prompt"] or {}).get("points")
    return bool(annotation["label"]["name"] == thing.label and clicked == thing.points)


def _draw_overlays(client: RestClient, samples: Samples, output: Path) -> None:
    private.make_private(output)
    for photograph, sample in samples.items():
        annotations = client.get(f"/samples/{sample['id']}/annotations")["annotations"]
        image = client.read(f"/samples/{sample['id']}/image")
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


def _say_how_to_go_on(screen: Console, base_url: str, token_file: Path, output: Path, sample: Json) -> None:
    body = json.dumps({"points": NEXT_THING.points})
    command = ["curl", "-s", f"{base_url}/v1/samples/{sample['id']}/contours"]
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
