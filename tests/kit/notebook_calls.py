"""Records which AWS operations a notebook calls, through botocore's events."""

from __future__ import annotations

from pathlib import Path

from dgsm_helpers.rules.call_effects import iam_action

STREAM = "sagemaker:InvokeEndpointWithBidirectionalStream"
_RECORDER = """
import botocore.session
from dgsm_helpers.load.transport import stream_target

def _record(line):
    with open({file!r}, "a") as calls:
        calls.write(line + "\\n")

def _before_call(model, **_):
    _record(f"{{model.service_model.service_name}}:{{model.name}}")

_made = botocore.session.Session.__init__

def _make(self, *args, **kwargs):
    _made(self, *args, **kwargs)
    self.register("before-call", _before_call)

botocore.session.Session.__init__ = _make
_of = stream_target.StreamTarget.of.__func__

def _counted(cls, *args, **kwargs):
    # AWS's HTTP/2 client is not botocore: its one call is known by the target that is made for it.
    _record({stream!r})
    return _of(cls, *args, **kwargs)

stream_target.StreamTarget.of = classmethod(_counted)
"""


class CallRecorder:
    """Lets kernels that are started with `env` write down each call; ``folder`` is an empty one of their own."""

    def __init__(self, folder: Path) -> None:
        self._record = folder / "calls"
        self.env = {"IPYTHONDIR": str(folder / "ipython")}
        # IPython runs what lies there before the first cell, so that the notebook need not be changed.
        startup = folder / "ipython" / "profile_default" / "startup"
        startup.mkdir(parents=True)
        text = _RECORDER.format(file=str(self._record), stream=STREAM)
        (startup / "record.py").write_text(text, encoding="utf-8")

    def actions(self) -> set[str]:
        """The IAM actions of every call so far."""
        return {action_of(line) for line in self._record.read_text(encoding="utf-8").split()}


def action_of(call: str) -> str:
    """``service-quotas:ListServiceQuotas`` as the IAM action ``servicequotas:ListServiceQuotas``."""
    service, _, operation = call.partition(":")
    return iam_action(service, operation)
