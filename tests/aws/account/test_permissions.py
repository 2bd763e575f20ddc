"""The lists of actions hold what the code calls, and say rightly what the managed policy lacks."""

from __future__ import annotations

import fnmatch
import json
import re
from pathlib import Path

import pytest
from moto.iam.aws_managed_policies import aws_managed_policies_data

from dgsm_helpers import aws
from dgsm_helpers.aws.account.iam_actions import ACTIONS, NOT_IN_FULL_ACCESS

PREFIX = {"sagemaker-runtime": "sagemaker", "service-quotas": "servicequotas", "resourcegroupstaggingapi": "tag"}
NEEDS_NO_LISTING = {"sts:GetCallerIdentity", "iam:SimulatePrincipalPolicy"}
LISTED = {action for step in ACTIONS.values() for action in step}


def called() -> set[str]:
    """Every operation named in the package's calls, as an IAM action."""
    found = set()
    for file in Path(aws.__file__).parent.rglob("*.py"):
        source = re.sub(r"\bSERVICE\b(?! =)", '"application-autoscaling"', file.read_text())
        pattern = r'(?:call|pages|translated|_gone)\(\s*(?:wb,\s*)?"([a-z-]+)",\s*"([A-Z]\w+)"'
        found |= {f"{PREFIX.get(service, service)}:{operation}" for service, operation in re.findall(pattern, source)}
    return found


def test_every_call_is_in_the_lists():
    assert len(called()) > 20
    assert called() - NEEDS_NO_LISTING <= LISTED


@pytest.mark.parametrize("action", sorted(LISTED))
def test_what_the_managed_policy_lacks_is_known(action):
    document = json.loads(aws_managed_policies_data)["AmazonSageMakerFullAccess"]["Document"]
    allowed = [a for s in document["Statement"] if s["Effect"] == "Allow" for a in _as_list(s["Action"])]
    is_covered = any(fnmatch.fnmatch(action.lower(), pattern.lower()) for pattern in allowed)
    assert is_covered is (action not in NOT_IN_FULL_ACCESS)


def _as_list(value):
    return [value] if isinstance(value, str) else value
