"""The order in which streams end, by a sort whose time grows with their number alone."""

import numpy as np

from dgsm_helpers.simulate.machine_code import kept

_BYTES, _VALUES = 8, 256


def ending_before(horizon_s: float, ends_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The streams that end before the horizon, in order of their ends, and those ends.

    Ends are above zero; of equal ones the first stays first.
    """
    ending = np.flatnonzero(ends_s < horizon_s).astype(np.int32)
    keys = ends_s[ending].view(np.uint64)  # positive floats are ordered as their bits are
    sort(keys, ending, np.empty_like(keys), np.empty_like(ending), np.zeros((_BYTES, _VALUES), np.int64))
    return ending, keys.view(float)


@kept
def sort(keys, numbers, other_keys, other_numbers, places):
    """Sort keys by one byte after the other, from the least significant, and the numbers along with them.

    The others and the places are where it works: what numba would have to make itself takes longer to compile.
    """
    for key in keys:
        for byte in range(_BYTES):
            places[byte, (key >> np.uint64(8 * byte)) & np.uint64(_VALUES - 1)] += 1
    for byte in range(_BYTES):
        place, before = places[byte], 0
        for value in range(_VALUES):
            before, place[value] = before + place[value], before
        for index in range(len(keys)):
            key = keys[index]
            value = (key >> np.uint64(8 * byte)) & np.uint64(_VALUES - 1)
            other_keys[place[value]], other_numbers[place[value]] = key, numbers[index]
            place[value] += 1
        # After an even number of turns they are where they were.
        keys, other_keys, numbers, other_numbers = other_keys, keys, other_numbers, numbers
