"""Run schemathesis against a whole Fourpoint: `python -m tests.schemathesis.run --help`.

Two people ask: an admin, and somebody without a token. Fails where schemathesis finds something, where a
process logged a defect, and where an operation never once did for the admin what it is for.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from fourpoint_api.app import contract
from fourpoint_standalone.stack import Stack, StackOptions, remove_data

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PEOPLE = ("admin", "nobody")
Statuses = dict[str, dict[str, int]]


def main() -> int:
    """Exit status 0 where nothing was found."""
    options = _parser().parse_args()
    directory = Path(tempfile.mkdtemp(prefix="fourpoint-schemathesis-"))
    directory.chmod(0o711)
    findings: list[str] = []
    try:
        with Stack(StackOptions(directory / "data", api_port=0, io_processes=1)) as stack:
            for person in options.people:
                findings += _ask(stack, person, options, directory / f"{person}.json")
            findings += _defects_logged(stack.log_directory)
        remove_data(directory / "data")
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    print("\n".join(findings) or "Nothing was found.")
    return 1 if findings else 0


def _ask(stack: Stack, person: str, options: argparse.Namespace, statuses: Path) -> list[str]:
    """What was found on behalf of this person."""
    print(f"== {person}", flush=True)
    environment = {
        **os.environ,
        "FUZZ_BASE_URL": stack.base_url,
        "FUZZ_ADMIN_TOKEN": stack.admin_token,
        "FUZZ_PERSON": person,
        "FUZZ_STATUSES": str(statuses),
    }
    arguments = _as_admin(stack, options) if person == "admin" else _as_nobody(options)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(HERE / "schemathesis.toml")),
            *("run", f"{stack.base_url}/openapi.json", "--no-color", "--continue-on-failure"),
            *arguments,
        ],
        cwd=ROOT,
        env=environment,
        check=False,
    )
    counted: Statuses = json.loads(statuses.read_text())
    _print(counted)
    findings = [f"schemathesis found something as {person}; see above."] if done.returncode else []
    if person == "admin" and not options.more:
        findings += [f"{name} never succeeded." for name in _never_successful(counted)]
    return findings


def _as_admin(stack: Stack, options: argparse.Namespace) -> list[str]:
    phases = ["--phases=examples,coverage,fuzzing,stateful"]
    chance = [f"--seed={options.seed}"] if options.seed else ["--generation-deterministic"]
    token = ["--header", f"Authorization: Bearer {stack.admin_token}"]
    return [*token, *chance, *phases, f"--max-examples={options.examples}", *options.more]


def _as_nobody(options: argparse.Namespace) -> list[str]:
    return [
        "--phases=examples,fuzzing",
        "--exclude-checks=positive_data_acceptance",
        "--generation-deterministic",
        f"--max-examples={min(options.examples, 10)}",
    ]


def _never_successful(counted: Statuses) -> list[str]:
    operations = [
        operation["operationId"]
        for path in contract()["paths"].values()
        for operation in path.values()
        if isinstance(operation, dict)
    ]
    return [name for name in operations if not any(s.startswith("2") for s in counted.get(name, {}))]


def _print(counted: Statuses) -> None:
    for name, found in counted.items():
        text = " ".join(f"{status}:{count}" for status, count in found.items())
        print(f"  {name:<34} {text}")
    print(f"  {sum(sum(found.values()) for found in counted.values())} requests")


def _defects_logged(logs: Path) -> list[str]:
    lines = [line for log in sorted(logs.glob("*.log")) for line in log.read_text().splitlines()]
    return [f"logged: {line[:4000]}" for line in lines if '"exception"' in line][:20]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=8, help="requests per operation, and sequences of them")
    parser.add_argument("--seed", type=int, help="make other requests than always")
    parser.add_argument("--people", nargs="+", choices=PEOPLE, default=PEOPLE, help="who asks")
    parser.add_argument("more", nargs="*", help="further arguments for schemathesis, after --")
    return parser


if __name__ == "__main__":
    sys.exit(main())
