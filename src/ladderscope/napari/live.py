"""What is seen of a training while it runs: its losses, and a detail before and after."""

from matplotlib.backends.backend_qtagg import FigureCanvasQTAgg
from matplotlib.figure import Figure

from ladderscope.images import Image
from ladderscope.models.watching import Snapshot
from ladderscope.pictures import grey_range


class Live(FigureCanvasQTAgg):
    """A figure that is drawn again for every snapshot.

    Parameters
    ----------
    ink : str
        Colour of text and axes, for the theme of the viewer.
    """

    def __init__(self, ink: str) -> None:
        super().__init__(Figure(figsize=(3.2, 3.2)))
        self.figure.patch.set_alpha(0)
        self.setStyleSheet("background: transparent")
        self.setMinimumHeight(300)
        self.ink = ink

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Draw the losses so far, and a detail as it is restored by now."""
        self.figure.clear()
        self._draw_losses(snapshot)
        before = snapshot.detail.middle_planes()
        after = Image(snapshot.restored.mean, snapshot.restored.axes, "detail").middle_planes()
        pictures = [("mixed" if len(after) > len(before) else "noisy", before[0])]
        if len(after) > len(before):
            pictures += [(f"structure {number}", plane) for number, plane in enumerate(after, 1)]
        else:
            pictures.append(("restored by now", after[0]))
        width = 1 / len(pictures)
        for number, (name, plane) in enumerate(pictures):
            axes = self.figure.add_axes((width * number + 0.01, 0.0, width - 0.02, 0.46))
            low, high = grey_range(plane)
            axes.imshow(plane, cmap="gray", vmin=low, vmax=high)
            axes.set_title(name, color=self.ink, fontsize=8, pad=3)
            axes.set_axis_off()
        self.draw_idle()

    def _draw_losses(self, snapshot: Snapshot) -> None:
        axes = self.figure.add_axes((0.16, 0.68, 0.82, 0.3))
        steps = [line.step for line in snapshot.history]
        held_out = [line.validation_loss for line in snapshot.history]
        axes.plot(steps, [line.loss for line in snapshot.history], "o-", ms=3, label="training")
        axes.plot(steps, held_out, "s-", ms=3, label="validation")
        axes.set_xlabel("step", color=self.ink, fontsize=8, labelpad=1)
        axes.set_ylabel("nats per pixel", color=self.ink, fontsize=8)
        axes.tick_params(colors=self.ink, labelsize=7)
        axes.legend(fontsize=7, labelcolor=self.ink, frameon=False)
        axes.patch.set_alpha(0)
        for side in axes.spines.values():
            side.set_color(self.ink)
