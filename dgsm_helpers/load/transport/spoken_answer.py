"""A text spoken by the workbook's endpoint over one stream, to be heard."""

import random
from dataclasses import dataclass

from dgsm_helpers.errors import InvalidInput, StreamFailed
from dgsm_helpers.load.transport.conversation import TurnSender, checked_texts
from dgsm_helpers.load.transport.data_path import check_reachable
from dgsm_helpers.load.transport.heard_recording import audio_source
from dgsm_helpers.load.transport.query import Query
from dgsm_helpers.load.transport.recorder import TraceRecorder
from dgsm_helpers.load.transport.sdk_transport import SdkTransport
from dgsm_helpers.load.transport.stream_loops import run_blocking
from dgsm_helpers.load.transport.stream_target import StreamTarget
from dgsm_helpers.load.transport.trace import CallTurn, StreamTrace
from dgsm_helpers.rules.call_effects import LOAD_PRICE
from dgsm_helpers.rules.foreign_text import in_html
from dgsm_helpers.rules.sample import Recording
from dgsm_helpers.session import Workbook


@dataclass(frozen=True, eq=False)
class Spoken:
    """A text and its audio; a notebook shows it as a player."""

    text: str
    trace: StreamTrace
    sample_rate: int

    @property
    def turn(self) -> CallTurn:
        """When its audio came."""
        return self.trace.turns[0]

    @property
    def first_audio_ms(self) -> float:
        """From the text's leaving to its first audio."""
        return 1000 * (self.turn.first_audio_s - self.turn.asked_s)

    @property
    def recording(self) -> Recording:
        """The audio, which a model that listens can be given."""
        return Recording(self.trace.audio, self.sample_rate, transcript=self.text, source=self.trace.model)

    def __str__(self) -> str:
        turn = self.turn
        return (
            f"{turn.characters} characters became {turn.audio_s:.1f} s of audio; the first came after "
            f"{self.first_audio_ms:.0f} ms, and a player without a buffer would have stopped for "
            f"{1000 * turn.late_s:.0f} ms; spoken by {self.trace.model}"
        )

    def _repr_html_(self) -> str:
        return f'<audio controls src="{audio_source(self.recording)}"></audio><div>{in_html(str(self))}</div>'


def speak(wb: Workbook, text: str, *, query: Query | str | None = None) -> Spoken:
    """Have a text spoken by the workbook's endpoint and wait for all of its audio.

    Works inside a running event loop too, as `stream_recording` does.

    Raises:
        StreamFailed, CredentialsProblem: nothing can be streamed from here, or no audio came; says why.
        InvalidInput: the model listens and does not speak, or the text is empty or too long for it.
        SpendNotConfirmed: the workbook was opened without ``confirm_spend=True``.
    """
    wb.require_spend(f"Sending text to {wb.endpoint_name}", price=LOAD_PRICE)
    target = StreamTarget.of(wb)
    family = target.family
    if not family.speaks:
        raise InvalidInput(f"{family.title} listens and does not speak.", hint="Stream it a recording.")
    (text,) = checked_texts([text], "The text")
    rate = int(family.fixed["sample_rate"])
    recorder = TraceRecorder(label="spoken", transport=SdkTransport.name, family=family, keep_audio=True)
    chance = random.Random(0)
    sender = TurnSender([text], think_s=0.0, chance=chance, sample_rate=rate, family=family, most_turns=1)
    check_reachable(target)
    trace = run_blocking(SdkTransport(target).run(sender, query=Query.of(query, target.family), recorder=recorder))
    if not trace.ok or not trace.audio:
        reason = f"{trace.error.code}: {trace.error.message}" if trace.error else "no audio came"
        raise StreamFailed(f"{family.title} did not speak the text ({reason}).", hint="Look at the container's log.")
    return Spoken(text, trace, rate)
