"""What a training reports of itself while it runs."""

from ladderscope.losses import Objective

_MEMORY = 0.95  # of the losses before, in the one that is reported


class Message:
    """Puts a step into words: its number, and the loss and its two parts, smoothed."""

    def __init__(self) -> None:
        self._smooth: list[float] | None = None

    def __call__(self, step: int, latest: Objective | None) -> str:
        """Give the message of a step; a skipped one has no objective."""
        if latest is not None:
            terms = [float(term) for term in latest]
            before = self._smooth or terms
            self._smooth = [
                _MEMORY * old + (1 - _MEMORY) * new for old, new in zip(before, terms, strict=True)
            ]
        loss, reconstruction, kl = self._smooth or [float("nan")] * 3
        return (
            f"training, step {step}: loss {loss:.4f} = reconstruction {reconstruction:.4f} + "
            f"KL {kl:.4f}"
        )
