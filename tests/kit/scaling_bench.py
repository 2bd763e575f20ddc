"""What scales on the embedded AWS, without its servers, on a clock that the test moves."""

from __future__ import annotations

from datetime import UTC, datetime

from dgsm_helpers.rules.fleet import ContainerStop
from dgsm_helpers.rules.model import ScalingModel
from embedded_aws.autoscaling.autoscaling_service import AutoScaling
from embedded_aws.autoscaling.beat import Autoscaler
from embedded_aws.autoscaling.region_scaling import RegionScaling
from embedded_aws.cloudwatch.cloudwatch_service import CloudWatch, evaluate_alarms
from embedded_aws.cloudwatch.region_watch import RegionWatch
from embedded_aws.fleet.lifecycle import FleetSettings
from embedded_aws.fleet.live_fleet import Fleet
from embedded_aws.fleet.variants import VariantSpec
from embedded_aws.fleet.vitals import Vitals
from embedded_aws.gateway.regions import Regions
from embedded_aws.listings import LISTINGS
from embedded_aws.other.service_quotas import Quotas

REGION = "us-east-1"
RESOURCE = "endpoint/e/variant/AllTraffic"
START_S = 200.0
TARGET = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": RESOURCE,
    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
}
HIGH_RESOLUTION = {"PredefinedMetricType": "SageMakerVariantConcurrentRequestsPerModelHighResolution"}


class MovedClock:
    def __init__(self) -> None:
        self.s = 1_800_000_000.0

    def now_s(self) -> float:
        return self.s

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.s, UTC)


class NoFaults:
    def __init__(self) -> None:
        self.short: set[str] = set()

    def shortage(self, instance_type: str) -> bool:
        return instance_type in self.short

    def failed_start(self, instance_type: str) -> None:
        return None

    def take(self, kind: str, endpoint: str) -> bool:
        return False


class Engine:
    knee = 10

    def new_instance(self, instance_id: str) -> Engine:
        return Engine()

    def busy_share(self) -> float:
        return 0.5

    def close(self) -> None:
        pass


class Bench:
    """Everything that scales, without servers: the heartbeat's steps are called at each ten seconds of a moved
    clock. By a ``model`` where one is given; an instance then starts after its median, else after `START_S`."""

    def __init__(self, *types: str, model: ScalingModel | None = None) -> None:
        given, model = model, model or ScalingModel()
        self.clock, self.faults = MovedClock(), NoFaults()
        self.cloudwatch = Regions(lambda region: CloudWatch(RegionWatch(region, self.clock.now_s)))
        self.watch = self.cloudwatch(REGION).state
        self.fleet = Fleet(
            clock=self.clock,
            engines={"metered": Engine()},
            faults=self.faults,
            log=lambda *_: None,
            settings=FleetSettings(
                start_delay_s=lambda _, cached: (
                    START_S if given is None else given.provision_cached_s if cached else given.provision_uncached_s
                ),
                scale_in_s=model.scale_in_s,
                stop=ContainerStop.of(model),
                image_cache=model.image_cache,
            ),
        )
        self.quotas = Quotas(self.clock)
        autoscaling = Regions(
            lambda region: AutoScaling(
                RegionScaling(region, self.clock, self.fleet, self.cloudwatch(region).state.alarms, model)
            )
        )
        self.autoscaler = Autoscaler(autoscaling, self.quotas)
        self.vitals = Vitals(
            self.fleet,
            lambda region: self.cloudwatch(region).state.store,
            lambda: 0.0,
            model=model,
        )
        self.api = autoscaling(REGION)
        self.leases: list = []
        self.begin(*types)
        self.run((START_S if given is None else given.provision_uncached_s) + 20)

    def begin(self, *types: str, endpoint: str = "e") -> None:
        spec = VariantSpec(
            name="AllTraffic",
            model_package_arn=LISTINGS[0].arn(REGION),
            instance_types=types or ("ml.g6.2xlarge",),
            routing="LEAST_OUTSTANDING_REQUESTS",
        )
        self.fleet.create(REGION, endpoint, "c", [spec])

    def run(self, seconds: float) -> None:
        end = self.clock.s + seconds
        while self.clock.s < end:
            self.clock.s += 10
            self.fleet.tick(self.clock.s)
            self.vitals.publish(self.clock.s)
            evaluate_alarms(self.cloudwatch, self.clock.s)
            self.autoscaler.tick(self.clock.s)

    def load(self, streams: int) -> None:
        for lease in self.leases:
            lease.release()
        self.leases = [self.fleet.acquire(REGION, "e") for _ in range(streams)]

    def register(self, low: int = 1, high: int = 4, **given) -> None:
        self.api.register_scalable_target({**TARGET, "MinCapacity": low, "MaxCapacity": high, **given})

    def track(self, target: float = 5.0, name: str = "streams", **config) -> list[str]:
        body = {"TargetValue": target, "ScaleInCooldown": 300, "ScaleOutCooldown": 60}
        if "CustomizedMetricSpecification" not in config:
            body["PredefinedMetricSpecification"] = HIGH_RESOLUTION
        answer = self.api.put_scaling_policy(
            {
                **TARGET,
                "PolicyName": name,
                "PolicyType": "TargetTrackingScaling",
                "TargetTrackingScalingPolicyConfiguration": {**body, **config},
            }
        )
        return [a["AlarmName"] for a in answer["Alarms"]]

    def activities(self, **given) -> list[dict]:
        return self.api.describe_scaling_activities({"ServiceNamespace": "sagemaker", **given})["ScalingActivities"]

    @property
    def running(self) -> int:
        return self.fleet.view(REGION, "e").variant("AllTraffic").current_count

    @property
    def status(self) -> str:
        return self.fleet.view(REGION, "e").status
