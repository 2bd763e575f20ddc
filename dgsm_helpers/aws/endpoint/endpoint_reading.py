"""One look at the workbook's endpoint: state, config, scalable target, policies and alarms, each asked for once."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from dgsm_helpers.aws.core.money import fleet_usd_per_hour, prices_of, total_usd, usd_per_hour
from dgsm_helpers.aws.endpoint import endpoint_state
from dgsm_helpers.aws.endpoint.endpoint_config import (
    ConfiguredVariant,
    EndpointConfig,
    config_in_use,
    model_in_use,
)
from dgsm_helpers.aws.endpoint.endpoint_kind import EndpointKind, kind_of
from dgsm_helpers.aws.endpoint.endpoint_state import EndpointState, VariantState, in_service
from dgsm_helpers.aws.scaling import scalable_target
from dgsm_helpers.aws.scaling.scalable_target import AlarmState, PolicyState, Target
from dgsm_helpers.errors import NotFound
from dgsm_helpers.session import Workbook


@dataclass(frozen=True)
class EndpointReading:
    """The endpoint as AWS answers within one step: each part is read at its first use and never again.

    Make one for a step and drop it afterwards; what may have changed since is seen by a new one only. Reading what is
    not there, be it endpoint, variant, config or model, raises NotFound.
    """

    wb: Workbook

    @cached_property
    def state(self) -> EndpointState:
        """What DescribeEndpoint says."""
        return endpoint_state.status(self.wb)

    @property
    def variant(self) -> VariantState:
        """The workbook's variant as it is now."""
        return self.state.variant(self.wb.variant_name)

    @cached_property
    def kind(self) -> EndpointKind:
        """What kind of endpoint this is for the workbook's variant, as far as can be read."""
        return self._kind(self.wb.variant_name)

    def _kind(self, variant_name: str) -> EndpointKind:
        kind = kind_of(self.state, variant_name)
        try:
            return kind_of(self.state, variant_name, self.config) if kind.supported else kind
        except NotFound:
            return kind

    def ready_as_it_is(self) -> EndpointState:
        """As :meth:`ready` for a step that changes nothing of the endpoint's: what DescribeEndpoint says is enough."""
        for variant in self.state.variants:
            kind_of(self.state, variant.name).require_supported()
        return in_service(self.state)

    def ready(self) -> EndpointState:
        """The endpoint's state, once a step may change it: a kind that is supported, its config there, ``InService``.

        Raises:
            UnsupportedFeature: a variant is of a kind that the steps do not work on.
            NotReady: it is not ``InService``.
        """
        self.require_known()
        return in_service(self.state)

    def require_known(self) -> None:
        """As :meth:`ready`, whatever the endpoint's status."""
        for variant in self.state.variants:
            self._kind(variant.name).require_supported()
        _ = self.config

    @cached_property
    def config(self) -> EndpointConfig:
        """The endpoint config in use."""
        return config_in_use(self.wb, self.state)

    @property
    def configured(self) -> ConfiguredVariant:
        """The workbook's variant as the endpoint config states it, of a kind that is supported."""
        self.require_known()
        return self.config.variant(self.wb.variant_name)

    @property
    def instance_types(self) -> tuple[str, ...]:
        """The variant's instance types in order of preference, from the endpoint config."""
        return self.configured.instance_types

    @property
    def running_types(self) -> tuple[str, ...]:
        """The types that run now behind the variant; all of its pool when SageMaker does not say."""
        return self.variant.running_types or self.instance_types

    @property
    def usd_per_hour(self) -> float | None:
        """What runs now costs an hour, type by type, without the software fee; None when a price is unknown."""
        # SageMaker counts by type for pools only.
        return total_usd(
            fleet_usd_per_hour(dict(prices_of(self.wb, variant.running_types)), variant.instances_by_type)
            if variant.running_types
            else usd_per_hour(prices_of(self.wb, self.config.variant(variant.name).instance_types), variant.running)
            for variant in self.state.variants
        )

    @cached_property
    def model(self) -> Mapping[str, Any]:
        """What DescribeModel says of the variant's model; empty when the variant names none."""
        name = self.configured.model_name
        return model_in_use(self.wb, name) if name else {}

    @property
    def container(self) -> Mapping[str, Any]:
        """The model's first container: its package and its environment."""
        return (self.model.get("Containers") or [self.model.get("PrimaryContainer") or {}])[0]

    @property
    def model_package_arn(self) -> str | None:
        """The model package behind the variant; None when its model was not made from one."""
        return self.container.get("ModelPackageName")

    @cached_property
    def target(self) -> Target | None:
        """The variant's scalable target, None when it is not registered."""
        return scalable_target.target(self.wb)

    @cached_property
    def policies(self) -> tuple[PolicyState, ...]:
        """Every scaling policy on the variant."""
        return scalable_target.policies(self.wb)

    @cached_property
    def alarms(self) -> tuple[AlarmState, ...]:
        """The alarms that the policies name and CloudWatch has, the high ones first."""
        return scalable_target.policy_alarms(self.wb, self.policies)
