"""Write the public contract: `python -m fourpoint_api.contract openapi/openapi.json`."""

import json
import sys
from pathlib import Path

from fourpoint_api.app import contract


def contract_text() -> str:
    """The OpenAPI document as it is committed, so that a change is a diff of a few lines."""
    return json.dumps(contract(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(contract_text())
