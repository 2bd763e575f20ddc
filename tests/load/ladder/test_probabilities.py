"""Ramp and search against instances of six shapes in virtual time, and the confidence that they state."""

from __future__ import annotations

from math import sqrt

import pytest
from kit.virtual_shapes import SHAPES, found, instance, populations, wrong_passes

from dgsm_helpers.load.ladder.rung import QUICK, STANDARD
from dgsm_helpers.load.ladder.search import tolerance

EVERY_SHAPE = pytest.mark.parametrize("shape", SHAPES)
FORESEEN = ("log-normal", "log-uniform", "heavy tail")
"""Distributions of streams that are alike (`distance`): also those that are not log-normal."""


def assert_right(shape, seeds, effort):
    for seed in seeds:
        simulated = instance(shape, seed, effort)
        bracket = found(simulated, effort)
        assert bracket.feasible <= simulated.knee < bracket.infeasible, (shape, seed, bracket)
        assert bracket.infeasible - bracket.feasible <= 2 * tolerance(bracket.feasible), (shape, seed, bracket)


@EVERY_SHAPE
def test_instances_of_every_shape_are_bracketed(shape):
    assert_right(shape, range(6), QUICK)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@EVERY_SHAPE
def test_200_of_200_instances_of_every_shape_are_bracketed(shape):
    assert_right(shape, range(200), QUICK)


@EVERY_SHAPE
def test_more_effort_brackets_every_shape_too(shape):
    assert_right(shape, range(2), STANDARD)


def assert_covered(distribution, n, effort, runs):
    doubt = 1 - effort.confidence
    wrong = wrong_passes(n, populations(effort.pass_share)[distribution], effort, runs=runs)
    assert wrong <= runs * doubt + 2 * sqrt(runs * doubt * (1 - doubt)), (distribution, n, wrong)


def test_streams_of_which_just_too_few_are_in_time_pass_as_seldom_as_the_confidence_says():
    assert_covered("log-normal", 10, STANDARD, 60)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("n", [4, 10, 20, 60])
@pytest.mark.parametrize("distribution", FORESEEN)
def test_the_stated_confidence_covers_1000_runs(distribution, n):
    assert_covered(distribution, n, STANDARD, 1000)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_where_there_are_streams_enough_to_count_it_covers_1000_runs_of_any_distribution():
    for distribution in populations(0.95):
        assert_covered(distribution, 60, STANDARD, 1000)
