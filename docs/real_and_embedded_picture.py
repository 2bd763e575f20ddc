"""Draw what is real and what is embedded into docs/real_and_embedded.svg: the same clients, above two places."""

from __future__ import annotations

from html import escape
from pathlib import Path

PAGE = Path(__file__).resolve().parent / "real_and_embedded.svg"
WIDTH, HEIGHT, ROW, TOP = 920, 446, 58, 96
REAL, EMBEDDED, PAPER, INK = "#d9ead3", "#dce8f7", "#ffffff", "#222233"
LEFT, RIGHT, COLUMN = 20, 480, 420

SHARED = "notebooks, dgsm, your client: boto3, the SageMaker SDK, AWS CLI, HTTP/2 streams, Deepgram's SDK"
EMBEDDED_ROWS = (
    ("SageMaker, Application Auto Scaling, CloudWatch", "one process on 127.0.0.1, checked by AWS's service models"),
    ("what decides about scaling", "AWS's documented rules; what AWS leaves open: named assumptions"),
    ("instances", "start-up times assumed, faults on demand, 30 times as fast"),
    ("streams", "HTTP/2 connections with real audio, in real time, signed"),
    ("the model", "a small recogniser, or known words at a known pace; never Deepgram's"),
    ("what it costs", "nothing; prices shown are AWS's list prices"),
)
AWS_ROWS = (
    ("SageMaker, Application Auto Scaling, CloudWatch", "AWS's, in your account and region"),
    ("what decides about scaling", "AWS's own, of which the alarms and activities can be read"),
    ("instances", "GPU machines that take minutes to start, if in stock"),
    ("streams", "the same connections to the region's runtime, port 8443"),
    ("the model", "Deepgram's container from AWS Marketplace"),
    ("what it costs", "instances by the hour, and the listing's software fee"),
)


def picture() -> str:
    """The picture as SVG."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="system-ui, sans-serif" '
        f'font-size="13" fill="{INK}" role="img" aria-label="What is real and what is embedded">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="{PAPER}"/>',
        _box((LEFT, 8, RIGHT + COLUMN - LEFT, 44), REAL, "the same on both sides, unmodified", SHARED),
    ]
    for x, name, rows, colour in (
        (LEFT, 'where = "local": embedded', EMBEDDED_ROWS, EMBEDDED),
        (RIGHT, 'where = "aws": real', AWS_ROWS, REAL),
    ):
        parts.append(f'<text x="{x}" y="{TOP - 16}" font-size="15" font-weight="bold">{escape(name)}</text>')
        for n, (title, words) in enumerate(rows):
            # Of the embedded side, only the streams are what they are on AWS.
            real = colour == REAL or title == "streams"
            parts.append(_box((x, TOP + n * ROW, COLUMN, ROW - 8), REAL if real else EMBEDDED, title, words))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _box(place: tuple[float, float, float, float], colour: str, title: str, words: str) -> str:
    x, y, width, height = place
    return (
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="6" fill="{colour}" stroke="#889"/>'
        f'<text x="{x + 10}" y="{y + 19}" font-weight="bold">{escape(title)}</text>'
        f'<text x="{x + 10}" y="{y + 37}" font-size="11">{escape(words)}</text>'
    )


if __name__ == "__main__":
    PAGE.write_text(picture(), encoding="utf-8")
