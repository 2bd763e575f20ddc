"""How SageMaker stops a container that it removes: SIGTERM, and SIGKILL 30 seconds later.

Scale-in, an update and deletion do so alike (SageMaker developer guide, ``your-algorithms-inference-code``). The guide
says nothing of streams: that they go on until the SIGKILL and that none is routed there after the SIGTERM are named
assumptions of `ScalingModel`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dgsm_helpers.rules.model import ScalingModel


@dataclass(frozen=True, kw_only=True)
class ContainerStop:
    """What happens to a container from its SIGTERM on; ages are seconds since then."""

    sigkill_after_s: float = ScalingModel.sigkill_after_s
    routed_until: Literal["SIGTERM", "SIGKILL"] = ScalingModel.routed_until

    @classmethod
    def of(cls, model: ScalingModel) -> ContainerStop:
        return cls(sigkill_after_s=model.sigkill_after_s, routed_until=model.routed_until)

    def killed(self, age_s: float) -> bool:
        """Whether it has had its SIGKILL: every stream that was left is cut."""
        return age_s >= self.sigkill_after_s

    def takes_streams(self, age_s: float) -> bool:
        """Whether new streams still reach it."""
        return self.routed_until == "SIGKILL" and not self.killed(age_s)
