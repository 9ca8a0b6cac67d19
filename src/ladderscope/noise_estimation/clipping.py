"""Where the values of a plane end: pixels that are saturated, or clipped at black."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float64, UInt8
from numpy.typing import NDArray
from scipy import ndimage

CLIPPED_SHARE = 0.02  # a bin with more clipped pixels says nothing about the noise
_FEWEST = 10  # equal pixels make a pile
_TOGETHER = 5  # bins
_EXCESS = 2.5  # a mixture of photon rates may have so many times the zeros of a single one

CEILING = 4  # the mark of a pixel at the ceiling; 1, 2 and 3 are the plane's three least values


@dataclass(frozen=True, eq=False)
class Clipping:
    """What the ends of a plane's values look like.

    Parameters
    ----------
    marks
        Of each pixel: `CEILING`; or 1, 2, 3 at black and at the two next greater values; else 0.
    black, ceiling
        The values that pixels may be clipped at; None if there is no such end.
    """

    marks: UInt8[np.ndarray, "y x"]
    black: float | None = None
    ceiling: float | None = None

    @property
    def values(self) -> tuple[float, ...]:
        """The values that pixels may be clipped at."""
        return tuple(value for value in (self.black, self.ceiling) if value is not None)


@dataclass
class Ends:
    """The ends of many planes' values.

    Parameters
    ----------
    blacks, ceilings
        All that were found.
    """

    blacks: set[float] = field(default_factory=set)
    ceilings: set[float] = field(default_factory=set)

    def add(self, clipping: Clipping) -> None:
        """Add those of one plane."""
        self.blacks |= set() if clipping.black is None else {clipping.black}
        self.ceilings |= set() if clipping.ceiling is None else {clipping.ceiling}

    def notices(self, marks: Float64[np.ndarray, "bins 5"]) -> tuple[str, ...]:
        """Report where pixels are clipped, if they are in any bin.

        Parameters
        ----------
        marks
            How many pixels of a bin have each mark, from 0 to `CEILING`.

        Examples
        --------
        >>> Ends({0.0}, {255.0}).notices(np.array([[90.0, 0.0, 0.0, 0.0, 10.0]]))
        ('Pixels pile up at 255, the end of the range of the camera or the file.',)
        """
        enough = CLIPPED_SHARE * marks.sum(axis=1)
        ends = set[float]()
        if (marks[:, CEILING] > enough).any():
            ends |= self.ceilings
        if (clipped_at_black(marks[:, 1:4]) & (marks[:, 1] > enough)).any():
            ends |= self.blacks
        if not ends:
            return ()
        listed = " and ".join(f"{value:g}" for value in sorted(ends)[:4])
        return (f"Pixels pile up at {listed}, the end of the range of the camera or the file.",)


def find_clipping(pixels: Float64[np.ndarray, "y x"], kind: "np.dtype[np.generic]") -> Clipping:
    """Find the ceiling and the black of a plane, if it has them.

    They are the limits of its type (0 of the unsigned ones), and its least or greatest value
    where more pixels hold it than the next one: a histogram's natural tail thins out, but a 12-bit
    camera in a 16-bit file piles up at 4095.

    Parameters
    ----------
    pixels
        One plane.
    kind
        The type that the pixels came in.

    Examples
    --------
    >>> plane = np.array([[0.0, 1.0, 5.0, 255.0]])
    >>> found = find_clipping(plane, np.dtype(np.uint8))
    >>> found.values, found.marks
    ((0.0, 255.0), array([[1, 2, 3, 4]], dtype=uint8))
    """
    marks = np.zeros(pixels.shape, dtype=np.uint8)
    if pixels.size == 0:
        return Clipping(marks)
    black = ceiling = None
    least, greatest = float(pixels.min()), float(pixels.max())
    unsigned = kind.kind == "u" and least == 0
    if unsigned or _piles_up(pixels, least, _next_greater(pixels, least)):
        black = least
        at: float | None = least
        for mark in (1, 2, 3):
            marks[pixels == at] = mark
            at = None if at is None else _next_greater(pixels, at)
    full = kind.kind in "ui" and greatest == np.iinfo(kind).max  # type: ignore[type-var]
    if greatest > least and (full or _piles_up(pixels, greatest, _next_less(pixels, greatest))):
        ceiling = greatest
        marks[pixels == greatest] = CEILING
    return Clipping(marks, black, ceiling)


def clipped_at_black(
    counts: Float64[np.ndarray, "*bins 3"],
) -> Bool[np.ndarray, "*bins"]:
    r"""Tell whether pixels at black were clipped there, or only counted no photon.

    Where photons are counted at one rate λ, the fractions of its values are p₀ = exp(−λ), p₁ = λp₀
    and p₂ = ½λ²p₀, so that 2p₀p₂ = p₁² whatever the rate and the units; where rates are mixed,
    it is somewhat more. What a Gaussian tail loses at black is all at p₀, and 2p₀p₂ is many
    times p₁².

    Parameters
    ----------
    counts
        How many pixels of a bin have the least value and the two next ones.

    Examples
    --------
    >>> clipped_at_black(np.array([[368.0, 368.0, 184.0], [500.0, 40.0, 39.0]]))
    array([False,  True])
    """
    none, one, two = np.moveaxis(counts, -1, 0)
    # few may be many by chance; and where there are ones but no twos, nothing was clipped
    certain = np.maximum(two - 2 * np.sqrt(two), 0) + 0.5 * (one < _FEWEST)
    found: NDArray[np.bool_] = (
        2 * np.maximum(none - 2 * np.sqrt(none), 0) * certain > _EXCESS * (one + 1) ** 2
    )
    return found


def clipped_counts(marks: Float64[np.ndarray, "bins 5"]) -> Float64[np.ndarray, " bins"]:
    """Return how many pixels of each bin are clipped.

    Neighbouring bins are clipped at black together or not at all: five of them decide for the
    middle one, where one alone might hide it by chance.

    Parameters
    ----------
    marks
        How many pixels of a bin have each mark, from 0 to `CEILING`; darkest bin first.

    Examples
    --------
    >>> clipped_counts(np.array([[0.0, 368.0, 368.0, 184.0, 5.0]]))
    array([5.])
    >>> clipped_counts(np.array([[0.0, 500.0, 40.0, 39.0, 0.0], [0.0, 95.0, 66.0, 59.0, 0.0]]))
    array([500.,  95.])
    """
    around = ndimage.convolve1d(marks[:, 1:4], np.ones(_TOGETHER), axis=0, mode="constant")
    clipped: NDArray[np.float64] = marks[:, CEILING] + np.where(
        clipped_at_black(around), marks[:, 1], 0.0
    )
    return clipped


def _next_greater(pixels: NDArray[np.float64], value: float) -> float | None:
    others = pixels[pixels > value]
    return float(others.min()) if others.size else None


def _next_less(pixels: NDArray[np.float64], value: float) -> float | None:
    others = pixels[pixels < value]
    return float(others.max()) if others.size else None


def _piles_up(pixels: NDArray[np.float64], end: float, inside: float | None) -> bool:
    held = np.count_nonzero(pixels == end)
    return inside is not None and bool(
        held >= _FEWEST and held > np.count_nonzero(pixels == inside)
    )
