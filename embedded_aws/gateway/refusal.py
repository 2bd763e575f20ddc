"""The errors with which AWS answers a call, and the text of a denial."""


class AwsRefusal(Exception):
    """What AWS answers instead of a result; ``code`` is the JSON protocols' name of the error."""

    def __init__(self, message: str, code: str = "ValidationException") -> None:
        super().__init__(message)
        self.message = message
        self.code = code


def denial(identity: str, action: str, resource: str) -> str:
    """The message of an AccessDenied: ``identity`` and ``resource`` are ARNs, ``action`` an IAM action."""
    return (
        f"User: {identity} is not authorized to perform: {action} on resource: {resource} "
        f"because no identity-based policy allows the {action} action"
    )
