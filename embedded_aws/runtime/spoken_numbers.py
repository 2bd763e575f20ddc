"""Numbers in English words, found in what was said: ``nine hundred`` is 900, ``nine two eight`` are three numbers."""

from collections.abc import Sequence
from typing import NamedTuple

_ONES = {w: n for n, w in enumerate(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])}
_TEENS = ["ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_BELOW_HUNDRED = (
    {w: (n, "one") for w, n in _ONES.items()}
    | {w: (n, "teen") for n, w in enumerate(_TEENS, 10)}
    | {w: (n, "ten") for n, w in zip(range(20, 100, 10), _TENS, strict=True)}
)
_SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9}
_IRREGULAR = {
    "first": "one",
    "second": "two",
    "third": "three",
    "fifth": "five",
    "eighth": "eight",
    "ninth": "nine",
    "twelfth": "twelve",
}


class SpokenNumber(NamedTuple):
    """The words from ``first`` up to ``after`` are a number; ``text`` is it in digits."""

    first: int
    after: int
    text: str


def spoken_numbers(words: Sequence[str]) -> list[SpokenNumber]:
    """Every number among lower-case words, in order; also those that are in digits already.

    A lone ``second`` is a part of a minute, a lone ``hundred`` no number.
    """
    found, at = [], 0
    while at < len(words):
        number = _number_at(words, at)
        if number:
            found.append(number)
        at = number.after if number else at + 1
    return found


def _number_at(words: Sequence[str], first: int) -> SpokenNumber | None:
    if words[first].replace(",", "").isdecimal():
        return SpokenNumber(first, first + 1, words[first].replace(",", ""))
    reading = _NumberReading()
    after = first
    while after < len(words) and not reading.ordinal:
        word = words[after]
        if word == "and" and reading.takes_and and after + 1 < len(words):
            trial = reading.copy()
            if not trial.takes(words[after + 1]):
                break
            after += 1
            continue
        if not reading.takes(word):
            break
        after += 1
    if after == first or (after == first + 1 and words[first] == "second"):
        return None
    return SpokenNumber(first, after, reading.text)


class _NumberReading:
    """A number as far as it has been read."""

    def __init__(self) -> None:
        self._whole = self._part = 0
        self._last = ""
        self._scale = 10**12
        self.ordinal = False

    def copy(self) -> "_NumberReading":
        """Another one that reads on from here."""
        other = _NumberReading()
        other.__dict__.update(self.__dict__)
        return other

    @property
    def takes_and(self) -> bool:
        """Whether ``and`` can follow, as in ``nine hundred and five``."""
        return self._last in ("hundred", "scale")

    @property
    def text(self) -> str:
        """In digits, with an ordinal's ending."""
        value = self._whole + self._part
        if not self.ordinal:
            return str(value)
        ending = "th" if value % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(value % 10, "th")
        return f"{value}{ending}"

    def takes(self, word: str) -> bool:
        """Read one more word, which may be two with a hyphen; False when the number does not go on with it."""
        trial = self.copy()
        if all(trial._take(part) for part in word.split("-")):
            self.__dict__.update(trial.__dict__)
            return True
        return False

    def _take(self, word: str) -> bool:
        if self.ordinal:
            return False
        cardinal = _cardinal(word)
        if cardinal in _BELOW_HUNDRED:
            if not self._add(*_BELOW_HUNDRED[cardinal]):
                return False
        elif cardinal == "hundred":
            if self._last not in ("one", "teen") or not 0 < self._part < 100:
                return False
            self._part, self._last = self._part * 100, "hundred"
        elif cardinal in _SCALES and self._part > 0 and _SCALES[cardinal] < self._scale:
            self._scale = _SCALES[cardinal]
            self._whole, self._part, self._last = self._whole + self._part * self._scale, 0, "scale"
        else:
            return False
        self.ordinal = cardinal != word
        return True

    def _add(self, value: int, kind: str) -> bool:
        begins = self._last == ""
        fits = self.takes_and or (kind == "one" and self._last == "ten")
        if not begins and (not fits or value == 0):
            return False
        if self._whole + self._part == 0 and not begins:
            return False
        self._part, self._last = self._part + value, kind
        return True


def _cardinal(word: str) -> str:
    """``third`` as three, ``twentieth`` as twenty, ``hundredth`` as hundred; others as they are."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word.endswith("ieth") and f"{word[:-4]}y" in _TENS:
        return f"{word[:-4]}y"
    stem = word.removesuffix("th")
    return stem if stem != word and (stem in _BELOW_HUNDRED or stem in _SCALES or stem == "hundred") else word
