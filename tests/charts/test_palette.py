"""The palette's promises: contrast on white and on JupyterLab's dark background, and series that can be told apart."""

from __future__ import annotations

from itertools import combinations

import pytest

from dgsm_helpers.charts import palette

COLOURS = {name: value for name, value in vars(palette).items() if name.isupper()}
SERIES = {name: value for name, value in COLOURS.items() if name not in ("MUTED", "ALARM")}

# Viénot, Brettel and Mollon (1999): how linear RGB looks without the red or the green cones.
DEFICIENCIES = {
    "protanopia": ((0.11238, 0.88762, 0.0), (0.11238, 0.88762, 0.0), (0.00401, -0.00401, 1.0)),
    "deuteranopia": ((0.29275, 0.70725, 0.0), (0.29275, 0.70725, 0.0), (-0.02234, 0.02234, 1.0)),
}


def linear(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]


def luminance(colour):
    return sum(share * part for share, part in zip((0.2126, 0.7152, 0.0722), linear(colour), strict=True))


def contrast(one, other):
    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("background", ["#FFFFFF", "#111111"])
@pytest.mark.parametrize("name", COLOURS)
def test_each_colour_stands_out_on_light_and_dark(name, background):
    assert contrast(COLOURS[name], background) >= 3


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
def test_series_differ_without_red_or_green_cones(deficiency):
    matrix = DEFICIENCIES[deficiency]

    def seen(colour):
        return [sum(m * c for m, c in zip(row, linear(colour), strict=True)) for row in matrix]

    for (one, a), (other, b) in combinations(SERIES.items(), 2):
        distance = sum((x - y) ** 2 for x, y in zip(seen(a), seen(b), strict=True)) ** 0.5
        assert distance > 0.05, (one, other, distance)
