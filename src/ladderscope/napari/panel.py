"""What the widgets have in common: controls, one button, and what becomes of the work."""

import threading
import time
from abc import abstractmethod
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

import numpy as np
from jaxtyping import Shaped
from magicgui.widgets import Container
from magicgui.widgets.bases import Widget
from napari.layers import Layer
from napari.qt.threading import FunctionWorker, thread_worker
from napari.utils.notifications import show_error, show_info, show_warning
from napari.utils.theme import get_theme
from napari.viewer import Viewer
from qtpy.QtWidgets import (
    QFileDialog,
    QLabel,
    QProgressBar,
    QPushButton,
    QTextBrowser,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import ensure_main_thread

from ladderscope.errors import LadderscopeError
from ladderscope.evaluation.checks import Light
from ladderscope.interruption import StopRequested
from ladderscope.models import Restoration
from ladderscope.models.watching import Snapshot
from ladderscope.napari.choosing import Choice
from ladderscope.napari.layers import Given, layers_of, layers_of_input
from ladderscope.napari.live import Live
from ladderscope.napari.work import Listeners, Restorer, Work, warnings_told
from ladderscope.report import channel_names, noise_in_words

_COLOURS: dict[Light, str] = {"green": "#3fa34d", "amber": "#e0a100", "red": "#d43c3c"}


class Panel(QWidget):
    """A dock widget: controls, a button, progress, a live figure, and what was found.

    Parameters
    ----------
    viewer
        The viewer, where results become layers.
    verb : str
        What the button says.
    choices
        The images that are worked on.
    controls
        Everything that is asked, in order.
    """

    trains = True

    def __init__(
        self, viewer: Viewer, verb: str, choices: Sequence[Choice], controls: Sequence[Widget]
    ) -> None:
        super().__init__()
        self.viewer, self.verb, self.choices = viewer, verb, choices
        self.worker: FunctionWorker[None] | None = None
        self.restorer: Restorer | None = None
        self._enough = threading.Event()
        self._paragraphs: list[str] = []  # the traffic lights first
        self._lights = 0
        self.controls = Container()
        self.controls.extend(controls)  # unlike in the constructor, labels become equally wide
        self.button = QPushButton(verb)
        self.button.clicked.connect(self._clicked)
        self.bar = QProgressBar()
        self.message = QLabel()
        self.message.setWordWrap(True)
        self.live = Live(get_theme(viewer.theme).text.as_hex())
        self.found = QTextBrowser()
        self.found.setMinimumHeight(140)
        self.keep = QPushButton("Save the model …")
        self.keep.clicked.connect(self._save)
        layout = QVBoxLayout(self)
        layout.addWidget(self.controls.native)
        shown_later = (self.bar, self.message, self.live, self.found, self.keep)
        for part in (self.button, *shown_later):
            layout.addWidget(part)
        for part in shown_later:
            part.hide()
        layout.addStretch()

    @abstractmethod
    def asked(self) -> Work:
        """Take what the controls say.

        Raises
        ------
        LadderscopeError
            Something is missing, or out of range.
        """

    def reset_choices(self, _: Any = None) -> None:
        """Follow the layers of the viewer; napari calls this."""
        for choice in self.choices:
            choice.layers_changed()

    def _clicked(self) -> None:
        if self.worker is None:
            self._begin()
        elif self.trains and self.restorer is None and not self._enough.is_set():
            self._enough.set()
            self.button.setText("Cancel")
            self.message.setText("training stops after this step, and its best model is used")
        else:
            self.worker.quit()
            self.button.setEnabled(False)

    def _begin(self) -> None:
        try:
            work = self.asked()
        except (LadderscopeError, OSError) as error:
            show_error(str(error))
            return
        self._enough.clear()
        self.restorer = None
        self._paragraphs, self._lights = [], 0
        for part in (self.live, self.found, self.keep):
            part.hide()
        self.bar.show()
        self.message.show()
        self.button.setText("Stop training, and restore" if self.trains else "Cancel")
        self.worker = worker = _carry_out(work, self._listeners(), self._told(self._warned))
        worker.errored.connect(lambda error: self.message.setText(f"failed: {error}"))
        worker.finished.connect(self._ended)
        self.destroyed.connect(worker.quit)
        worker.start()

    def _listeners(self) -> Listeners:
        def stop() -> bool:
            return self.worker is not None and self.worker.abort_requested

        return Listeners(
            progress=seldom(self._told(self._progressed), 0.5),
            watch=seldom(self._told(self._seen), 1.0),
            enough=lambda: self._enough.is_set() or stop(),
            stop=stop,
            trained=self._told(self._trained),
            restored=self._told(self._restored),
        )

    def _told(self, show: Callable[..., None]) -> Callable[..., None]:
        """Let the thread of the work call what has to run in that of the viewer."""
        worker_of = self.__dict__

        @ensure_main_thread
        def told(*args: Any) -> None:
            worker = worker_of["worker"]
            if worker is not None and not worker.abort_requested:  # else this panel may be closed
                show(*args)

        return told

    def _progressed(self, fraction: float, message: str) -> None:
        self.bar.setValue(round(100 * fraction))
        self.message.setText(message)

    def _seen(self, snapshot: Snapshot) -> None:
        self.live.show()
        self.live.show_snapshot(snapshot)

    def _warned(self, text: str) -> None:
        show_warning(text)
        self._report("<b>Warning.</b> " + escape(text))

    def _trained(self, restorer: Restorer) -> None:
        self.restorer = restorer
        self.button.setText("Cancel")
        self.keep.setVisible(self.trains)
        model = restorer.model
        for name, noise, choice in zip(
            channel_names(model), model.noise_models, model.noise_choices, strict=False
        ):
            of = f", {name}" if len(model.noise_models) > 1 else ""
            self._report(f"<b>Noise{escape(of)}.</b> " + escape(noise_in_words(noise, choice)))

    def _restored(
        self, given: Given, restored: Restoration, draws: Shaped[np.ndarray, "n ..."] | None
    ) -> None:
        shown = [] if given.is_shown else layers_of_input(given)
        for data in [*shown, *layers_of(given, restored, draws)]:
            self.viewer.add_layer(Layer.create(*data))
        if restored.light is not None:
            found = [one for one in restored.checks if one.light != "green"]
            reasons = " ".join(one.text for one in found) or "No check found anything."
            self._report(
                f'<span style="color: {_COLOURS[restored.light]}">●</span> '
                f"<b>{escape(restored.name)}: {restored.light}.</b> {escape(reasons)}",
                at=self._lights,
            )
            self._lights += 1

    def _report(self, html: str, at: int | None = None) -> None:
        """Show a paragraph more, at the end or elsewhere."""
        self._paragraphs.insert(len(self._paragraphs) if at is None else at, html)
        self.found.setHtml("".join(f"<p>{paragraph}</p>" for paragraph in self._paragraphs))
        self.found.show()

    def _ended(self) -> None:
        worker, self.worker = self.worker, None
        self.bar.hide()
        self.button.setText(self.verb)
        self.button.setEnabled(True)
        if worker is not None and worker.abort_requested:
            self.message.setText("cancelled")

    def _save(self) -> None:
        name, _ = QFileDialog.getSaveFileName(self, "Save the model", "model.ladder", "*.ladder")
        if name:
            self.save_model(name)

    def save_model(self, name: str) -> None:
        """Save the model that was trained; report where, or why not."""
        if self.restorer is None:
            return
        try:
            show_info(f"model saved: {self.restorer.save(name)}")
        except (LadderscopeError, OSError) as error:
            show_error(str(error))


def seldom(listener: Callable[..., None], seconds: float) -> Callable[..., None]:
    """Let a listener miss what follows too soon: drawing takes time from training.

    Examples
    --------
    >>> listener = seldom(print, seconds=60)
    >>> listener("training, step 1")
    training, step 1
    >>> listener("training, step 2")
    """
    told = -seconds

    def hear(*args: Any) -> None:
        nonlocal told
        if (now := time.monotonic()) - told >= seconds:
            told = now
            listener(*args)

    return hear


@thread_worker(ignore_errors=True)  # napari shows them in any case
def _carry_out(work: Work, tell: Listeners, warn: Callable[[str], None]) -> None:
    try:
        with warnings_told(warn):
            work(tell)
    except StopRequested:
        return
