"""The errors that CloudWatch answers with.

``ValidationException`` is the JSON protocols' name of what CloudWatch, which kept its older codes, sends as
ValidationError; the gateway translates it.
"""

from __future__ import annotations

from moto.core.exceptions import ServiceException


def invalid(message: str) -> ServiceException:
    """ValidationError: a value cannot be right, or asks for what the embedded CloudWatch does not do."""
    return ServiceException("ValidationException", message)


def bad_value(message: str) -> ServiceException:
    """InvalidParameterValue, which the older operations answer with instead of ValidationError."""
    return ServiceException("InvalidParameterValue", message)


def bad_combination(message: str) -> ServiceException:
    """InvalidParameterCombination."""
    return ServiceException("InvalidParameterCombination", message)


def missing(message: str) -> ServiceException:
    """MissingParameter."""
    return ServiceException("MissingParameter", message)


def not_found(message: str) -> ServiceException:
    """ResourceNotFound: the alarm or dashboard does not exist."""
    return ServiceException("ResourceNotFound", message)


def bad_token() -> ServiceException:
    """InvalidNextToken."""
    return ServiceException("InvalidNextToken", "The next token specified is invalid.")
