"""How long lists, filters and counts take, from HTTP in to answer out, beside the leanest that could do it.

Seeds one dataset by COPY into a PostgreSQL of its own (fsync on), and asks the API over HTTP: one client, one
process, a kept connection. Beside each request, in turn, a hand-written Flask route over psycopg2 answers the
same page with one fixed SQL text; see support/raw_lists.py. Both use the same tables and indexes.

With --keep the dataset stays in that directory, and the next run begins at once.

Usage: python benchmarks/lists.py [--samples 1000000] [--requests 60] [--keep DIRECTORY] [--only WORDS] [--json]
       [--plot FILE]
"""

import sys
from pathlib import Path

# Python looks beside the script first, where `click.py` would hide the library of that name.
sys.path[0] = str(Path(__file__).resolve().parents[1])

# ruff: noqa: E402
import argparse
import json
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx
from benchmarks.support import plots, servers
from benchmarks.support.figures import percentiles
from benchmarks.support.many_samples import DAYS, Seeded, directory_for, labeler_token, seeded
from benchmarks.support.raw_lists import LIMIT
from benchmarks.support.servers import Server
from rich.console import Console
from rich.table import Table

WARM_UP = 5


@dataclass(frozen=True)
class Case:
    """One request: its address at the API, and the same page at the baseline."""

    name: str
    path: str
    raw: dict[str, Any]


@dataclass(frozen=True)
class Result:
    """Milliseconds of one case. cpu: of the process that answers, a request; PostgreSQL's is not in it."""

    name: str
    p50: float
    p95: float
    cpu: float
    raw_p50: float
    raw_p95: float
    raw_cpu: float

    @property
    def ratio(self) -> float:
        """The API's median over the baseline's."""
        return self.p50 / self.raw_p50


def main() -> None:
    """Seed, ask, print, and end with everything stopped."""
    options = _options()
    console = Console(stderr=True)
    with directory_for(options.keep, "lists") as directory, ExitStack() as stack:
        url = stack.enter_context(servers.database(directory, "lists"))
        about = seeded(directory, url, options.samples, console)
        api = stack.enter_context(servers.api(directory, url))
        raw = stack.enter_context(servers.baseline("benchmarks.support.raw_lists:app", url))
        client = stack.enter_context(_client(api, labeler_token(url, about)))
        cases = _cases(client, about, console)
        results = [
            _measure(client, api, stack.enter_context(_client(raw)), raw, case, options.requests)
            for case in cases
            if options.only in case.name
        ]
    _report(results, options)


def _client(server: Server, token: str | None = None) -> httpx.Client:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return httpx.Client(base_url=server.base_url, headers=headers, timeout=60)


# What is asked


def _cases(client: httpx.Client, about: Seeded, console: Console) -> list[Case]:
    dataset = f"/v1/datasets/{about.dataset_id}"
    console.print("walking to the end")
    middle, end = _walk(client, f"{dataset}/samples")
    base = {"dataset": about.dataset_id}
    label, labeler = about.label_id, about.labeler_id
    recent = (datetime.now(UTC) - timedelta(days=30)).isoformat()
    past = (datetime.fromisoformat(about.start) + timedelta(days=DAYS // 2)).isoformat()
    prefix, needle = "in/batch_97/", "bridge_0"
    below = {"prefix": prefix, "end": prefix[:-1] + "0"}

    def listed(name: str, query: str, raw: str, **more: str) -> Case:
        return Case(name, f"{dataset}/samples?limit={LIMIT}{query}", {"page": raw, **base, **more})

    four = f"&label_id={label}&created_within=30d&path_prefix={prefix}&labeled_by={labeler}"
    return [
        listed("first page", "", "plain"),
        listed("page in the middle", f"&cursor={middle[0]}", "after", time=middle[1], id=middle[2]),
        listed("page at the end", f"&cursor={end[0]}", "after", time=end[1], id=end[2]),
        listed("unlabeled", "&status=unlabeled", "unlabeled"),
        listed("label", f"&label_id={label}", "label", label=label),
        listed("created within", "&created_within=30d", "recent", recent=recent),
        listed("name contains", f"&name_contains={needle}", "name", needle=needle),
        listed("name contains, rare", "&name_contains=0001234", "name", needle="0001234"),
        listed("path prefix", f"&path_prefix={prefix}", "path", **below),
        listed("labeled by", f"&labeled_by={labeler}", "labeler", labeler=labeler),
        listed(
            "label, created within",
            f"&label_id={label}&created_within=30d",
            "recent_label",
            label=label,
            recent=recent,
        ),
        listed("the four combined", four, "four", label=label, recent=recent, labeler=labeler, **below),
        listed("by size, descending", "&sort=-size", "size"),
        listed("by name", "&sort=name", "by_name"),
        listed("a year ago, labeled", f"&status=labeled&at={quote(past)}", "past", past=past),
        Case("per-label counts", f"{dataset}/stats", {"page": "stats", **base}),
        Case("dashboard", dataset, {"page": "dashboard", **base}),
        Case(
            "neighbours",
            f"/v1/samples/{about.middle_id}/neighbours?label_id={label}",
            {"page": "neighbours", "sample": about.middle_id, "label": label},
        ),
        Case("search conditions", f"{dataset}/search-conditions", {"page": "conditions", **base}),
    ]


def _walk(client: httpx.Client, samples: str) -> tuple[tuple[str, str, str], tuple[str, str, str]]:
    """Cursors, with the time and id that they stand for: of the page in the middle, and of the last but one."""
    found: list[tuple[str, str, str]] = []
    cursor = ""
    while True:
        body = client.get(f"{samples}?limit=1000{cursor}").raise_for_status().json()
        if body["next_cursor"] is None:
            return found[len(found) // 2], found[-1]
        last = body["items"][-1]
        found.append((body["next_cursor"], last["created_at"], last["id"]))
        cursor = f"&cursor={body['next_cursor']}"


def _measure(
    client: httpx.Client, api: Server, baseline: httpx.Client, raw: Server, case: Case, requests: int
) -> Result:
    """Ours and theirs in turn, so that whatever else the machine does is shared."""
    ours: list[float] = []
    theirs: list[float] = []
    used = (0.0, 0.0)
    for number in range(requests + WARM_UP):
        if number == WARM_UP:
            used = (api.cpu_milliseconds(), raw.cpu_milliseconds())
        for times, get in (
            (ours, lambda: client.get(case.path)),
            (theirs, lambda: baseline.get("/", params=case.raw)),
        ):
            began = time.perf_counter()
            get().raise_for_status()
            times.append((time.perf_counter() - began) * 1000)
    cpu, raw_cpu = (
        round((now - then) / requests, 2)
        for now, then in zip((api.cpu_milliseconds(), raw.cpu_milliseconds()), used, strict=True)
    )
    return Result(case.name, *percentiles(ours[WARM_UP:]), cpu, *percentiles(theirs[WARM_UP:]), raw_cpu)


# Output


def _report(results: list[Result], options: argparse.Namespace) -> None:
    if options.plot:
        plots.bars(
            options.plot,
            f"{options.samples:,} samples: milliseconds over HTTP, 95th percentile",
            {one.name: (one.p95, one.raw_p95) for one in results},
            ("the API", "hand-written"),
            limit=(100, "100 ms"),
        )
    if options.json:
        rows = [{**asdict(one), "ratio": round(one.ratio, 2)} for one in results]
        print(json.dumps({"samples": options.samples, "milliseconds": rows}, indent=2))
        return
    table = Table(title=f"{options.samples:,} samples; milliseconds over HTTP, one client")
    for column in ("", "p50", "p95", "CPU", "raw p50", "raw p95", "raw CPU", "ratio of p50"):
        table.add_column(column, justify="right" if column else "left")
    for one in results:
        numbers = (one.p50, one.p95, one.cpu, one.raw_p50, one.raw_p95, one.raw_cpu)
        table.add_row(one.name, *(f"{number:.1f}" for number in numbers), f"{one.ratio:.2f}")
    Console(width=max(110, Console().width)).print(table)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=1_000_000)
    parser.add_argument("--requests", type=int, default=60)
    parser.add_argument("--keep", type=Path, help="where the dataset lies, for this run and the next")
    parser.add_argument("--only", default="", help="cases whose names have this in them")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--plot", type=Path, help="where the picture goes, e.g. lists.svg")
    return parser.parse_args()


if __name__ == "__main__":
    main()
