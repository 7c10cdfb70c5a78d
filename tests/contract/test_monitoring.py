"""Alerts, dashboard and page speak of what the code publishes, and of all that can be asked."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import promql_parser
import pytest
import yaml

from fourpoint_standalone import metrics_table

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "observability.md"
# Prometheus' own.
OF_PROMETHEUS = {"up"}


def alerts() -> dict[str, str]:
    """Queries of the alerts, by name."""
    document = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yaml").read_text())
    return {rule["alert"]: rule["expr"] for group in document["groups"] for rule in group["rules"]}


def panels() -> dict[str, str]:
    """Queries of the dashboard, by panel and letter; Grafana's own variables filled in as Grafana does."""
    document = json.loads((ROOT / "deploy" / "grafana" / "fourpoint.json").read_text())
    return {
        f"{panel['title']} {target['refId']}": target["expr"].replace("$__rate_interval", "1m")
        for panel in document["panels"]
        for target in panel.get("targets", [])
    }


QUERIES = alerts() | panels()
SERIES = {name: family for family in metrics_table.published() for name in family.series}


def selectors(node: object) -> Iterator[promql_parser.VectorSelector]:
    """All that a parsed query reads."""
    if isinstance(node, promql_parser.VectorSelector):
        yield node
    elif isinstance(node, promql_parser.MatrixSelector):
        yield node.vector_selector
    elif isinstance(node, promql_parser.BinaryExpr):
        yield from selectors(node.lhs)
        yield from selectors(node.rhs)
    elif isinstance(node, promql_parser.Call):
        for argument in node.args:
            yield from selectors(argument)
    elif isinstance(node, promql_parser.NumberLiteral | promql_parser.StringLiteral):
        return
    else:
        yield from selectors(node.expr)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_reads_only_what_is_published_by_labels_that_are_there(name: str) -> None:
    found = list(selectors(promql_parser.parse(QUERIES[name])))
    for selector in found:
        if selector.name in OF_PROMETHEUS:
            continue
        family = SERIES[selector.name]
        for matcher in selector.matchers.matchers:
            assert matcher.name in family.labels, (selector.name, matcher.name)


def test_what_is_published_can_be_seen_on_the_dashboard() -> None:
    shown = " ".join(panels().values())
    assert [
        name for name in {f.name for f in SERIES.values()} if name.removesuffix("_total") not in shown
    ] == []


def test_the_page_lists_what_the_code_publishes() -> None:
    assert PAGE.read_text() == metrics_table.renewed(PAGE.read_text()), "run `make metrics-table`"


def test_the_page_says_of_each_alert_what_to_do() -> None:
    told = set(re.findall(r"^\| `(Fourpoint\w+)` \|", PAGE.read_text(), re.MULTILINE))
    assert told == set(alerts())


def test_every_alert_is_tried_by_the_tests_of_rules() -> None:
    document = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.test.yaml").read_text())
    raised = {
        one["alertname"] for test in document["tests"] for one in test["alert_rule_test"] if one["exp_alerts"]
    }
    assert raised == set(alerts())
