"""A page of shell commands and the answers that it promises: run in one shell, compared one by one."""

import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
_BOUNDARY = "\n@@@ end of a block @@@\n"
ELLIPSIS = "…"


@dataclass(frozen=True)
class Step:
    """Commands, and what they print: JSON documents, or text."""

    commands: str
    promised: tuple[tuple[str, str], ...]


def steps(page: str) -> list[Step]:
    """The `bash` blocks of a page, each with the `json` and `text` blocks that follow it."""
    found: list[Step] = []
    for language, content in _BLOCK.findall(page):
        if language == "bash":
            found.append(Step(content, ()))
        elif language in {"json", "text"}:
            found[-1] = Step(found[-1].commands, (*found[-1].promised, (language, content)))
    return found


def run(wanted: list[Step], root: Path, **variables: str) -> list[str]:
    """What each step prints, all in one shell, which stops at the first command that fails."""
    script = "".join(f"{step.commands}\nprintf '%s' {_quoted(_BOUNDARY)}\n" for step in wanted)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=root,
        env={"PATH": os.environ["PATH"], **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    return done.stdout.split(_BOUNDARY)[:-1]


def check(step: Step, output: str) -> None:
    """Hold what a step printed against what the page promises."""
    rest = output.strip()
    for language, content in step.promised:
        rest = _check_text(content.strip(), rest) if language == "text" else _check_documents(content, rest)
    assert not step.promised or not rest, f"{step.commands}\nprints more than is promised: {rest[:300]}"


def _check_text(promised: str, output: str) -> str:
    pattern = re.escape(promised).replace(re.escape(ELLIPSIS), r"\S+")
    found = re.match(pattern, output)
    assert found, f"promised {promised!r}, got {output[:300]!r}"
    return output[found.end() :].lstrip()


def _check_documents(promised: str, output: str) -> str:
    decoder = json.JSONDecoder()
    while promised.strip():
        expected, end = decoder.raw_decode(promised.lstrip())
        promised = promised.lstrip()[end:]
        actual, end = decoder.raw_decode(output)
        output = output[end:].lstrip()
        _compare(expected, actual, "")
    return output


def _compare(promised: Any, actual: Any, place: str) -> None:
    """Everything promised is there; lists are complete. `…` is anything, and within a text a part of it."""
    if promised == ELLIPSIS:
        return
    if isinstance(promised, dict):
        assert isinstance(actual, dict), place
        for key, value in promised.items():
            assert key in actual, f"{place}/{key} is promised"
            _compare(value, actual[key], f"{place}/{key}")
    elif isinstance(promised, list):
        assert isinstance(actual, list), place
        is_open = len(promised) > 0 and promised[-1] == ELLIPSIS
        assert len(actual) >= len(promised) if is_open else len(actual) == len(promised), f"{place}: {actual}"
        for index, value in enumerate(promised):
            _compare(value, actual[index], f"{place}/{index}")
    elif isinstance(promised, str) and ELLIPSIS in promised:
        pattern = re.escape(promised).replace(re.escape(ELLIPSIS), ".*")
        assert re.fullmatch(pattern, actual, re.S), f"{place}: {actual!r}"
    else:
        assert promised == actual, f"{place}: promised {promised!r}, got {actual!r}"


def _quoted(text: str) -> str:
    return "'" + text + "'"
