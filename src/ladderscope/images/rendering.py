"""How a viewer is to show an image at first: the range of intensities and the colours."""

import math
from typing import Any

import numpy as np
from jaxtyping import Shaped

from ladderscope.images.output import Output

_WANTED = 2**20  # pixels of a channel, from all over the image, whose quantiles are taken
_QUANTILES = 0.001, 0.999
_ALONE = "FFFFFF"
_COLOURS = ("00FF00", "FF00FF", "00FFFF", "FFFF00", "FF0000", "0000FF")


class Intensities:
    """The range of intensities of every channel, gathered while the image is written.

    Parameters
    ----------
    output
        The image.

    Examples
    --------
    >>> from pathlib import Path
    >>> pixels = np.arange(1000.0).reshape(10, 100)
    >>> found = Intensities(Output(Path("a.zarr"), pixels, "YX"))
    >>> found.add(pixels, 0)
    >>> found.window(0)
    {'min': 0.0, 'max': 999.0, 'start': 0.999, 'end': 998.001}
    """

    def __init__(self, output: Output) -> None:
        of_channel = math.prod(output.pixels.shape) / max(1, output.channels)
        self._stride = max(1, math.ceil(math.sqrt(of_channel / _WANTED)))
        self._some: list[list[Shaped[np.ndarray, " n"]]] = [[] for _ in range(output.channels)]
        self._extremes: list[list[float]] = [[] for _ in range(output.channels)]

    def add(self, block: Shaped[np.ndarray, "... y x"], channel: int) -> None:
        """Take in a part of a channel; NaN and infinity are left out.

        Parameters
        ----------
        block
            The pixels.
        channel
            Which channel they are of.
        """
        finite = block[np.isfinite(block)] if block.dtype.kind == "f" else block
        if finite.size:
            known = self._extremes[channel]
            self._extremes[channel] = [
                min([*known[:1], finite.min().item()]),
                max([*known[1:], finite.max().item()]),
            ]
        some = block[..., :: self._stride, :: self._stride].ravel()
        self._some[channel].append(some[np.isfinite(some)])

    def window(self, channel: int) -> dict[str, float]:
        """Give the range of a channel, and the part of it that is shown.

        Parameters
        ----------
        channel
            Which channel.

        Returns
        -------
        dict
            The lowest and the highest value as ``min`` and ``max``. ``start`` and ``end`` leave out
            a thousandth at each end.
        """
        lowest, highest = self._extremes[channel] or (0.0, 1.0)
        some = [values for values in self._some[channel] if values.size] or [np.zeros(1)]
        shown = np.quantile(np.concatenate(some).astype(np.float64), _QUANTILES)
        start, end = (float(f"{value:.6g}") for value in shown)
        if end <= start:
            end = start + 1
        return {"min": lowest, "max": highest, "start": start, "end": end}


def rendering_of(output: Output, intensities: Intensities) -> dict[str, Any]:
    """Write the rendering of an image as OMERO does.

    Parameters
    ----------
    output
        The image. Channels without colours are white if there is one, else green, magenta and so
        on.
    intensities
        Its intensities.
    """
    colours = [
        bytes(colour).hex().upper() for colour in output.acquisition.channel_colours or ()
    ] or ([_ALONE] if output.channels == 1 else _COLOURS)
    names = output.channel_names or ()
    channels = [
        {
            **({"label": names[number]} if names else {}),
            "color": colours[number % len(colours)],
            "window": intensities.window(number),
            "active": True,
        }
        for number in range(output.channels)
    ]
    depth = output.pixels.shape[output.axes.index("Z")] if "Z" in output.axes else 1
    model = "greyscale" if output.channels == 1 else "color"
    return {
        "channels": channels,
        "rdefs": {"defaultT": 0, "defaultZ": depth // 2, "model": model},
    }
