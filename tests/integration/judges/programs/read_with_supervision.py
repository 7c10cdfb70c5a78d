"""Reads one part of a YOLO tree with supervision: `read_with_supervision.py TREE PART`."""

import sys
from pathlib import Path

from facts import rows, say
from supervision import DetectionDataset

tree, part = Path(sys.argv[1]), sys.argv[2]
dataset = DetectionDataset.from_yolo(
    str(tree / "images" / part), str(tree / "labels" / part), str(tree / "data.yaml"), force_masks=True
)
say(
    [
        {
            "image": Path(path).name,
            "subset": part,
            "label": dataset.classes[detections.class_id[number]],
            "mask": rows(detections.mask[number]),
        }
        for path, _, detections in dataset
        for number in range(len(detections))
    ]
)
