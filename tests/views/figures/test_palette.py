"""The palette's promises: contrast on white and on JupyterLab's dark background, and series that can be told apart."""

from __future__ import annotations

import math
from itertools import combinations

import pytest
from kit.contrast import contrast, linear

from dgsm_helpers.views.figures import palette

COLOURS = {name: value for name, value in vars(palette).items() if name.isupper()}
# Alarms and activities are triangles and framed words, late calls diamonds: those are told by their shape.
SERIES = {name: value for name, value in COLOURS.items() if name not in ("MUTED", "ALARM", "LATE")}

# Viénot, Brettel and Mollon (1999): how linear RGB looks without the red or the green cones.
DEFICIENCIES = {
    "protanopia": ((0.11238, 0.88762, 0.0), (0.11238, 0.88762, 0.0), (0.00401, -0.00401, 1.0)),
    "deuteranopia": ((0.29275, 0.70725, 0.0), (0.29275, 0.70725, 0.0), (-0.02234, 0.02234, 1.0)),
}


@pytest.mark.parametrize("background", ["#FFFFFF", "#111111"])
@pytest.mark.parametrize("name", COLOURS)
def test_each_colour_stands_out_on_light_and_dark(name, background):
    assert contrast(COLOURS[name], background) >= 3


def lab(linear_rgb):
    """CIE L*a*b* (D65) of linear RGB: a distance of 2 is just noticed, one of 10 at a glance."""
    r, g, b = (min(max(part, 0.0), 1.0) for part in linear_rgb)
    xyz = (
        (0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505,
        0.2126 * r + 0.7152 * g + 0.0722 * b,
        (0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089,
    )
    x, y, z = (v ** (1 / 3) if v > 0.008856 else 7.787 * v + 16 / 116 for v in xyz)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
def test_series_differ_without_red_or_green_cones(deficiency):
    def seen(colour):
        return lab(sum(m * c for m, c in zip(row, linear(colour), strict=True)) for row in DEFICIENCIES[deficiency])

    for (one, a), (other, b) in combinations(SERIES.items(), 2):
        assert math.dist(seen(a), seen(b)) > 15, (one, other)
