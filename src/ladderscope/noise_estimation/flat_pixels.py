"""Pixels in flat surroundings, kept one by one: what shows the shape of the noise's distribution.

A pixel's brightness is the mean of the ring around it, as in `neighbourhoods`; its own value has no
part in that, nor in the choice of flat surroundings.
"""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float32, UInt8
from numpy.typing import NDArray
from scipy import ndimage

from ladderscope.noise_estimation.checked import CleanPlane
from ladderscope.noise_estimation.clipping import Ends
from ladderscope.noise_estimation.intensity_bins import GROUPS, dealt_groups
from ladderscope.noise_estimation.neighbourhoods import WINDOW, neighbourhoods
from ladderscope.noise_estimation.repeats import Pair

_FLATTEST = 2 / 3
_CROWD = 300  # pixels of about one brightness, of which the flattest are chosen
_MOST_OF_A_PLANE = 200_000
_MOST = 2_000_000  # pixels, 26 MB

_Array = NDArray[np.float64]


@dataclass
class FlatPixels:
    """Pixels of any number of planes, in bounded memory.

    Parameters
    ----------
    ends
        Where the values of the planes end.

    Examples
    --------
    >>> from ladderscope.noise_estimation.checked import clean_plane
    >>> pixels = FlatPixels()
    >>> pixels.add(clean_plane(np.random.default_rng(0).normal(100.0, 3.0, (64, 64))), 0)
    >>> pixels.values.size
    2242
    """

    ends: Ends = field(default_factory=Ends)
    _brightness: list[NDArray[np.float32]] = field(default_factory=list)
    _values: list[NDArray[np.float32]] = field(default_factory=list)
    _neighbours: list[NDArray[np.float32]] = field(default_factory=list)
    _groups: list[NDArray[np.uint8]] = field(default_factory=list)

    def add(self, plane: CleanPlane, number: int) -> None:
        """Add pixels of a plane: the flatter two thirds at each brightness.

        Parameters
        ----------
        plane
            One smaller than the window adds nothing.
        number
            Of the plane: from there the groups are dealt.
        """
        if min(plane.pixels.shape) < WINDOW:
            return
        around = neighbourhoods(plane.pixels, plane.clips, plane.artefacts)
        groups = dealt_groups(plane.pixels.shape, number)
        if around.whole is not None:
            groups = groups[around.whole]
        if groups.size == 0:
            return
        self.ends.add(plane.clipping)
        order = np.argsort(around.signals, kind="stable")
        kept = []
        for crowd in np.array_split(order, max(1, order.size // _CROWD)):
            keep = max(1, round(_FLATTEST * crowd.size))
            kept.append(crowd[np.argpartition(around.roughness[crowd], keep - 1)[:keep]])
        chosen = np.concatenate(kept)
        chosen = chosen[:: -(-chosen.size // _MOST_OF_A_PLANE)]
        inner = 9 / 8 * ndimage.uniform_filter(plane.pixels, 3) - plane.pixels / 8
        self._keep(
            around.signals[chosen],
            around.inner(plane.pixels)[chosen],
            around.inner(inner)[chosen],
            groups[chosen],
        )

    def add_pair(self, pair: Pair, number: int) -> None:
        """Add pixels of a plane whose signal is known.

        Parameters
        ----------
        pair
            Its signal, or the signal around each pixel, is the brightness.
        number
            Of the plane: from there the groups are dealt, stripe by stripe.
        """
        values = pair.observation if pair.recorded is None else pair.recorded
        # the signal shows its own variance; what lies around it does not show all of that
        signal = pair.signal if pair.around is None else np.full(values.shape, np.nan)
        brightness = pair.signal if pair.around is None else pair.around
        stripes = np.arange(values.size) * GROUPS // max(values.size, 1)
        self.ends.add(pair.clipping)
        chosen = slice(None, None, max(1, -(-values.size // _MOST_OF_A_PLANE)))
        brightness, values, signal = (part.ravel()[chosen] for part in (brightness, values, signal))
        self._keep(brightness, values, signal, stripes[chosen] + number)

    def _keep(
        self, brightness: _Array, values: _Array, neighbours: _Array, groups: NDArray[np.int64]
    ) -> None:
        """Keep pixels; every other one of all if there are too many."""
        self._brightness.append(brightness.astype(np.float32))
        self._values.append(values.astype(np.float32))
        self._neighbours.append(neighbours.astype(np.float32))
        self._groups.append((groups % GROUPS).astype(np.uint8))
        if sum(part.size for part in self._values) > _MOST:
            self._brightness = [part[::2] for part in self._brightness]
            self._values = [part[::2] for part in self._values]
            self._neighbours = [part[::2] for part in self._neighbours]
            self._groups = [part[::2] for part in self._groups]

    @property
    def brightness(self) -> Float32[np.ndarray, " pixels"]:
        """Mean of the ring around each pixel, camera units."""
        return np.concatenate([np.zeros(0, np.float32), *self._brightness])

    @property
    def values(self) -> Float32[np.ndarray, " pixels"]:
        """The pixels' own values, camera units."""
        return np.concatenate([np.zeros(0, np.float32), *self._values])

    @property
    def neighbours(self) -> Float32[np.ndarray, " pixels"]:
        """Mean of the eight neighbours of each pixel, or its signal; NaN if neither is known."""
        return np.concatenate([np.zeros(0, np.float32), *self._neighbours])

    @property
    def groups(self) -> UInt8[np.ndarray, " pixels"]:
        """The bootstrap's group of each pixel."""
        return np.concatenate([np.zeros(0, np.uint8), *self._groups])
