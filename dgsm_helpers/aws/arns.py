"""Model package ARNs: well formed, and of the region in use."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..errors import InvalidInput

if TYPE_CHECKING:
    from ..session import Workbook

_ARN = re.compile(
    r"arn:aws[a-z-]*:sagemaker:(?P<region>[a-z0-9-]{9,16}):(?P<account>\d{12}):model-package/"
    r"(?P<name>[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62})(/(?P<version>\d{1,9}))?"
)


def require_usable_arn(wb: Workbook) -> str:
    """The workbook's model package ARN, once it is well formed and of the workbook's region.

    Raises:
        InvalidInput: none was given, it is not a model package ARN, or it belongs to another region (Deepgram's manual
            calls that the commonest mistake; SageMaker would only say that the package does not exist).
    """
    arn = wb.model_package_arn
    subscribe = "Copy it from the Marketplace subscription (Configure > CLI or API) for your region."
    if not arn:
        raise InvalidInput("No model package ARN was given.", hint=f"Pass listing=. {subscribe}")
    match = _ARN.fullmatch(arn)
    if not match:
        raise InvalidInput(f"{arn!r} is not a model package ARN.", hint=subscribe)
    if match["region"] != wb.region:
        raise InvalidInput(
            f"The model package ARN is of region {match['region']} and the workbook of {wb.region}: {arn}",
            hint=f"Open the workbook with region={match['region']!r}, or copy the ARN for {wb.region}.",
        )
    return arn
