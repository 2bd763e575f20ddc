"""Python functions as machine code, by numba.

It takes a second to import, and once for every release some seconds to compile: modules of compiled functions are
imported only where something is simulated.

What is kept takes arrays and plain tuples of them: numba cannot even look at what an earlier release has kept if that
names a class which is gone. All that it depends on stands in the file of the function, by whose date numba sees that it
is out of date.
"""

from collections.abc import Callable
from typing import Any

import numba

compiled = numba.njit(nogil=True)


def kept(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function in machine code, kept for the next process where a place to keep it can be written to."""
    try:
        return numba.njit(function, cache=True, nogil=True)
    except RuntimeError:  # numba: no locator available
        return compiled(function)
