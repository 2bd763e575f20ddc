"""How long an endpoint takes to start, and whether its image stays cached when it is deleted."""

from dgsm_helpers.aws.account import deletion
from dgsm_helpers.aws.endpoint import endpoint_state
from dgsm_helpers.recording.ground import Ground, Observed

_CACHED_BELOW = 0.75
"""Of the first start: AWS's examples of caching need 0.35 to 0.62."""


def start(ground: Ground) -> Observed:
    """A new endpoint, of which no image is cached."""
    state = endpoint_state.find(ground.wb)
    if state is not None and state.status != "Creating":  # of a recording that was cut off
        deletion.delete(ground.wb)
    took_s = ground.deploy(1)
    return Observed(values={"provision_uncached_s": took_s}, seen=f"a new endpoint was there after {took_s:.0f} s")


def again(ground: Ground) -> Observed:
    """The endpoint deleted, and made again with two instances."""
    first_s = ground.known.get("provision_uncached_s")
    if first_s is None:
        first_s = start(ground).values["provision_uncached_s"]
    deletion.delete(ground.wb)
    took_s = ground.deploy(2)
    cache = "kept" if took_s < _CACHED_BELOW * first_s else "per endpoint"
    return Observed(
        values={"image_cache": cache},
        seen=f"deleted and made again it was there after {took_s:.0f} s, the first time after {first_s:.0f} s",
    )
