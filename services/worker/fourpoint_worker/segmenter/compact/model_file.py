"""The model file: what it is fed, what it answers, and on which grid.

An ONNX file written by the training program. All inputs are float32; n objects at once, k corrections each:

image (n, 4, cells, cells): RGB in 0..1, and 1 where the photo is, 0 beyond it.
clicks (n, 4, 2): x and y of top, bottom, left, right, in cells, continuous.
clicked (n): 1 for clicks, 0 where they are the middles of a box's sides.
box (n, 4): x0, y0, x1, y1 in cells.
corrections (n, k, 3): x, y, and 1 on the object, -1 off it, 0 for none; k at least 1.
earlier (n, 1, cells, cells): 1 inside and -1 outside of an earlier outline; 0 everywhere without one.

It answers `logits` (n, 1, cells, cells): log odds that a cell is on the object.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as refusals

from fourpoint_core.errors import SettingsError
from fourpoint_worker.segmenter.compact.window import GridRule

INPUTS = ("image", "clicks", "clicked", "box", "corrections", "earlier")
OUTPUT = "logits"

_PREFIX = "fourpoint."
_FORM = "1"

# What onnxruntime raises for a file that it cannot run; they have no base of their own.
_REFUSALS = (
    refusals.Fail,
    refusals.InvalidArgument,
    refusals.InvalidGraph,
    refusals.InvalidProtobuf,
    refusals.NotImplemented,
    refusals.RuntimeException,
)

FloatGrid = npt.NDArray[np.float32]


class ModelFile:
    """A loaded file; threads may share it."""

    def __init__(self, path: Path, threads: int):
        """Load `path`, to be run on `threads` threads. Raises SettingsError where it is not such a file."""
        try:
            content = path.read_bytes()
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
            # Several jobs share few cores: a thread that spins for its next piece takes them from the others.
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
            self._session = onnxruntime.InferenceSession(
                content, sess_options=options, providers=["CPUExecutionProvider"]
            )
            self.rule = rule_from(self._session.get_modelmeta().custom_metadata_map)
        except (OSError, KeyError, ValueError, *_REFUSALS) as error:
            raise SettingsError(f"{path} is not a model of the engine 'compact': {error}") from error
        self.digest = hashlib.sha256(content).hexdigest()

    def logits(self, inputs: Mapping[str, FloatGrid]) -> FloatGrid:
        """(n, cells, cells) for inputs by their names."""
        answer: Any = self._session.run([OUTPUT], dict(inputs))[0]
        return np.asarray(answer[:, 0], np.float32)


def metadata_of(rule: GridRule) -> dict[str, str]:
    """What a file says of itself for `rule_from`."""
    numbers = {"cells": rule.cells, "margin": rule.margin, "stretch": rule.stretch, "finest": rule.finest}
    return {f"{_PREFIX}form": _FORM} | {f"{_PREFIX}{name}": repr(value) for name, value in numbers.items()}


def rule_from(metadata: Mapping[str, str]) -> GridRule:
    """The grid that a file was trained on. Raises KeyError or ValueError where it does not say."""
    form = metadata.get(f"{_PREFIX}form")
    if form is None:
        raise ValueError("it does not say that fourpoint_training has written it")
    if form != _FORM:
        raise ValueError(f"it has the form {form!r}, and this version reads {_FORM!r}")
    return GridRule(
        cells=int(metadata[f"{_PREFIX}cells"]),
        margin=float(metadata[f"{_PREFIX}margin"]),
        stretch=float(metadata[f"{_PREFIX}stretch"]),
        finest=float(metadata[f"{_PREFIX}finest"]),
    )
