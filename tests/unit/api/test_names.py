"""Names of stored images: harmless, stable, and different from one another."""

from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from fourpoint_api.resources.samples.names import MAX_NAME_BYTES, alternatives, safe_name
from fourpoint_core.imaging.inspect import SUFFIXES
from fourpoint_core.storage.port import validate_key

names = st.text(max_size=400)
media_types = st.sampled_from(sorted(SUFFIXES))


@given(names, media_types)
def test_any_name_becomes_one_segment_of_a_key(given_name: str, media_type: str) -> None:
    name = safe_name(given_name, media_type)
    assert validate_key(name) == name
    assert "/" not in name
    assert len(name.encode()) <= MAX_NAME_BYTES


@given(names, media_types)
def test_any_name_gets_a_suffix_that_fits_the_content(given_name: str, media_type: str) -> None:
    assert safe_name(given_name, media_type).lower().endswith(SUFFIXES[media_type])


@given(names, media_types)
def test_a_safe_name_stays_as_it_is(given_name: str, media_type: str) -> None:
    once = safe_name(given_name, media_type)
    assert safe_name(once, media_type) == once


@given(names, media_types)
def test_alternatives_differ_and_are_as_safe(given_name: str, media_type: str) -> None:
    found = list(islice(alternatives(safe_name(given_name, media_type)), 40))
    assert len(set(found)) == 40
    for name in found:
        validate_key(name)
        assert len(name.encode()) <= MAX_NAME_BYTES
