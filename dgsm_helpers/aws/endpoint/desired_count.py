"""How many instances a variant is to have, asked for by hand."""

from dgsm_helpers.aws.core.calls import call
from dgsm_helpers.session import Workbook


def set_desired(wb: Workbook, instances: int) -> None:
    """Ask SageMaker for so many instances; returns at once, the endpoint is then ``Updating``.

    Raises:
        NotFound, NotReady: there is no such endpoint, or it is being changed.
    """
    change = {"VariantName": wb.variant_name, "DesiredInstanceCount": instances}
    request = {"EndpointName": wb.endpoint_name, "DesiredWeightsAndCapacities": [change]}
    call(wb, "sagemaker", "UpdateEndpointWeightsAndCapacities", **request)
