"""docs/formats.md names every format, and everything that an export or an import may count."""

import re
from pathlib import Path

from fourpoint_core.domain.transfers import FormatName

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "formats.md").read_text()
WORKER = ROOT / "services" / "worker" / "fourpoint_worker"
_COUNTED = re.compile(r'(?:notes\.add|Note)\(\s*"([a-z_]+)"')


def test_every_format_is_named() -> None:
    assert [name.value for name in FormatName if f"`{name.value}`" not in PAGE] == []


def test_everything_that_is_counted_is_explained() -> None:
    sources = [
        path
        for folder in ("formats", "exporting", "importing", "tasks")
        for path in (WORKER / folder).rglob("*.py")
    ]
    codes = {code for path in sources for code in _COUNTED.findall(path.read_text())}
    assert len(codes) > 25
    assert sorted(code for code in codes if f"`{code}`" not in PAGE) == []
