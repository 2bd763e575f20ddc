"""SageMaker's control plane of the embedded AWS."""
