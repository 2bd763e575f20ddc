"""A workbook on the embedded AWS, in a region of any partition."""

from __future__ import annotations

import json

import pytest
from kit import endpoints

from dgsm_helpers.aws.account import deletion
from dgsm_helpers.aws.account.preflight import check
from dgsm_helpers.aws.endpoint.pause_recipe import recipe
from dgsm_helpers.rules.package_arn import partition_of
from dgsm_helpers.session import open_workbook


@pytest.mark.parametrize("region", ["us-gov-west-1", "cn-north-1", "eu-central-1"])
def test_the_workbook_deploys_and_its_arns_are_of_the_region_s_partition(embedded, region):
    wb = open_workbook("local", home=embedded.home, region=region, endpoint_name="partitions")
    partition = partition_of(region)
    assert wb.model_package_arn.startswith(f"arn:{partition}:sagemaker:{region}:")
    endpoints.scaled(wb)
    try:
        (role,) = [row for row in check(wb).rows if row.name == "execution role"]
        assert (role.verdict, wb.role_arn.split(":")[1]) == ("yes", partition), role
        made = recipe(wb, pause_at="20:00", resume_at="06:00")
        targets = {schedule["Target"]["Arn"].partition(":aws-sdk:")[0] for schedule in made.schedules}
        assert targets == {f"arn:{partition}:scheduler::"}
        assert json.loads(made.schedules[0]["Target"]["Input"])
    finally:
        deletion.delete(wb)
