"""The filters that whiten correlated noise, applied to images."""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float64, Real
from torch import Tensor

from ladderscope.losses.precision import at_least_float32
from ladderscope.noise.entries import NoiseError
from ladderscope.noise.spectrum import border_deviations, log_determinant, whitening_filter

_CONVOLUTIONS = {2: torch.nn.functional.conv2d, 3: torch.nn.functional.conv3d}


class Whitening(NamedTuple):
    """A filter that whitens noise.

    Attributes
    ----------
    taps
        Of odd sides, the origin at the centre.
    border
        The standard deviation that it leaves near the borders: see `border_deviations`.
    log_determinant
        Per pixel.
    """

    taps: Float64[Tensor, "..."]
    border: Float64[Tensor, "..."]
    log_determinant: float

    def apply(self, residual: Real[Tensor, "..."]) -> tuple[Tensor, Tensor]:
        """Give the whitened residual, and what it was divided by at each pixel.

        A plane alone, of noise that is correlated along Z too, counts as a stack of one.
        """
        residual = at_least_float32(residual)
        axes = self.taps.ndim
        if residual.ndim == 2 and axes == 3:
            whitened, border = self.apply(residual[None])
            return whitened[0], border[0]
        if residual.ndim < axes:
            raise NoiseError(
                f"noise that is correlated along {axes} axes needs images of as many; found the "
                f"shape {tuple(residual.shape)}"
            )
        if not residual.numel():
            return residual, torch.ones_like(residual)
        taps, border = (part.to(residual) for part in (self.taps, self.border))
        for axis, side in enumerate(taps.shape):
            size, reach = residual.shape[axis - axes], side // 2
            position = torch.arange(size, device=residual.device)
            where = position.clamp(max=reach) - (size - 1 - position).clamp(max=reach) + reach
            border = border.index_select(axis, where)
        # As channels, which is forty times faster than as a batch. An autocast would filter in half
        # precision.
        images = residual.reshape(-1, *residual.shape[-axes:])
        with torch.autocast(residual.device.type, enabled=False):
            filtered = _CONVOLUTIONS[axes](
                images[None],
                taps.expand(len(images), 1, *taps.shape),
                padding=tuple(side // 2 for side in taps.shape),
                groups=len(images),
            )
        return filtered.reshape(residual.shape) / border, border


def whitening(spectrum: Float64[np.ndarray, "..."]) -> Whitening:
    """Make the filter that whitens noise of a spectrum.

    Parameters
    ----------
    spectrum
        Positive, periodic, its origin at the first element.

    Examples
    --------
    >>> whitening(np.ones((1, 1))).log_determinant
    0.0
    """
    taps = whitening_filter(spectrum)
    border = border_deviations(taps, spectrum)
    return Whitening(torch.from_numpy(taps), torch.from_numpy(border), log_determinant(taps))
