"""The colours of every figure and live view, told apart without colour vision and on light and dark pages alike.

Shades of the Okabe-Ito set, darkened or lightened until each has a contrast of at least 3 to 1 against white and
against JupyterLab's dark background. Series also differ by dash or by a label: colour is never the only sign.
"""

METRIC = "#2F8FD0"
TARGET = "#C97700"
INSTANCES = "#009E73"
ALARM = "#D55E00"
LATE = "#DE3B3B"
LATENCY = "#B3629F"
MUTED = "#8A8A8A"
