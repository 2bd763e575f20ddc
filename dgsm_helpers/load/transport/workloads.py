"""What the streams of a load do, by what a model does: it listens to audio, or it speaks texts."""

from collections.abc import Sequence
from dataclasses import replace

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.families import Family
from dgsm_helpers.load.transport.conversation import TEXTS, Conversation, TurnSender
from dgsm_helpers.load.transport.paced_audio import AudioSender, PacedAudio
from dgsm_helpers.rules.sample import Recording

type Workload = PacedAudio | Conversation
type Sender = AudioSender | TurnSender


def workload_of(
    family: Family,
    *,
    recordings: Sequence[Recording] = (),
    texts: Sequence[str] = (),
    think_s: float | None = None,
) -> Workload:
    """The workload that a family needs, of what is given or else of what is bundled.

    Args:
        family: of the model.
        recordings: for a model that listens.
        texts, think_s: for one that speaks, as `Conversation` has them.

    Raises:
        InvalidInput: what is given is for the other kind of model, or cannot be used.
    """
    if family.speaks:
        if recordings:
            raise InvalidInput(f"{family.title} speaks, so recordings measure nothing.", hint="Give texts.")
        rate = int(family.fixed["sample_rate"])
        return Conversation(texts=tuple(texts) or TEXTS, think_s=think_s, sample_rate=rate)
    if texts or think_s is not None:
        raise InvalidInput(
            f"{family.title} listens, so texts and think times measure nothing.", hint="Give recordings (audio)."
        )
    return PacedAudio(recordings=tuple(recordings), chunk_ms=family.chunk_ms)


def without_pauses(workload: Workload) -> Conversation | None:
    """The same calls speaking without a break; None where that is what they do, or where nothing speaks."""
    return replace(workload, think_s=0.0) if isinstance(workload, Conversation) and workload.pause_s else None
