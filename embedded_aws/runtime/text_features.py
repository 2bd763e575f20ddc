"""What Deepgram's ``numerals``, ``redact`` and ``replace`` make of the words that were heard.

``redact`` finds what can be told from numbers alone: ``numbers`` (or ``true``) three digits and more in a row,
``aggressive_numbers`` every number, ``pci`` a card's 12 to 19 digits, ``ssn`` nine. What is redacted stands as
``[NUMBER_1]``, counted within one message (assumption: Deepgram writes its entities so). Names, places and the like
would need a model of entities, which no listing here has.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from embedded_aws.engines.base import SpokenWord, words_of
from embedded_aws.runtime.query_string import QueryString, bad_request
from embedded_aws.runtime.spoken_numbers import SpokenNumber, spoken_numbers

_TOLD_BY_DIGITS: Mapping[str, tuple[str, Callable[[int], bool]]] = {
    "aggressive_numbers": ("NUMBER", lambda digits: digits >= 1),
    "pci": ("CREDIT_CARD", lambda digits: 12 <= digits <= 19),
    "ssn": ("SSN", lambda digits: digits == 9),
    "numbers": ("NUMBER", lambda digits: digits >= 3),
    "true": ("NUMBER", lambda digits: digits >= 3),
}
_MOST_REPLACED = 200
_CLOSING = ".,?!;:"


@dataclass(frozen=True)
class TextFeatures:
    """What is to be done with words; ``replace`` as pairs of words to find and the text to put there."""

    numerals: bool = False
    redact: tuple[str, ...] = ()
    replace: tuple[tuple[tuple[str, ...], str], ...] = ()

    @classmethod
    def asked(cls, query: QueryString) -> "TextFeatures":
        """Those of a query; ``smart_format`` includes ``numerals``. Raises ContainerRefused: a value that cannot be."""
        redact = tuple(kind.strip().lower() for value in query.all("redact") for kind in value.split(","))
        pairs = [value.partition(":") for value in query.all("replace")]
        if any(not term.strip() for term, _, _ in pairs):
            raise bad_request("replace must be a term, a colon and its replacement.")
        if len(pairs) > _MOST_REPLACED:
            raise bad_request(f"At most {_MOST_REPLACED} terms can be replaced, not {len(pairs)}.")
        return cls(
            numerals=query.flag("numerals") or (query.get("smart_format") or "").lower() == "true",
            redact=tuple(kind for kind in redact if kind != "false"),
            replace=tuple((tuple(term.lower().split()), text) for term, _, text in pairs),
        )

    @property
    def not_found(self) -> tuple[str, ...]:
        """Kinds of what is to be redacted that cannot be found here."""
        return tuple(kind for kind in self.redact if kind not in _TOLD_BY_DIGITS)

    def applied(self, words: tuple[SpokenWord, ...]) -> tuple[SpokenWord, ...]:
        """The words as they are to be read; the same object where nothing changes."""
        if self.numerals or self.redact:
            words = self._without_numbers_in_words(words)
        return self._with_others(words) if self.replace else words

    def _with_others(self, words: tuple[SpokenWord, ...]) -> tuple[SpokenWord, ...]:
        """The first term that stands in a place wins, and what is put there is not searched again: pairs that led from
        one to the next could double a text with each."""
        spoken = tuple(word.word.lower() for word in words)
        starting: dict[str, list[tuple[tuple[str, ...], str]]] = {}
        for term, text in self.replace:
            starting.setdefault(term[0], []).append((term, text))
        shown: list[SpokenWord] = []
        at = 0
        while at < len(words):
            pairs = starting.get(spoken[at], ())
            found = next(((term, text) for term, text in pairs if spoken[at : at + len(term)] == term), None)
            if found is None:
                shown.append(words[at])
                at += 1
            else:
                term, text = found
                shown += _put_for(words[at : at + len(term)], text)
                at += len(term)
        return words if tuple(shown) == words else tuple(shown)

    def _without_numbers_in_words(self, words: tuple[SpokenWord, ...]) -> tuple[SpokenWord, ...]:
        numbers = spoken_numbers([word.word.lower() for word in words])
        if not numbers:
            return words
        counts: dict[str, int] = {}
        shown: list[SpokenWord] = []
        at = 0
        for row in _rows(numbers):
            shown += words[at : row[0].first]
            at = row[-1].after
            if kind := self._redacted_as(row):
                counts[kind] = counts.get(kind, 0) + 1
                shown.append(_merged(words[row[0].first : at], f"[{kind}_{counts[kind]}]"))
            elif self.numerals:
                shown += [_merged(words[number.first : number.after], number.text) for number in row]
            else:
                shown += words[row[0].first : at]
        return (*shown, *words[at:])

    def _redacted_as(self, row: Sequence[SpokenNumber]) -> str:
        digits = sum(map(str.isdecimal, "".join(number.text for number in row)))
        return next(
            (name for kind, (name, fits) in _TOLD_BY_DIGITS.items() if kind in self.redact and fits(digits)), ""
        )


def _rows(numbers: Sequence[SpokenNumber]) -> list[list[SpokenNumber]]:
    """Numbers that follow each other without another word."""
    rows: list[list[SpokenNumber]] = []
    for number in numbers:
        if rows and rows[-1][-1].after == number.first:
            rows[-1].append(number)
        else:
            rows.append([number])
    return rows


def _closing(word: SpokenWord) -> str:
    text = word.punctuated_word
    return text[len(text.rstrip(_CLOSING)) :]


def _merged(words: Sequence[SpokenWord], text: str) -> SpokenWord:
    return SpokenWord(text, text + _closing(words[-1]), words[0].start_s, words[-1].end_s)


def _put_for(words: Sequence[SpokenWord], text: str) -> list[SpokenWord]:
    pieces = words_of(text, words[0].start_s, words[-1].end_s)
    put = []
    for number, piece in enumerate(pieces, 1):
        closing = _closing(words[-1]) if number == len(pieces) else ""
        put.append(SpokenWord(piece.punctuated_word, piece.punctuated_word + closing, piece.start_s, piece.end_s))
    return put
