"""How far a training has come, on one line of the terminal."""

from rich.progress import BarColumn, Progress, TextColumn

from ladderscope.losses import Objective


class TrainingProgress:
    """Shows the fraction of the budget, the loss and its two parts, and the time left.

    Parameters
    ----------
    bar : bool
        Whether to show anything.
    """

    def __init__(self, *, bar: bool) -> None:
        self._smooth: list[float] | None = None
        self._bar = Progress(
            TextColumn("training"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %  step {task.fields[step]}  {task.fields[terms]}"),
            TextColumn("{task.fields[left]}"),
            transient=True,
            disable=not bar,
        )

    def __enter__(self) -> "TrainingProgress":
        self._bar.start()
        self._task = self._bar.add_task("", total=1.0, step=0, terms="", left="")
        return self

    def __call__(self, step: int, spent: float, seconds: float, latest: Objective | None) -> None:
        """Show a step: its number, the fraction of the budget, the time so far, and its loss."""
        if self._bar.disable:
            return
        if latest is not None:
            terms = [float(term) for term in latest]
            before = self._smooth or terms
            self._smooth = [0.95 * old + 0.05 * new for old, new in zip(before, terms, strict=True)]
        left = seconds * (1 - spent) / spent if spent else 0.0
        loss, reconstruction, kl = self._smooth or [float("nan")] * 3
        self._bar.update(
            self._task,
            completed=spent,
            step=step,
            terms=f"loss {loss:.4f} = reconstruction {reconstruction:.4f} + KL {kl:.4f}",
            left=f"{int(left) // 60}:{int(left) % 60:02d} left",
        )

    def __exit__(self, *_: object) -> None:
        self._bar.stop()
