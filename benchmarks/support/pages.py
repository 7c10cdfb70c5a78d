"""Figures in pages: a block between two marks is replaced by what was measured last."""

import os
from collections.abc import Sequence
from pathlib import Path

END = "<!-- end -->\n"


def replace_block(page: Path, name: str, text: str) -> None:
    """Put `text` where the page says `<!-- measured: name -->`, up to the next end. Raises SystemExit."""
    begin = f"<!-- measured: {name} -->\n"
    before, found, rest = page.read_text().partition(begin)
    _, ended, after = rest.partition(END)
    if not found or not ended:
        raise SystemExit(f"{page} has no block {begin.strip()} that ends with {END.strip()}.")
    page.write_text(f"{before}{begin}{text.rstrip()}\n{END}{after}")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """As Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def machine() -> str:
    """Processors and memory of this machine, in words."""
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    name = models[0].partition(":")[2].strip() if models else "unknown"
    return f"{os.cpu_count()} virtual processors ({name}), {memory:.0f} GiB"
