"""The capacity model: Erlang's formula, held against a simulation and against values that are known."""

import math

import pytest
from benchmarks.capacity import Demand, Station, costs_of, simulated_wait, station


def test_one_server_waits_as_the_textbook_says() -> None:
    # M/M/1: P(wait > t) = load * exp(-(1 - load) * t / service).
    one = Station(rate=8.0, seconds=0.1, servers=1)
    assert one.wait() == pytest.approx(math.log(0.8 / 0.05) * 0.1 / 0.2)


def test_the_simulation_waits_as_the_formula_says() -> None:
    three = Station(rate=24.0, seconds=0.1, servers=3)
    assert simulated_wait(three, 4000) == pytest.approx(three.wait(), rel=0.1)


def test_more_work_than_servers_can_do_waits_for_ever() -> None:
    assert Station(rate=31.0, seconds=0.1, servers=3).wait() == math.inf


def test_the_model_takes_the_fewest_processors_that_are_enough() -> None:
    found = station("inference", Demand(1000))
    assert found.wait() <= 0.1 < Station(found.rate, found.seconds, found.servers - 1).wait()


def test_another_engine_takes_what_it_takes_for_images_and_for_clicks() -> None:
    demand = Demand(1000)
    found = station("inference", demand, costs_of(click_ms=10.0, image_ms=48.0))
    rates = demand.rates()
    assert found.rate * found.seconds == pytest.approx(rates["click"] * 0.010 + rates["open"] * 0.048)
