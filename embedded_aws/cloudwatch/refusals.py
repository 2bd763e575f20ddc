"""The older codes with which CloudWatch refuses, beside the ValidationError that ``AwsRefusal`` is without a code."""

from embedded_aws.gateway.refusal import AwsRefusal


def bad_value(message: str) -> AwsRefusal:
    """InvalidParameterValue, which the older operations answer with instead of ValidationError."""
    return AwsRefusal(message, "InvalidParameterValue")


def bad_combination(message: str) -> AwsRefusal:
    """InvalidParameterCombination."""
    return AwsRefusal(message, "InvalidParameterCombination")


def not_found(message: str) -> AwsRefusal:
    """ResourceNotFound: the alarm or dashboard does not exist."""
    return AwsRefusal(message, "ResourceNotFound")


def bad_token() -> AwsRefusal:
    """InvalidNextToken."""
    return AwsRefusal("The next token specified is invalid.", "InvalidNextToken")
