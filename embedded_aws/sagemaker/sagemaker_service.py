"""SageMaker of the embedded AWS: one region's control plane. Moto answers what is not here."""

from __future__ import annotations

from embedded_aws.sagemaker.endpoint_configs import ConfigOperations
from embedded_aws.sagemaker.endpoints import EndpointOperations
from embedded_aws.sagemaker.model_packages import ModelOperations
from embedded_aws.sagemaker.tags import TagOperations


class SageMaker(ModelOperations, ConfigOperations, EndpointOperations, TagOperations):
    """A region's SageMaker. Methods are the API's operations, ``params -> answer``; they raise ``AwsRefusal``."""
