"""Converts a Label Studio tree to COCO with its own converter: `convert_label_studio.py TREE`."""

import json
import sys
import tempfile
from pathlib import Path

from facts import say
from label_studio_converter import Converter

tree = Path(sys.argv[1])
converter = Converter(str(tree / "label_config.xml"), str(tree), download_resources=False)
with tempfile.TemporaryDirectory() as out:
    converter.convert_to_coco(str(tree / "tasks.json"), out, is_dir=False)
    document = json.loads(Path(out, "result.json").read_text())
images = {image["id"]: image["file_name"] for image in document["images"]}
names = {category["id"]: category["name"] for category in document["categories"]}
say(
    [
        {
            "image": images[each["image_id"]],
            "label": names[each["category_id"]],
            "rings": each["segmentation"],
            "box": each["bbox"],
            "area": each["area"],
        }
        for each in document["annotations"]
    ]
)
