"""The control plane as SageMaker's SDK and the AWS CLI see it."""

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from kit.stepped_plane import PACKAGE, ROLE
from kit.waiting import AT_MOST_S

from dgsm_helpers.aws.core.money import price_per_hour
from dgsm_helpers.prices import Price
from embedded_aws.listings import ACCESS_KEY_ID, SECRET_ACCESS_KEY

AWS = Path(sys.executable).with_name("aws")


@pytest.fixture
def aws(plane, tmp_path):
    """Run an AWS CLI command; returns (exit code, parsed output or error text)."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    env = kept | {
        "AWS_ENDPOINT_URL": plane.url,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
        "AWS_DEFAULT_REGION": "us-east-1",  # version 1 of the CLI knows no AWS_REGION
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
    }

    def run(*words):
        command = [str(AWS), *words, "--output", "json"]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        return done.returncode, json.loads(done.stdout or "null") if done.returncode == 0 else done.stderr

    return run


@pytest.mark.skipif(not AWS.exists(), reason="the AWS CLI is not installed")
def test_the_cli_makes_an_endpoint_and_hears_why_not(plane, aws):
    container = json.dumps({"ModelPackageName": PACKAGE})
    make_model = ["sagemaker", "create-model", "--model-name", "m", "--execution-role-arn", ROLE]
    code, text = aws(*make_model, "--primary-container", container)
    assert code != 0
    assert "EnableNetworkIsolation must be set to true" in text
    assert aws(*make_model, "--primary-container", container, "--enable-network-isolation")[0] == 0
    variant = {"VariantName": "AllTraffic", "ModelName": "m", "InitialInstanceCount": 1}
    pools = [{"InstanceType": "ml.g6.2xlarge", "Priority": 1}, {"InstanceType": "ml.g5.2xlarge", "Priority": 2}]
    config = ["sagemaker", "create-endpoint-config", "--endpoint-config-name", "c", "--production-variants"]
    assert aws(*config, json.dumps([variant | {"InstancePools": pools}]))[0] == 0
    assert aws("sagemaker", "create-endpoint", "--endpoint-name", "e", "--endpoint-config-name", "c")[0] == 0
    plane.fleet.settle()
    code, endpoint = aws("sagemaker", "describe-endpoint", "--endpoint-name", "e")
    assert (code, endpoint["EndpointStatus"]) == (0, "InService")


def test_the_sdks_resources_accept_every_answer(plane):
    resources = pytest.importorskip("sagemaker.core.resources")
    shapes = pytest.importorskip("sagemaker.core.shapes")
    session = plane.session()
    session.client = partial(session.client, endpoint_url=plane.url)
    common = {"session": session, "region": "us-east-1"}
    package = resources.ModelPackage.get(model_package_name=PACKAGE, **common)
    assert package.model_package_status == "Completed"
    model = resources.Model.create(
        model_name="m",
        execution_role_arn=ROLE,
        enable_network_isolation=True,
        primary_container=shapes.ContainerDefinition(model_package_name=PACKAGE),
        **common,
    )
    assert model.enable_network_isolation is True
    pools = [
        shapes.InstancePool(instance_type="ml.g6.2xlarge", priority=1),
        shapes.InstancePool(instance_type="ml.g5.2xlarge", priority=2),
    ]
    variant = shapes.ProductionVariant(
        variant_name="AllTraffic",
        model_name="m",
        initial_instance_count=1,
        instance_pools=pools,
        inference_ami_version="al2023-ami-sagemaker-inference-gpu-4-1",
    )
    config = resources.EndpointConfig.create(
        endpoint_config_name="c",
        production_variants=[variant],
        metrics_config=shapes.MetricsConfig(enable_enhanced_metrics=True),
        **common,
    )
    made = [(pool.instance_type, pool.priority) for pool in config.production_variants[0].instance_pools]
    assert made == [("ml.g6.2xlarge", 1), ("ml.g5.2xlarge", 2)]
    endpoint = resources.Endpoint.create(endpoint_name="e", endpoint_config_name="c", **common)
    assert endpoint.endpoint_status == "Creating"
    plane.fleet.settle()
    endpoint.wait_for_status("InService", poll=1, timeout=AT_MOST_S)
    assert endpoint.production_variants[0].instance_pools[0].current_instance_count == 1
    assert [e.endpoint_name for e in resources.Endpoint.get_all(**common)] == ["e"]
    endpoint.delete()
    plane.fleet.settle()
    endpoint.wait_for_delete(poll=1, timeout=AT_MOST_S)
    config.delete()
    model.delete()
    assert list(resources.Model.get_all(**common)) == []


def test_prices_are_looked_up_where_they_are_known(plane):
    us, eu = (SimpleNamespace(region=region, client=plane.client) for region in ("us-east-1", "eu-west-1"))
    price = price_per_hour(us, "ml.g6.2xlarge")
    assert price == Price(amount_usd=1.222, source="AWS Price List, dated copy", as_of="2026-09-27")
    assert price_per_hour(eu, "ml.g6.2xlarge").amount_usd is None
