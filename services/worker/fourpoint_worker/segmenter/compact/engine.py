"""The engine `compact`: a small network sees where the object is, and a minimum cut where exactly it ends.

The network and its file: model_file.py. How it is trained: the package fourpoint_training. The cut:
refinement.py.
"""

import hashlib
from dataclasses import astuple, replace

import numpy as np
import numpy.typing as npt

from fourpoint_core.domain.geometry import Box
from fourpoint_core.domain.prompts import Prompt
from fourpoint_worker.segmenter.compact.looking import View, look, mirrored
from fourpoint_worker.segmenter.compact.model_file import ModelFile
from fourpoint_worker.segmenter.compact.refinement import CODE_VERSION, Refinement, expected_overlap, refined
from fourpoint_worker.segmenter.compact.settings import CompactSettings
from fourpoint_worker.segmenter.corrections import Pull, correction_odds
from fourpoint_worker.segmenter.object_colours import lab_of
from fourpoint_worker.segmenter.port import Checkpoint, Decoded, Picture, RgbImage, SoftMask, Urgency
from fourpoint_worker.segmenter.soft_border import sigmoid
from fourpoint_worker.segmenter.timing import timed

FloatGrid = npt.NDArray[np.float32]

# Log odds beyond this are certainty, and must not outvote a person's correction.
_SUREST = 8.0


class CompactEngine:
    """Segments by a learned network; threads may share one."""

    name = "compact"

    def __init__(self, settings: CompactSettings):
        """Load the file. Raises SettingsError where it is not one."""
        self._model = ModelFile(settings.model_path, settings.threads)
        self._mirrored = settings.mirrored
        self._refinement = Refinement() if settings.refined else None
        self.model_digest = self._digest()

    def warm_up(self) -> None:
        """Ask once about a grey square, in the shapes that clicks and corrections have."""
        image = np.full((32, 32, 3), 200, np.uint8)
        image[8:24, 8:24] = 40
        prompt = Prompt(box_prompt=Box(8, 8, 24, 24), include=((16, 16),))
        self.soft_mask(Decoded(image), prompt, lambda stage: None)

    def prepare(self, picture: Picture, checkpoint: Checkpoint, urgency: Urgency = Urgency.PREFETCH) -> None:
        """Have the picture decoded; there is nothing else to prepare."""
        checkpoint("image")
        picture.pixels()

    def soft_mask(
        self, picture: Picture, prompt: Prompt, checkpoint: Checkpoint, urgency: Urgency = Urgency.CLICK
    ) -> SoftMask:
        """Segment one object; the mask may be empty where the network sees nothing."""
        checkpoint("image")
        image = picture.pixels()
        checkpoint("crop")
        view, crop_ms = timed(lambda: look(image, prompt, self._model.rule))
        checkpoint("network")
        odds, network_ms = timed(lambda: self._ask(view))
        odds = np.clip(odds, -_SUREST, _SUREST)
        checkpoint("cut")
        soft, cut_ms = timed(lambda: self._refined(image, prompt, view, odds))
        return replace(soft, milliseconds={"crop": crop_ms, "network": network_ms, "cut": cut_ms})

    def _refined(self, image: RgbImage, prompt: Prompt, view: View, odds: FloatGrid) -> SoftMask:
        if self._refinement is not None and (odds > 0).any():
            return refined(image, prompt, view.crop, odds, self._refinement)
        probability = sigmoid(odds + self._corrections(view, prompt))
        quality = expected_overlap(probability > 0.5, probability)
        return SoftMask(probability, view.crop.origin_xy, view.crop.pixels_per_cell, quality)

    def _ask(self, view: View) -> FloatGrid:
        if not self._mirrored:
            return np.asarray(self._model.logits(view.inputs)[0])
        other = mirrored(view.inputs)
        both = {name: np.concatenate([value, other[name]]) for name, value in view.inputs.items()}
        straight, swapped = self._model.logits(both)
        return np.asarray((straight + swapped[:, ::-1]) / 2, np.float32)

    def _digest(self) -> str:
        if self._refinement is None:
            return self._model.digest
        said = repr((self._model.digest, CODE_VERSION, astuple(self._refinement)))
        return hashlib.sha256(said.encode()).hexdigest()

    def _corrections(self, view: View, prompt: Prompt) -> FloatGrid:
        if not prompt.include and not prompt.exclude:
            return np.zeros(view.crop.shape, np.float32)
        return correction_odds(view.crop, lab_of(view.crop.rgb), prompt, Pull())
