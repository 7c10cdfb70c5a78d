"""The commands that speak to an API do so in the image of the API, too."""

from pathlib import Path

import pytest
from tests.contract.test_fresh_interpreters import HIDE, lacking, run

_COMMAND = """
from fourpoint_standalone.cli import main
main({arguments!r}, standalone_mode=False)
"""
_ADDRESS = ["--url", "http://127.0.0.1:1", "--token", "fpt_none"]
_DATASET = "01a2268d-b72a-7365-9b84-9c53606c1bd3"


@pytest.mark.parametrize(
    "arguments",
    [
        ["sync", _DATASET],
        ["export", _DATASET, "--format", "coco"],
        ["import", _DATASET, __file__, "--format", "coco", "--from-bucket"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_command_finds_what_it_needs_where_only_the_api_is_installed(
    arguments: list[str], tmp_path: Path
) -> None:
    program = HIDE.format(names=lacking("api")) + _COMMAND.format(arguments=[*arguments, *_ADDRESS])
    with pytest.raises(AssertionError, match="cannot be reached"):
        run(program, tmp_path)
