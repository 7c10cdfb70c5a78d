"""From a run's weights to the file that the engine loads, and the proof that both answer alike."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from fourpoint_training.chance import Chance
from fourpoint_training.network import CompactNet
from fourpoint_training.objects import Bank
from fourpoint_training.prompting import Prompts, corrected, human_prompts
from fourpoint_training.recipes import Recipe
from fourpoint_training.scenes import draw_scenes
from fourpoint_training.training_state import load_average
from fourpoint_worker.segmenter.compact.model_file import INPUTS, OUTPUT, metadata_of

OPSET = 17
# Arrays below this gain nothing from being stored in half of their size.
_SMALL = 512
_CHECKED = 16


@dataclass(frozen=True)
class Parity:
    """How far the file's answers are from the network's, on scenes that it never saw.

    logits: largest difference of the log odds with the weights as they were trained. stored: largest
    difference of the probabilities with the weights as they are stored. changed: share of cells
    that are then on the other side of a half.
    """

    logits: float
    stored: float
    changed: float


class _Flat(nn.Module):
    """The network with plain tensors for its prompts."""

    def __init__(self, network: CompactNet):
        super().__init__()
        self.network = network

    def forward(
        self, image: Tensor, clicks: Tensor, clicked: Tensor, box: Tensor, corrections: Tensor, earlier: Tensor
    ) -> Tensor:
        """Log odds of every cell."""
        answer: Tensor = self.network(image, Prompts(clicks, clicked, box, corrections, earlier))[0]
        return answer


def export(state: Path, target: Path, bank: Bank) -> Parity:
    """Write the averaged network of `state` to `target`, and compare the two on scenes from `bank`.

    Raises ValueError, and writes nothing, where they disagree.
    """
    network, recipe = load_average(state, torch.device("cpu"))
    cases = _cases(network, bank, recipe)
    beside = target.with_suffix(".new")
    _write(network, cases, beside)
    model = onnx.load(str(beside))
    with torch.no_grad():
        wanted = _Flat(network)(*cases.values()).numpy()
    exact = _answers(model, cases)
    store_in_half(model)
    helper.set_model_props(model, metadata_of(recipe.rule))
    onnx.checker.check_model(model, full_check=True)
    stored = _answers(model, cases)
    parity = Parity(
        float(np.abs(exact - wanted).max()),
        float(np.abs(_odds_to_share(stored) - _odds_to_share(wanted)).max()),
        float(((stored > 0) != (wanted > 0)).mean()),
    )
    if parity.logits > 0.01 or parity.changed > 0.005:
        beside.unlink()
        raise ValueError(f"the exported network does not answer as the trained one does: {parity}")
    onnx.save(model, str(beside))
    beside.replace(target)
    return parity


def digest_of(path: Path) -> str:
    """Hex SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def store_in_half(model: onnx.ModelProto) -> None:
    """Weights as float16, made float32 again when the file is loaded: half the size, the same speed."""
    casts = []
    for weight in list(model.graph.initializer):
        if weight.data_type != TensorProto.FLOAT or np.prod(weight.dims) < _SMALL:
            continue
        name = weight.name
        half = numpy_helper.from_array(numpy_helper.to_array(weight).astype(np.float16), f"{name}.half")
        model.graph.initializer.remove(weight)
        model.graph.initializer.append(half)
        casts.append(helper.make_node("Cast", [half.name], [name], to=TensorProto.FLOAT, name=f"{name}.cast"))
    nodes = casts + list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _write(network: CompactNet, cases: dict[str, Tensor], target: Path) -> None:
    axes = {name: {0: "objects"} for name in (*INPUTS, OUTPUT)}
    axes["corrections"][1] = "points"
    torch.onnx.export(
        _Flat(network).eval(),
        tuple(cases.values()),
        str(target),
        input_names=list(INPUTS),
        output_names=[OUTPUT],
        dynamic_axes=axes,
        opset_version=OPSET,
        dynamo=False,
    )


def _cases(network: CompactNet, bank: Bank, recipe: Recipe) -> dict[str, Tensor]:
    """Scenes with every kind of prompt, by the names of the file's inputs."""
    chance = Chance(2**20, 0, torch.device("cpu"))
    scenes = draw_scenes(bank, bank.draw_weights(0.5), _CHECKED, recipe.rule, recipe.mix, chance)
    prompts = human_prompts(scenes.truth, scenes.slips, recipe.rule, recipe.mix, chance)
    with torch.no_grad():
        prompts = corrected(prompts, network(scenes.image, prompts)[0], scenes.truth, chance)
    tensors = (
        scenes.image,
        prompts.clicks,
        prompts.clicked,
        prompts.box,
        prompts.corrections,
        prompts.earlier,
    )
    return dict(zip(INPUTS, tensors, strict=True))


def _answers(model: onnx.ModelProto, cases: dict[str, Tensor]) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found: np.ndarray = session.run([OUTPUT], {name: value.numpy() for name, value in cases.items()})[0]
    return found


def _odds_to_share(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logits))
