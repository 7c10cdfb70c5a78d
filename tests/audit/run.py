"""What the code, its secrets and its dependencies look like to programs that search for holes: `make audit`.

    python tests/audit/run.py             fails on what bandit finds, on a secret that nobody has looked at, on
                                          a dependency with a known hole, and on one that was skipped
    python tests/audit/run.py --accept    takes what looks like a secret now for looked at

Runs in an environment of its own, `.venv-audit`. Writes the list of what the product is made of, an SBOM of
CycloneDX, to build/sbom/. Where no source of advisories answers, it says so, NOT AUDITED, and goes on.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
TOOLS = Path(sys.executable).parent
# What the product is made of, and everything that is installed to build, check and train it.
PRODUCT = ("requirements.lock", "requirements-sam.lock")
LOCKS = tuple(sorted(path.name for path in ROOT.glob("requirements*.lock")))
# Made-up secrets are the daily bread of tests; the contract is written from sources that are searched.
UNSEARCHED = ("tests/", "openapi/", "docs/model-log.jsonl")
# Lock files of which nothing is known, neither good nor bad.
UNAUDITED: list[str] = []
# How pip-audit ends where its source of advisories cannot be reached, or serves none.
_UNREACHABLE = ("ConnectionError", "ServiceError", "ConnectTimeout", "ReadTimeout", "Max retries exceeded")
KNOWN = Path(__file__).with_name("known-secrets.json")


def main() -> int:
    """Everything in turn; how many of them failed."""
    if "--accept" in sys.argv:
        KNOWN.write_text(json.dumps(sorted(suspected()), indent=1) + "\n")
        return 0
    failures = [name for name, check in CHECKS.items() if not _said(name, check())]
    print(f"failed: {', '.join(failures)}" if failures else "nothing was found in what could be looked at")
    if UNAUDITED:
        print(f"NOT AUDITED, for want of a source of advisories: {', '.join(UNAUDITED)}")
    return len(failures)


def code() -> list[str]:
    """What bandit finds: of medium severity and more, but for what a reason stands beside.

    ruff knows the same rules by the same numbers, with another letter: one remark goes for both.
    """
    options = ("-f", "json", "--severity-level", "medium")
    found = json.loads(_output("bandit", "-q", "-r", "services", "clients/python", *options))
    assert not found["errors"], found["errors"]
    return [
        f"{item['filename']}:{item['line_number']} {item['test_id']} {item['issue_text']}"
        for item in found["results"]
        if not _is_explained(item)
    ]


def _is_explained(item: dict[str, Any]) -> bool:
    lines = (ROOT / item["filename"]).read_text().splitlines()
    numbers = range(min(item["line_range"]), max(item["line_range"]) + 1)
    remark = f"noqa: S{item['test_id'][1:]}"
    return any(remark in lines[number - 1] for number in numbers)


def suspected() -> set[tuple[str, str, str]]:
    """File, kind and digest of what looks like a secret, in all files that git knows."""
    files = _run("git", "ls-files", "-z").stdout.split("\0")
    named = [name for name in files if name and not name.startswith(UNSEARCHED)]
    found = json.loads(_output("detect-secrets", "scan", *named))["results"]
    return {(name, item["type"], item["hashed_secret"]) for name, items in found.items() for item in items}


def secrets() -> list[str]:
    """What looks like a secret and is not among those that somebody has looked at."""
    known = {tuple(item) for item in json.loads(KNOWN.read_text())}
    return [
        f"{name}: {kind}; if it is none, run with --accept" for name, kind, _ in sorted(suspected() - known)
    ]


def dependencies() -> list[str]:
    """Known holes in what is pinned, and what could not be looked up."""
    answers, problems = {}, []
    for lock in LOCKS:
        ended = _run(str(TOOLS / "pip-audit"), "--disable-pip", "--no-deps", "-r", lock, "-f", "json")
        try:
            answers[lock] = json.loads(ended.stdout)["dependencies"]
        except (ValueError, KeyError):
            said = (ended.stderr.strip().splitlines() or ["nothing"])[-1]
            if any(name in ended.stderr for name in _UNREACHABLE):
                print(f"  {lock}: {said}")
                UNAUDITED.append(lock)
            else:
                problems.append(f"{lock}: pip-audit ended without an answer: {said}")
    return problems + judged(answers)


def judged(audited: dict[str, list[dict[str, Any]]]) -> list[str]:
    """The problems of lock files. audited: what pip-audit says of each.

    A source that knows nothing of anything, as a mirror without advisories, is none; one that knows some
    packages and not others leaves those others unaudited, which is a problem.
    """
    every = [item for items in audited.values() for item in items]
    if every and all("skip_reason" in item for item in every):
        UNAUDITED.extend(audited)
        return []
    holes = [
        f"{lock}: {item['name']} {item['version']} has {hole['id']}; mended in: {hole['fix_versions']}"
        for lock, items in audited.items()
        for item in items
        for hole in item.get("vulns", [])
    ]
    return holes + [
        f"{lock}: {item['name']} was skipped: {item['skip_reason']}"
        for lock, items in audited.items()
        for item in items
        if "skip_reason" in item
    ]


def parts() -> list[str]:
    """Writes the SBOM; what is wrong with it."""
    directory = ROOT / "build" / "sbom"
    directory.mkdir(parents=True, exist_ok=True)
    problems = []
    for lock in PRODUCT:
        file = directory / f"{Path(lock).stem}.cdx.json"
        options = ["--pyproject", "pyproject.toml", "--output-reproducible", "--of", "JSON", "-o", str(file)]
        ended = _run(str(TOOLS / "cyclonedx-py"), "requirements", lock, *options)
        named = (
            {item["name"].lower() for item in json.loads(file.read_text())["components"]}
            if file.exists()
            else set()
        )
        wanted = {
            line.split("==")[0].lower()
            for line in (ROOT / lock).read_text().splitlines()
            if "==" in line and line[0] not in "# "
        }
        if ended.returncode or wanted - named:
            problems.append(f"{lock}: {ended.stderr[-300:]} {sorted(wanted - named)}")
    return problems


CHECKS = {"code": code, "secrets": secrets, "dependencies": dependencies, "parts": parts}


def _said(name: str, problems: list[str]) -> bool:
    print(f"{name}: {len(problems) or 'nothing'} found")
    for problem in problems:
        print(f"  {problem}")
    return not problems


def _output(tool: str, *arguments: str) -> str:
    ended = _run(str(TOOLS / tool), *arguments)
    assert ended.stdout.strip(), ended.stderr
    return ended.stdout


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)


if __name__ == "__main__":
    sys.exit(min(main(), 1))
