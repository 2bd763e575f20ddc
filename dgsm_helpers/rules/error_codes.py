"""What AWS's error codes mean for a caller, whichever client met them."""

import json
from importlib.resources import files

KIND_BY_CODE: dict[str, str] = {
    code: kind
    for kind, codes in json.loads((files("dgsm_helpers") / "data" / "aws_error_codes.json").read_text())[
        "kinds"
    ].items()
    for code in codes
}
"""``expired``, ``bad credentials``, ``denied``, ``throttled``, ``quota``, ``missing``, ``busy``, ``invalid value``."""
