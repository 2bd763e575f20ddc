"""What a model is asked for: the query string of its path."""

from dataclasses import dataclass
from typing import Self
from urllib.parse import parse_qsl, urlencode

from dgsm_helpers.errors import InvalidInput, UnsupportedFeature
from dgsm_helpers.families import NOVA, Family, family_of


@dataclass(frozen=True)
class Query:
    """A family's query: its defaults with ``pairs`` in their place or beside them, and what measuring has to set.

    A name may come several times: keyterm=one&keyterm=two. The sample rate is the audio's, so it is told with the
    audio.
    """

    family: Family = NOVA
    pairs: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, text: str, family: Family = NOVA) -> Self:
        """From a query string, ``model=nova-3&language=es&diarize=true``; what it leaves out keeps its default.

        Raises:
            InvalidInput: no query string, or it sets what measuring sets itself (encoding, rate, interim results) or
                must not send.
            UnsupportedFeature: a model of another family, which speaks another protocol.
        """
        try:
            pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=True) if text else []
        except ValueError as error:
            example = urlencode(family.defaults)
            raise InvalidInput(f"{text!r} is no query: {error}.", hint=f"Write {example}.") from error
        owned = family.fixed.keys() | {"sample_rate", "channels", "interim_results"}
        if fixed := sorted(owned.intersection(dict(pairs))):
            raise InvalidInput(f"{text!r} sets {', '.join(fixed)}.", hint="The audio and the measurement decide that.")
        if barred := sorted(family.never_sent.intersection(dict(pairs))):
            raise InvalidInput(
                f"{text!r} asks {family.title} for {', '.join(barred)}, which spoils a measurement.",
                hint="Leave it out: answers go elsewhere, or containers differ in whether they take it.",
            )
        model = dict(pairs).get("model", "")
        named = family_of(model)
        if named is not NOVA and named.line != family.line:
            raise UnsupportedFeature(
                f"{family.path} does not serve the model {model!r}.", hint=f"Give a model of {family.title}'s."
            )
        return cls(family, tuple(pairs))

    @classmethod
    def of(cls, given: Self | str | None, family: Family) -> Self | None:
        """What somebody gave, a text parsed; raises as `parse`."""
        return cls.parse(given, family) if isinstance(given, str) else given

    @property
    def path(self) -> str:
        return self.family.path

    def asked(self) -> dict[str, str]:
        """The parameters that are the user's to choose, by name; of one that is repeated, the last value."""
        return {**self.family.defaults, **dict(self.pairs)}

    def text(self, sample_rate: int) -> str:
        """As ``ModelQueryString`` takes it, for audio of a rate in Hz."""
        given, family = dict(self.pairs), self.family
        own = [(name, given.get(name, value)) for name, value in family.defaults.items()]
        further = [pair for pair in self.pairs if pair[0] not in family.defaults]
        fixed = {**family.fixed, "sample_rate": str(sample_rate)}
        return urlencode([*own, *fixed.items(), *further])
