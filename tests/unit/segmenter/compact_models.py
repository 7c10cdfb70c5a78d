"""Model files as the training program writes them, with networks so simple that their answers are known."""

from pathlib import Path

import onnx
from onnx import TensorProto, helper

from fourpoint_worker.segmenter.compact.model_file import INPUTS, OUTPUT, metadata_of
from fourpoint_worker.segmenter.compact.window import GridRule

RULE = GridRule(cells=96)


def reddish_model(path: Path, rule: GridRule = RULE) -> Path:
    """Says object where there is more red than green, or where an earlier outline is; all else it ignores."""
    cells = rule.cells
    shapes = {
        "image": ["n", 4, cells, cells],
        "clicks": ["n", 4, 2],
        "clicked": ["n"],
        "box": ["n", 4],
        "corrections": ["n", "k", 3],
        "earlier": ["n", 1, cells, cells],
    }
    numbers = [
        helper.make_tensor("difference", TensorProto.FLOAT, [1, 4, 1, 1], [40.0, -40.0, 0.0, 0.0]),
        helper.make_tensor("much", TensorProto.FLOAT, [], [30.0]),
    ]
    nodes = [
        helper.make_node("Conv", ["image", "difference"], ["redder"]),
        helper.make_node("Mul", ["earlier", "much"], ["outline"]),
        helper.make_node("Add", ["redder", "outline"], [OUTPUT]),
    ]
    answer = helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["n", 1, cells, cells])
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shapes[name]) for name in INPUTS]
    graph = helper.make_graph(nodes, "reddish", inputs, [answer], numbers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, metadata_of(rule))
    onnx.save(model, str(path))
    return path
