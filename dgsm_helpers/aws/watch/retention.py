"""How long CloudWatch keeps data, and how finely."""

from datetime import timedelta

from dgsm_helpers.errors import InvalidInput

KEPT = timedelta(days=455)
_RETENTION: tuple[tuple[timedelta, int], ...] = (
    (timedelta(hours=3), 10),
    (timedelta(days=15), 60),
    (timedelta(days=63), 300),
)
_LONGEST_PERIOD_S = 3600


def finest_period_s(age: timedelta) -> int:
    """The shortest period for which CloudWatch still keeps data ``age`` old: 10, 60, 300 or 3600 s."""
    return next((period_s for limit, period_s in _RETENTION if age <= limit), _LONGEST_PERIOD_S)


def looked_back(seconds: float) -> timedelta:
    """How far back somebody wants to look; InvalidInput for nothing, and for longer than anything is kept."""
    if not 0 < seconds <= KEPT.total_seconds():
        raise InvalidInput(
            f"{seconds:g} s is no time to look back.", hint="Give the seconds, such as 1800; CloudWatch keeps 455 days."
        )
    return timedelta(seconds=seconds)
