"""What prediction finds about an image, collected over its planes and reported once."""

import logging

import numpy as np
from jaxtyping import Bool
from numpy.typing import NDArray

from ladderscope.models.pieces import Piece, Place
from ladderscope.prediction.last_look import places

logger = logging.getLogger("ladderscope")

_NAMED = 8


class Findings:
    """Collects the parts of an image that were not, or could not be, restored.

    Parameters
    ----------
    name
        The name of the image.
    fields
        The shape (fields, channels, [Z], Y, X) of the restoration.
    """

    def __init__(self, name: str, fields: tuple[int, ...]) -> None:
        self.name = name
        self.shape = fields
        self.blank: list[str] = []
        self.padding: NDArray[np.bool_] | None = None
        self.beyond: NDArray[np.bool_] | None = None
        self.failed: NDArray[np.bool_] | None = None

    def take(self, piece: Piece) -> None:
        """Record what was found about one piece; the first tile of a blank field stands for it."""
        place = piece.place
        if piece.is_blank:
            if place.part == 0:
                of = [
                    f"{what} {at}"
                    for what, at, several in (
                        ("plane", place.number, self.shape[0]),
                        ("channel", place.job + 1, self.shape[1]),
                    )
                    if several > 1
                ]
                value = float(piece.values.flat[0])
                self.blank.append(f"{', '.join(of)} (every pixel is {value:g})")
            return
        self.padding = self._marked(self.padding, place, piece.padding)
        self.beyond = self._marked(self.beyond, place, piece.beyond)
        self.failed = self._marked(self.failed, place, piece.failed)

    def say(self, low: float, high: float, *, handed_back: str, instead: str) -> None:
        """Log the findings, as a warning if the user should act.

        Parameters
        ----------
        low, high
            The limits of the intensities that the network gets.
        handed_back
            What happens to intensities that exceed them.
        instead
            What the result contains where the restoration failed.
        """
        if self.blank:
            more = f" and {len(self.blank) - _NAMED} more" if len(self.blank) > _NAMED else ""
            logger.warning(
                "%s: blank, returned unchanged (planes are counted from 0): %s%s",
                self.name,
                "; ".join(self.blank[:_NAMED]),
                more,
            )
        if self.padding is not None:
            logger.info(
                "%s: padding was not measured and is returned unchanged: %s",
                self.name,
                places(self.padding),
            )
        if self.beyond is not None and self.beyond.any():
            logger.warning(
                "%s: intensities far outside those of the training images (the limits are %.4g "
                "and %.4g): %s. What exceeds the limits is not restored; %s. Train on images like "
                "this one",
                self.name,
                low,
                high,
                places(self.beyond),
                handed_back,
            )
        if self.failed is not None:
            logger.warning(
                "%s: the restoration failed in %s: its local mean differs from that of the image, "
                "or its values are out of range. %s. Train longer, or on images like this one",
                self.name,
                places(self.failed),
                instead,
            )

    def _marked(
        self,
        marks: NDArray[np.bool_] | None,
        place: Place,
        mask: Bool[np.ndarray, "*core"] | None,
    ) -> NDArray[np.bool_] | None:
        if mask is None:
            return marks
        if marks is None:
            marks = np.zeros((self.shape[0], *self.shape[2:]), dtype=bool)
        marks[place.number][place.tile.core] |= mask
        return marks
