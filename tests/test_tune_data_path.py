"""Where streams cost, a measurement looks at their way before it changes anything, and not before it may spend."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dgsm_helpers import tune
from dgsm_helpers.aws.scaling import registration
from dgsm_helpers.errors import AccessDenied, SpendNotConfirmed
from dgsm_helpers.load.transport import data_path


def test_a_barred_data_path_stops_a_measurement_before_scaling_is_touched_case(endpoint, operator):
    registration.register(endpoint, 1, 2)
    operator.fault("denied", service="sagemaker-runtime")
    said = []
    with pytest.raises(AccessDenied, match="iam-action"):
        tune.tune(replace(endpoint, bills=True, confirm_spend=True), say=said.append)
    assert not said and not any(registration.verify(endpoint).target.suspension.to_request().values())
    registration.remove(endpoint)


def test_no_stream_is_opened_on_the_data_path_before_spending_is_confirmed_case(endpoint, monkeypatch):
    monkeypatch.setattr(data_path, "follow", lambda *_, **__: pytest.fail("a stream was opened"))
    with pytest.raises(SpendNotConfirmed):
        tune.tune(replace(endpoint, bills=True))
