"""A restored image, as it is handed to the user."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32
from numpy.typing import DTypeLike

from ladderscope.files import OutputError, stem
from ladderscope.images import cast_to, write_image


@dataclass(frozen=True, eq=False)
class Restoration:
    """The restoration of one image, in the intensity units of the image.

    Attributes
    ----------
    mean : array
        The MMSE estimate: the mean over posterior samples, or, with ``samples=0``, the decoded
        posterior means. float32, with the axes of the image.
    std : array or None
        The spread of posterior samples (uncalibrated): their standard deviation. None when
        fewer than two samples were drawn.
    axes : str
        One letter a dimension.
    name : str
        The name of the image.
    pixel_size : (float, float), optional
        Height and width of a pixel, in micrometres.
    channel_names : tuple of str, optional
        One a channel.
    samples : int
        How many posterior samples were drawn.
    """

    mean: Float32[np.ndarray, "..."]
    std: Float32[np.ndarray, "..."] | None
    axes: str
    name: str = "image"
    pixel_size: tuple[float, float] | None = None
    channel_names: tuple[str, ...] | None = None
    samples: int = 0

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        spread_path: str | os.PathLike[str] | None = None,
        dtype: DTypeLike = np.float32,
        overwrite: bool = False,
    ) -> list[Path]:
        """Write the mean as an OME-TIFF and, where there is one, the spread beside it.

        Parameters
        ----------
        path : path
            Where the mean goes, such as ``"a_restored.ome.tif"``.
        spread_path : path, optional
            Where the spread goes; by default beside `path`, with ``_spread`` in its name
            in place of ``_restored`` or after the rest.
        dtype : dtype
            Type of the pixels of the mean; integers are clipped and rounded. The spread is
            float32.
        overwrite : bool
            Whether files that exist may be replaced.

        Returns
        -------
        list of Path
            What was written.

        Raises
        ------
        OutputError
            A file exists already, or cannot be written.
        """
        path = Path(path)
        outputs = [(path, cast_to(self.mean, dtype), "restored by Ladderscope")]
        if self.std is not None:
            spread = Path(spread_path) if spread_path is not None else spread_beside(path)
            text = f"spread of {self.samples} posterior samples (uncalibrated)"
            outputs.append((spread, self.std, text))
        taken = [str(output) for output, _, _ in outputs if output.exists()]
        if taken and not overwrite:
            raise OutputError(
                f"{', '.join(taken)} exists already: choose another name, or overwrite"
            )
        for output, pixels, text in outputs:
            write_image(
                output,
                pixels,
                self.axes,
                pixel_size=self.pixel_size,
                channel_names=self.channel_names,
                overwrite=overwrite,
                description=text,
            )
        return [output for output, _, _ in outputs]


def spread_beside(path: Path) -> Path:
    """Name the file of a spread by that of its restoration.

    Examples
    --------
    >>> spread_beside(Path("a_restored.ome.tif")).name, spread_beside(Path("b.TIF")).name
    ('a_spread.ome.tif', 'b_spread.TIF')
    """
    base = stem(path)
    return path.with_name(f"{base.removesuffix('_restored')}_spread{path.name[len(base) :]}")
