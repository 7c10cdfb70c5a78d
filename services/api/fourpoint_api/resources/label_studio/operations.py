"""From a request of Label Studio to what is asked of the engine, and back; no HTTP."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from redis import Redis

from fourpoint_api.resources.label_studio import label_config, regions
from fourpoint_api.resources.label_studio.label_config import Control, LabelConfig
from fourpoint_api.resources.pictures import operations as pictures
from fourpoint_api.resources.pictures.fetching import Fetcher
from fourpoint_api.resources.pictures.operations import Picture, Question
from fourpoint_api.settings import ApiSettings
from fourpoint_core.errors import InvalidInputError
from fourpoint_core.imaging.decoder import Decoder
from fourpoint_core.jobs.payloads.pictures import Form
from fourpoint_core.outbound import parse_networks
from fourpoint_core.storage import ObjectStore

MODEL = "fourpoint"
_CONFIG = "/label_config"


@dataclass(frozen=True, slots=True)
class Click:
    """question: None where there is too little yet to ask. control: the tag to answer in."""

    picture: Picture
    question: Question | None
    control: Control
    label: str | None


def read(
    redis: Redis,
    store: ObjectStore,
    decoder: Decoder,
    settings: ApiSettings,
    data: dict[str, Any],
    config_text: str | None,
    drawn: Sequence[Any],
) -> Click:
    """What was drawn on which image. Raises InvalidInputError."""
    config = label_config.parse(config_text or "", _CONFIG)
    address, pointer = _address(data, config, regions.image_named(drawn))
    fetcher = Fetcher(
        parse_networks(settings.outbound_networks),
        settings.label_studio_url,
        settings.label_studio_token,
        settings.max_picture_bytes,
    )

    def make() -> Picture:
        return pictures.keep(store, decoder, settings, fetcher.fetch(address, pointer), pointer)

    picture = pictures.keep_from(redis, address, make)
    asked = regions.asked(drawn, picture)
    control = config.control_for(asked.to_name, asked.label)
    if control is None:
        raise InvalidInputError.at(
            _CONFIG, "control_missing", "Add PolygonLabels or BrushLabels for the image to the configuration."
        )
    question = None
    if asked.prompt is not None or asked.brush:
        form = Form.BRUSH if control.is_brush else Form.RING
        question = Question(form, asked.prompt, asked.brush, regions.CONTEXT)
    return Click(picture, question, control, asked.label)


def prediction(click: Click, outline: Sequence[Any], score: float) -> dict[str, Any]:
    """The answer, as Label Studio reads it."""
    region = regions.region_of(outline, score, click.picture, click.control, click.label)
    return {"model_version": MODEL, "score": score, "result": [region]}


def nothing_yet() -> dict[str, Any]:
    """The answer to fewer than four clicks: Label Studio takes an empty list for a failure."""
    return {"model_version": MODEL, "score": 0.0, "result": []}


def _address(data: dict[str, Any], config: LabelConfig, image_name: str | None) -> tuple[str, str]:
    """Where the task's image is, and where in the request that stands."""
    fields = config.images
    field = fields.get(image_name or "", next(iter(fields.values()), ""))
    address = data.get(field)
    pointer = f"/tasks/0/data/{field}"
    if not isinstance(address, str) or not address:
        raise InvalidInputError.at(pointer, "image_missing", "The task has no address of an image there.")
    return address, pointer
