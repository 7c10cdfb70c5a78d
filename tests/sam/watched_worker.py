"""The inference process, with an encoder that can be watched and held: `python -m tests.sam.watched_worker`.

In the directory WATCHED: `calls` gets a line for each image, with the process and the image's brightest value,
when its call begins; while there is a file `held`, no call goes on.
"""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fourpoint_worker import inference_app
from fourpoint_worker.segmenter.port import RgbImage
from fourpoint_worker.segmenter.sam.encoder import Encoder


def watch(directory: Path) -> None:
    """Put the watched encoder in the place of the real one."""
    encode = Encoder.__call__

    def watched(self: Encoder, images: Sequence[RgbImage]) -> Any:
        # A process that warms up looks at nothing.
        looked_at = [image for image in images if image.any()]
        with (directory / "calls").open("a") as calls:
            calls.writelines(f"{os.getpid()} {image.max()}\n" for image in looked_at)
        while looked_at and (directory / "held").exists():
            time.sleep(0.01)
        return encode(self, images)

    Encoder.__call__ = watched  # type: ignore[method-assign]


if __name__ == "__main__":
    watch(Path(os.environ["WATCHED"]))
    inference_app.main()
