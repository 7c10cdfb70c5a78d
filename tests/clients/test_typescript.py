"""The TypeScript client: its types are the contract's, it compiles, and it does what a labeling page needs."""

import re
import subprocess

import pytest
from tests.clients.conftest import ROOT, TYPESCRIPT, Npm

from fourpoint_standalone.stack import Stack

pytestmark = pytest.mark.clients


def test_its_types_are_what_the_contract_says_and_it_compiles_strictly(npm: Npm) -> None:
    npm("check")


def test_it_does_what_a_labeling_page_needs(npm: Npm, stack: Stack) -> None:
    output = npm("test", FOURPOINT_BASE_URL=stack.base_url, FOURPOINT_TOKEN=stack.admin_token)
    counts = dict(re.findall(r"^ℹ (pass|fail|skipped) (\d+)$", output, re.M))
    assert int(counts["pass"]) > 0
    assert (counts["fail"], counts["skipped"]) == ("0", "0")


def test_what_is_built_can_be_imported(npm: Npm) -> None:
    npm("build")
    program = "import('@fourpoint/client').then(({ Fourpoint }) => new Fourpoint({ baseUrl: 'http://x' }))"
    node = ROOT / ".venv-node" / "bin" / "node"
    subprocess.run([node, "--eval", program], cwd=TYPESCRIPT, check=True)


def test_its_lock_file_names_no_registry() -> None:
    assert '"resolved"' not in (TYPESCRIPT / "package-lock.json").read_text()


def test_the_contract_can_be_imported_into_postman(npm: Npm) -> None:
    assert re.match(r"\d+ requests, with \d+ answers", npm("postman"))
