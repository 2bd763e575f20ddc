"""Buttons and a slider that add and drop streams while the endpoint is watched."""

import threading

import ipywidgets

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.load.transport.background_load import Load
from dgsm_helpers.rules.call_effects import LOAD_PRICE
from dgsm_helpers.session import Workbook
from dgsm_helpers.views.widgets import Shown


class LoadControl(Shown):
    """Sets how many streams a `Load` holds.

    Args:
        wb: the workbook. Streams make the endpoint scale out, so on AWS this needs ``confirm_spend``.
        load: the load to control.
        ceiling: the most streams that it will ask for.

    Raises:
        SpendNotConfirmed: more instances would cost money and nobody agreed to that.
        InvalidInput: the ceiling is below one, or below what the load holds already.
    """

    def __init__(self, wb: Workbook, load: Load, *, ceiling: int = 30) -> None:
        if ceiling < 1:
            raise InvalidInput(f"ceiling is {ceiling}.", hint="Allow at least one stream.")
        wb.require_spend(f"Sending up to {ceiling} streams to {wb.endpoint_name}", price=LOAD_PRICE)
        if load.wanted > ceiling:
            raise InvalidInput(
                f"The load holds {load.wanted} streams, and the ceiling is {ceiling}.",
                hint="Raise it, or drop streams.",
            )
        self.load, self.ceiling = load, ceiling
        # A widget's callbacks run in whatever thread the kernel chooses; setting the slider calls back into `set`.
        self._lock = threading.RLock()
        self._slider = ipywidgets.IntSlider(
            value=load.wanted, min=0, max=ceiling, description="Streams", continuous_update=False
        )
        self._slider.observe(lambda change: self.set(change["new"]), names="value")
        steps = [("+ 1", 1), ("+ 5", 5), ("− 5", -5), ("None", -ceiling)]
        buttons = [self._button(label, step) for label, step in steps]
        self._text = ipywidgets.HTML()
        # Wraps, so that nothing is squeezed in a narrow notebook.
        self.widget = ipywidgets.Box(
            [self._slider, *buttons, self._text], layout=ipywidgets.Layout(display="flex", flex_flow="row wrap")
        )

    def set(self, streams: int) -> None:
        """Hold so many streams from now on, between none and the ceiling; callable from any thread."""
        count = min(max(streams, 0), self.ceiling)
        with self._lock:
            try:
                self.load.set(count)
            except InvalidInput as error:
                self._text.value = f"⚠ {error}"
                return
            self._text.value = f"{count} streams wanted"
            self._slider.value = count

    def _step(self, by: int) -> None:
        with self._lock:
            self.set(self.load.wanted + by)

    def _button(self, label: str, by: int) -> ipywidgets.Button:
        button = ipywidgets.Button(description=label, layout=ipywidgets.Layout(width="5.5em"))
        button.on_click(lambda _: self._step(by))
        return button
