r"""How the noise is correlated between the planes of a stack, by the noisy images alone.

The second differences d of `neighbourhoods` are blind to smooth structure within a plane, and the
correlation of planes that lie k apart is

    ρ(k) = Σ d(z) d(z + k) / Σ ½ (d(z)² + d(z + k)²),

which holds exactly where the noise is correlated along Z in the same way at all scales of a plane.
Fine structure is correlated along Z, too: the flattest tenth of the pixels measures, where the ring
around each of them decides, and what the correlation grows by where it is rougher is not believed.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float64, Real
from numpy.typing import NDArray
from scipy import ndimage

from ladderscope.images.stored import Pixels
from ladderscope.noise.coloured import neighbours
from ladderscope.noise.model import NoiseModel
from ladderscope.noise_estimation.checked import clean_plane
from ladderscope.noise_estimation.neighbourhoods import WINDOW, neighbourhoods, not_outlying

_REACH = 5  # planes
_RUNS = 8  # of neighbouring planes, in all stacks together
_LARGEST = 1024  # pixels along a side of a plane
_FLATTEST, _ROUGHER = 0.1, 0.4  # as in `colour`
_FEWEST = 200  # pixels
_GROUPS = 16  # of pixels, for the error
_CORRELATED = 0.2
_STANDARD_ERRORS = 3.0
_NOT_DECAYED = 0.1

_Array = NDArray[np.float64]


@dataclass(frozen=True)
class AlongZ:
    """Correlation of the noise of a pixel with that of the same pixel in other planes.

    Parameters
    ----------
    correlations
        With the next plane, the second next, and so on, up to five planes away.
    error
        The greatest standard error.
    rougher
        Correlation with the next plane where the image is less flat.
    pixels
        Number of pixels of a plane that were measured.
    """

    correlations: tuple[float, ...]
    error: float
    rougher: float
    pixels: int

    @property
    def next_plane(self) -> float:
        """Correlation with the next plane."""
        return self.correlations[0]

    @property
    def is_noise(self) -> bool:
        """Whether the noise is certainly correlated along Z, so much that it matters.

        Structure and the fixed pattern of a camera extend over many planes, and structure grows
        with the roughness.
        """
        far = self.correlations[-1] if len(self.correlations) == _REACH else 0.0
        grown = max(0.0, self.rougher - self.next_plane)
        decays = abs(far) <= max(_NOT_DECAYED, self._by_chance)
        return decays and abs(self.next_plane) - grown > max(_CORRELATED, self._by_chance)

    @property
    def is_doubtful(self) -> bool:
        """Whether planes are correlated in a way that structure may have made."""
        return not self.is_noise and abs(self.next_plane) > max(_CORRELATED, self._by_chance)

    @property
    def _by_chance(self) -> float:
        return _STANDARD_ERRORS * self.error

    def autocorrelation(self) -> Float64[np.ndarray, " z"]:
        """Give the correlation at all distances, 1 in the middle, without those that are chance.

        Examples
        --------
        >>> AlongZ((0.5, 0.01), 0.01, 0.5, 100).autocorrelation()
        array([0.5, 1. , 0.5])
        """
        certain = np.flatnonzero(np.abs(self.correlations) > self._by_chance)
        one_side = self.correlations[: max(certain, default=-1) + 1]
        return np.array([*one_side[::-1], 1.0, *one_side])


def measure_along_z(stacks: Iterable[Pixels], law: NoiseModel) -> AlongZ | None:
    """Measure the correlation of the noise between the planes of stacks.

    Parameters
    ----------
    stacks
        Noisy stacks (z, y, x) of one channel. Of all of them together, up to eight runs of six
        neighbouring planes are read, evenly chosen, and of large planes the middle.
    law
        How the variance grows with the signal; its size does not matter.

    Returns
    -------
    AlongZ or None
        None where there are no neighbouring planes, or too few pixels that can be measured.

    Examples
    --------
    >>> from ladderscope.noise import Gaussian
    >>> white = np.random.default_rng(0).normal(100.0, 3.0, (6, 256, 256))
    >>> found = measure_along_z([(white[1:] + white[:-1]) / 2], Gaussian(3.0))
    >>> found.is_noise, [f"{one:.1f}" for one in np.abs(found.correlations)]
    (True, ['0.5', '0.0', '0.0', '0.0'])
    """
    runs = [
        (stack, first) for stack in stacks for first in range(0, stack.shape[0] - 1, _REACH + 1)
    ]
    chosen = runs[:: -(-len(runs) // _RUNS) or 1]
    found = [_run(_middle(stack, first), law) for stack, first in chosen]
    pixels = sum(one.pixels for one in found)
    if pixels < _FEWEST:
        return None
    groups = np.sum([one.flat for one in found], axis=0)
    total = groups.sum(axis=0)
    reach = np.count_nonzero(total[1])
    left_out = _correlations(total - groups)[:, :reach]
    return AlongZ(
        correlations=tuple(_correlations(total)[:reach].tolist()),
        error=math.sqrt((_GROUPS - 1) * float(left_out.var(axis=0).max())),
        rougher=float(_correlations(np.sum([one.rougher for one in found], axis=0))[0]),
        pixels=pixels,
    )


def about_z(found: AlongZ | None, model: NoiseModel) -> str:
    """Say that planes are correlated otherwise than a noise model describes; "" if they are not.

    Examples
    --------
    >>> from ladderscope.noise import Gaussian
    >>> about_z(AlongZ((0.5, 0.0), 0.01, 0.5, 1000), Gaussian(3.0)).split(",")[0]
    'the noise is correlated along Z (0.50 with the next plane)'
    """
    if found is None or not (found.is_noise or found.is_doubtful):
        return ""
    _, _, described = neighbours(np.asarray(getattr(model, "autocorrelation", np.ones((1, 1)))))
    next_plane = f"{found.next_plane:.2f} with the next plane"
    if abs(found.next_plane - described) < _CORRELATED:
        return ""
    if found.is_doubtful:
        return (
            f"neighbouring planes are correlated along Z ({next_plane}), but this extends over "
            "many planes or is stronger where there is structure, so it may be structure or a "
            "fixed pattern of the camera. The noise is taken as independent along Z"
        )
    return (
        f"the noise is correlated along Z ({next_plane}), as after interpolation or deconvolution "
        f"of a stack, and the noise model has {described:.2f}: a 3-D model will keep most "
        "of it as if it were structure. Use the raw recording if you have it; otherwise "
        'noise="auto" (--noise auto), which measures this, or a 2-D model (dimensions=2), which '
        "restores each plane by itself"
    )


class _Run(NamedTuple):
    """Sums over the flatter pixels of some neighbouring planes."""

    flat: _Array  # (groups, 2, distances): of d d′, and of their squares, where it is flattest
    rougher: _Array  # (2, distances): and where it is less flat
    pixels: int  # of the flattest


def _middle(stack: Pixels, first: int) -> Real[np.ndarray, "z y x"]:
    """Read the middle of neighbouring planes."""
    starts = [max(0, (size - _LARGEST) // 2) for size in stack.shape[1:]]
    rows, columns = (slice(start, start + _LARGEST) for start in starts)
    planes: Real[np.ndarray, "z y x"] = stack[first : first + _REACH + 1, rows, columns]
    return planes


def _run(planes: Real[np.ndarray, "z y x"], law: NoiseModel) -> _Run:
    """Measure neighbouring planes."""
    nothing = _Run(np.zeros((_GROUPS, 2, _REACH)), np.zeros((2, _REACH)), 0)
    if min(planes.shape[1:]) < WINDOW:
        return nothing
    looks = [_look(plane, law) for plane in planes]
    differences, roughness, usable = (np.stack(part) for part in zip(*looks, strict=True))
    order = np.flatnonzero(usable.all(axis=0))
    if order.size < _FEWEST:
        return nothing
    order = order[np.argsort(roughness.sum(axis=0)[order], kind="stable")]
    flat, *_ = parts = np.split(
        order, [math.ceil(one * order.size) for one in (_FLATTEST, _ROUGHER)]
    )
    sums = [_sums(differences[:, np.sort(part)]) for part in parts[:2]]
    return _Run(sums[0], sums[1].sum(axis=0), flat.size)


def _look(plane: Real[np.ndarray, "y x"], law: NoiseModel) -> tuple[_Array, _Array, _Array]:
    """Give each pixel's second difference, the roughness around it, and whether it is usable."""
    clean = clean_plane(plane)
    around = neighbourhoods(clean.pixels, clean.clips, None)
    variance = law.moments(torch.from_numpy(around.means))[1].numpy()
    difference = clean.pixels
    for axis in range(2):
        difference = ndimage.correlate1d(difference, [1.0, -2.0, 1.0], axis)
    usable = around.usable
    if clean.artefacts is not None:
        usable &= ~around.inner(ndimage.maximum_filter(clean.artefacts, WINDOW))
    return around.inner(difference) / np.sqrt(variance), around.roughness / variance, usable


def _sums(
    differences: Float64[np.ndarray, "z pixels"],
) -> Float64[np.ndarray, "groups 2 distances"]:
    """Sum products and squares; neighbours in the image go into one group, for the errors."""
    sums = np.zeros((_GROUPS, 2, _REACH))
    kept = np.all([not_outlying(one**2) for one in differences], axis=0)
    for group, part in zip(
        sums, np.array_split(differences[:, kept], _GROUPS, axis=1), strict=True
    ):
        for apart in range(1, len(part)):
            one, other = part[:-apart], part[apart:]
            group[:, apart - 1] = (one * other).sum(), (one**2 + other**2).sum() / 2
    return sums


def _correlations(products: Float64[np.ndarray, "*groups 2 distances"]) -> _Array:
    """Give the correlations at all distances."""
    products, squares = products[..., 0, :], products[..., 1, :]
    correlations: _Array = np.divide(
        products, squares, out=np.zeros_like(squares), where=squares > 0
    )
    return correlations
