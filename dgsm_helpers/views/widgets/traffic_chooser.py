"""Choosing the traffic to plan for: a shape and its height, or a file of one's own."""

from typing import Any

import ipywidgets

from dgsm_helpers.errors import DgsmError
from dgsm_helpers.planning.sources import STREAM_S, load_traffic, traffic_from
from dgsm_helpers.rules.foreign_text import in_html
from dgsm_helpers.simulate.traffic import PRESETS, Traffic
from dgsm_helpers.views.widgets import Shown


class TrafficChooser(Shown):
    """A shape with its peak, or an uploaded file; `traffic` is what is chosen.

    Args:
        source: what is chosen at first: a shape or a file's path (`planning.sources.load_traffic`).
        peak: streams at the height of a shape.
        mean_s: mean length of a stream, where the traffic does not tell.
        seed: of what is random.
        columns: what a file's columns are called (`planning.call_records.Columns`).

    Raises:
        NotFound, InvalidInput: ``source`` cannot be read.
    """

    def __init__(self, source: str, *, peak: float, mean_s: float = STREAM_S, seed: int = 0, columns: str = "") -> None:
        self._mean_s, self._seed, self._columns = mean_s, seed, columns
        is_shape = source in PRESETS
        self.traffic: Traffic = load_traffic(
            source, peak=peak if is_shape else None, mean_s=mean_s, seed=seed, columns="" if is_shape else columns
        )
        self.shape = ipywidgets.Dropdown(
            options=[*PRESETS] if is_shape else [source, *PRESETS], value=source, description="traffic"
        )
        self.peak = ipywidgets.BoundedFloatText(value=peak, min=1, max=100_000, step=1, description="peak")
        self.upload = ipywidgets.FileUpload(accept=".csv,.json,.jsonl,.yaml,.yml,.tsv,.txt", description="CSV or JSON")
        self._file = None if is_shape else source
        self._text = ipywidgets.HTML()
        self.shape.observe(lambda _: self._choose(self._by_name), names="value")
        self.peak.observe(lambda _: self._choose(self._by_name), names="value")
        self.upload.observe(lambda _: self._choose(self._uploaded), names="value")
        self.widget = ipywidgets.VBox([ipywidgets.HBox([self.shape, self.peak, self.upload]), self._text])
        self._text.value = self._sentence()

    def _choose(self, read: Any) -> None:
        try:
            self.traffic = read()
        except DgsmError as error:
            self._text.value = f"⚠ {in_html(str(error))} It is still {self._sentence()}"
            return
        self._text.value = self._sentence()

    def _by_name(self) -> Traffic:
        source = self.shape.value
        if source == self._file:
            return load_traffic(source, mean_s=self._mean_s, seed=self._seed, columns=self._columns)
        return load_traffic(source, peak=self.peak.value, mean_s=self._mean_s, seed=self._seed)

    def _uploaded(self) -> Traffic:
        if not self.upload.value:
            return self.traffic
        file = self.upload.value[0]
        return traffic_from(
            bytes(file["content"]), name=file["name"], mean_s=self._mean_s, seed=self._seed, columns=self._columns
        )

    def _sentence(self) -> str:
        name = in_html(self.traffic.name)
        notes = "".join(f"<br>{in_html(note)}" for note in self.traffic.notes)
        return f"<b>{name}</b>: {self.traffic.summary}. Cells below use it when they are run again.{notes}"
