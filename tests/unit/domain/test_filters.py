"""Spans, orders and prefixes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fourpoint_core.domain.filters import SORTS, SampleFilter, Sort, SortKey, Span, Status, next_prefix


@pytest.mark.parametrize("text", ["1h", "1d", "2w", "1mo", "5y", "999d"])
def test_a_span_is_written_as_it_was_read(text: str) -> None:
    assert str(Span.parse(text)) == text


@pytest.mark.parametrize("text", ["", "d", "1", "0d", "01d", "1000d", "-1d", "1 d", "1m", "1D", "1d\n", "١d"])
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="Give a span"):
        Span.parse(text)


def test_every_order_has_its_reverse() -> None:
    assert SORTS["name"] == Sort(SortKey.NAME)
    assert SORTS["-name"] == Sort(SortKey.NAME, descending=True)
    assert len(SORTS) == 2 * len(SortKey)


def test_a_filter_knows_that_it_is_only_a_tab() -> None:
    assert SampleFilter(status=Status.LABELED).only_status
    assert not SampleFilter(status=Status.LABELED, difficult=False).only_status


texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=4)


@given(texts, texts)
def test_the_next_prefix_is_above_all_that_begins_so_and_below_the_rest(prefix: str, other: str) -> None:
    following = next_prefix(prefix)
    within = other >= prefix and (following is None or other < following)
    assert within == other.startswith(prefix)
    longer = prefix + other
    assert longer >= prefix
    assert following is None or longer < following


def test_the_last_character_has_no_next_prefix() -> None:
    assert next_prefix("\U0010ffff") is None
    assert next_prefix("a\U0010ffff") == "b"


def test_the_next_prefix_is_never_half_of_a_pair() -> None:
    assert next_prefix("\ud7ff") == "\ue000"
