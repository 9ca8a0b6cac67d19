"""What prediction finds about an image, collected over its planes and reported once."""

import logging
import math

import numpy as np
from jaxtyping import Bool
from numpy.typing import NDArray

from ladderscope.models.pieces import Piece, Place
from ladderscope.prediction.last_look import places

logger = logging.getLogger("ladderscope")

_NAMED = 8
_MOST_MARKS = 2**26  # larger images are marked by squares of pixels


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
        self.blank: dict[tuple[int, int], str] = {}
        self.padding, self.beyond, self.failed = (Marks(fields) for _ in range(3))

    def take(self, piece: Piece) -> None:
        """Record what was found about one piece, in any order."""
        place = piece.place
        if piece.is_blank:
            of = [
                f"{what} {at}"
                for what, at, several in (
                    ("plane", place.number, self.shape[0]),
                    ("channel", place.job + 1, self.shape[1]),
                )
                if several > 1
            ]
            value = float(piece.values.flat[0])
            text = f"{', '.join(of)} (every pixel is {value:g})"
            self.blank.setdefault((place.number, place.job), text)
            return
        for marks, mask in (
            (self.padding, piece.padding),
            (self.beyond, piece.beyond),
            (self.failed, piece.failed),
        ):
            if mask is not None:
                marks.add(place, mask)

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
                "; ".join(text for _, text in sorted(self.blank.items())[:_NAMED]),
                more,
            )
        if self.padding.count:
            logger.info(
                "%s: padding was not measured and is returned unchanged: %s",
                self.name,
                self.padding.places(),
            )
        if self.beyond.count:
            logger.warning(
                "%s: intensities far outside those of the training images (the limits are %.4g "
                "and %.4g): %s. What exceeds the limits is not restored; %s. Train on images like "
                "this one",
                self.name,
                low,
                high,
                self.beyond.places(),
                handed_back,
            )
        if self.failed.count:
            logger.warning(
                "%s: the restoration failed in %s: its local mean differs from that of the image, "
                "or its values are out of range. %s. Train longer, or on images like this one",
                self.name,
                self.failed.places(),
                instead,
            )


class Marks:
    """Pixels of the fields of an image that were marked; of large images, by squares of pixels.

    Parameters
    ----------
    fields
        The shape (fields, channels, [Z], Y, X) of the restoration.
    """

    def __init__(self, fields: tuple[int, ...]) -> None:
        number, _, *depth, height, width = fields
        pixels = number * math.prod(depth) * height * width
        self.step = math.ceil(math.sqrt(max(1.0, pixels / _MOST_MARKS)))
        self.shape = number, *depth, -(-height // self.step), -(-width // self.step)
        self.count = 0
        self.marked: NDArray[np.bool_] = np.zeros(0, dtype=bool)

    def add(self, place: Place, mask: Bool[np.ndarray, "*core"]) -> None:
        """Mark the pixels of a piece, of which several channels may mark the same."""
        if not self.count:
            self.marked = np.zeros(self.shape, dtype=bool)
        *planes, rows, columns = place.tile.core
        of_field = self.marked[place.number]
        if self.step == 1:
            before = np.count_nonzero(of_field[place.tile.core])
            of_field[place.tile.core] |= mask
            self.count += int(np.count_nonzero(of_field[place.tile.core]) - before)
            return
        *at, down, across = np.nonzero(mask)
        depth = (one + side.start for one, side in zip(at, planes, strict=True))
        squares = (down + rows.start) // self.step, (across + columns.start) // self.step
        of_field[*depth, *squares] = True
        self.count += len(down)

    def places(self) -> str:
        """Describe what is marked: how many pixels, and where the largest region is."""
        return places(self.marked, self.step, self.count)
