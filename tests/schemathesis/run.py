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
from collections import Counter
from itertools import count
from pathlib import Path

from fourpoint_api.app import contract
from fourpoint_standalone.stack import Stack, StackOptions, remove_data

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PEOPLE = ("admin", "nobody")
EVENTS_TOKEN = "token of the senders of events"
Statuses = dict[str, dict[str, int]]


def main() -> int:
    """Exit status 0 where nothing was found."""
    options = _parser().parse_args()
    directory = Path(tempfile.mkdtemp(prefix="fourpoint-schemathesis-"))
    directory.chmod(0o711)
    findings: list[str] = []
    try:
        with Stack(_stack_options(directory / "data")) as stack:
            if "admin" in options.people:
                findings += _ask_as_admin(stack, options, directory)
            if "nobody" in options.people:
                findings += _ask_as_nobody(stack, options, directory)
            findings += _defects_logged(stack.log_directory)
        remove_data(directory / "data")
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    print("\n".join(findings) or "Nothing was found.")
    return 1 if findings else 0


def _stack_options(directory: Path) -> StackOptions:
    environment = {"FOURPOINT_STORAGE_EVENTS_TOKEN": EVENTS_TOKEN}
    return StackOptions(directory, api_port=0, io_processes=1, environment=environment)


def _ask_as_admin(stack: Stack, options: argparse.Namespace, directory: Path) -> list[str]:
    token = ["--header", f"Authorization: Bearer {stack.admin_token}", *options.more]
    chance = [f"--seed={options.seed}"] if options.seed else ["--generation-deterministic"]
    counted: Statuses = {}
    alone = ["--phases=examples,coverage,fuzzing", f"--max-examples={options.examples}"]
    findings = _ask(stack, "admin", [*token, *chance, *alone], counted, directory)
    # A run of sequences ends where a state that others have changed is met again, often soon.
    in_sequence: Statuses = {}
    for seed in count(options.seed or 1):
        if _requests(in_sequence) >= options.in_sequence:
            break
        stateful = [f"--seed={seed}", "--phases=stateful", "--max-examples=200"]
        findings += _ask(stack, "admin", [*token, *stateful], in_sequence, directory)
    print(f"{_requests(counted)} requests alone, {_requests(in_sequence)} in sequences")
    both = {name: {**counted.get(name, {}), **in_sequence.get(name, {})} for name in {*counted, *in_sequence}}
    return findings + [f"{name} never succeeded." for name in _never_successful(both)]


def _ask_as_nobody(stack: Stack, options: argparse.Namespace, directory: Path) -> list[str]:
    arguments = [
        "--phases=examples,fuzzing",
        "--exclude-checks=positive_data_acceptance",
        "--generation-deterministic",
        f"--max-examples={min(options.examples, 10)}",
    ]
    return _ask(stack, "nobody", arguments, {}, directory)


def _ask(stack: Stack, person: str, arguments: list[str], counted: Statuses, directory: Path) -> list[str]:
    """Run schemathesis once; what it found. counted: gets the statuses of the answers."""
    print(f"== as {person}", flush=True)
    statuses = directory / "statuses.json"
    environment = {
        **os.environ,
        "FUZZ_BASE_URL": stack.base_url,
        "FUZZ_ADMIN_TOKEN": stack.admin_token,
        "FUZZ_EVENTS_TOKEN": EVENTS_TOKEN,
        "FUZZ_PERSON": person,
        "FUZZ_STATUSES": str(statuses),
    }
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
    found: Statuses = json.loads(statuses.read_text())
    _print(found)
    for name, counts in found.items():
        counted[name] = dict(Counter(counted.get(name, {})) + Counter(counts))
    return [f"schemathesis found something as {person}; see above."] if done.returncode else []


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
    print(f"  {_requests(counted)} requests")


def _requests(counted: Statuses) -> int:
    return sum(sum(found.values()) for found in counted.values())


def _defects_logged(logs: Path) -> list[str]:
    lines = [line for log in sorted(logs.glob("*.log")) for line in log.read_text().splitlines()]
    return [f"logged: {line[:4000]}" for line in lines if '"exception"' in line][:20]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=8, help="requests per operation")
    parser.add_argument("--in-sequence", type=int, default=100, help="requests in sequences that follow links")
    parser.add_argument("--seed", type=int, help="make other requests than always")
    parser.add_argument("--people", nargs="+", choices=PEOPLE, default=PEOPLE, help="who asks")
    parser.add_argument("more", nargs="*", help="further arguments for schemathesis, after --")
    return parser


if __name__ == "__main__":
    sys.exit(main())
