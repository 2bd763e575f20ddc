"""The planner's player with its machine code loaded, for processes that are forked from one that has imported this."""

import numpy as np

from dgsm_helpers.simulate.conditions import Capacity, Conditions
from dgsm_helpers.simulate.engine import simulate
from dgsm_helpers.simulate.scaling_plan import guide
from dgsm_helpers.simulate.traffic import Traffic

_ONE_CALL = Traffic(name="one call", starts_s=np.array([0.0]), durations_s=np.array([60.0]), horizon_s=3600.0)

simulate(_ONE_CALL, guide(target_value=1.0, max_capacity=1), Conditions(capacity=Capacity(knee=1)))
