"""A restored image, as the user gets it."""

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32
from numpy.typing import DTypeLike

from ladderscope.errors import LadderscopeError
from ladderscope.evaluation.calibration import Calibration
from ladderscope.evaluation.checks import Check, Light, light_of
from ladderscope.evaluation.reliability import interval_factor
from ladderscope.evaluation.spread import Factor
from ladderscope.files import OutputError, check_writable, stem, taken
from ladderscope.images import Acquisition, cast_to, write_image
from ladderscope.images.acquisition import UNKNOWN
from ladderscope.images.output import Compression
from ladderscope.images.stored import Pixels, without_dimension
from ladderscope.images.write import check_replaced, remove_written
from ladderscope.models.interval_record import interval_record
from ladderscope.models.provenance import provenance
from ladderscope.names import IMAGE
from ladderscope.words import counted


@dataclass(frozen=True, eq=False)
class Restoration:
    """The restoration of one image, in its intensity units; a split has those of each channel.

    One that was written to a file (`out` of `predict`) reads its arrays from there, part by part,
    where they are indexed.

    Attributes
    ----------
    mean : array
        The MMSE estimate: the mean over posterior samples, or, with ``samples=0``, the decoded
        posterior means. float32, with the axes of the image; a split has C first.
    std : array or None
        The standard deviation of the signal. For a denoiser that of the posterior samples, or as
        predicted with ``samples=0``; for a split the predicted variance of the decoder is added.
        None for a denoiser with one sample, and where nothing is predicted: by models of earlier
        versions, of other software and of interrupted training. Calibrated where the model is.
    axes : str
        One letter per dimension.
    name : str
        The name of the image.
    pixel_size : (float, float), optional
        Height and width of a pixel, in micrometres.
    channel_names : tuple of str, optional
        One per channel.
    samples : int
        Number of posterior samples.
    residual : array, optional
        What the channels of a split leave unexplained: the image minus the weighted sum of the
        means, with the black levels of the model. It has the units and the axes of the image.
    acquisition : Acquisition
        Further metadata of the image's file.
    checks : tuple of Check
        What checks without a clean image found: see `ladderscope.evaluation.checks`. Empty where
        nothing could be checked.
    calibration : tuple of Calibration
        How `std` was calibrated, one per channel; empty if it was not.
    """

    mean: Float32[Any, "..."]
    std: Float32[Any, "..."] | None
    axes: str
    name: str = "image"
    pixel_size: tuple[float, float] | None = None
    channel_names: tuple[str, ...] | None = None
    samples: int = 0
    residual: Float32[Any, "..."] | None = None
    acquisition: Acquisition = UNKNOWN
    checks: tuple[Check, ...] = ()
    calibration: tuple[Calibration, ...] = ()

    @property
    def light(self) -> Light | None:
        """The light of the gravest check: green, amber or red; None if nothing was checked."""
        return light_of(self.checks)

    def interval(
        self, level: float = 0.9
    ) -> tuple[Float32[np.ndarray, "..."], Float32[np.ndarray, "..."]]:
        """Give the lower and the upper image between which the signal of each pixel lies.

        The interval is symmetric around the mean. Where the model is calibrated, its width is the
        one that contained this fraction of the pixels there. Otherwise it is that of Student's t
        for the number of samples, times √(1 + 1/samples), which is right if the samples are drawn
        from the true posterior. The samples are not kept, so that their quantiles are not used.
        Each pixel has its own interval: that the whole signal lies between the two images is far
        less probable.

        Parameters
        ----------
        level : float
            The probability, between 0 and 1.

        Returns
        -------
        (array, array)
            Of the shape and in the units of the mean.

        Raises
        ------
        LadderscopeError
            There is no standard deviation, or the level is not between 0 and 1.

        Examples
        --------
        >>> flat = np.full((2, 2), 10.0, np.float32)
        >>> lower, upper = Restoration(flat, flat / 10, "YX", samples=16).interval(0.9)
        >>> print(lower[0, 0].round(2), upper[0, 0].round(2))
        8.19 11.81
        """
        if self.std is None:
            raise LadderscopeError(
                f"{self.name} has no error bars, because it was restored with "
                f"{counted(self.samples, 'sample')}: restore it with samples=2 or more, better 16"
            )
        along_channels = [-1 if letter == "C" else 1 for letter in self.axes]
        factors = np.array([factor(level) for factor in self.factors], np.float32)
        mean, half = np.asarray(self.mean), np.asarray(self.std) * factors.reshape(along_channels)
        return mean - half, mean + half

    @property
    def factors(self) -> tuple[Factor, ...]:
        """What gives, for a level, the half width of the intervals in standard deviations.

        One per channel. `ladderscope.evaluation.evaluate` takes them to judge these intervals.

        Examples
        --------
        >>> flat = np.full((2, 2), 10.0, np.float32)
        >>> (factor,) = Restoration(flat, flat / 10, "YX", samples=16).factors
        >>> round(factor(0.9), 3)
        1.807
        """
        if self.calibration:
            return tuple(partial(one.multiplier, samples=self.samples) for one in self.calibration)
        samples = self.samples if self.samples > 1 else None
        channels = self.mean.shape[self.axes.index("C")] if "C" in self.axes else 1
        return (partial(interval_factor, samples=samples),) * channels

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        spread_path: str | os.PathLike[str] | None = None,
        residual_path: str | os.PathLike[str] | None = None,
        dtype: DTypeLike = np.float32,
        overwrite: bool = False,
        compression: Compression | None = None,
        how: str = "",
        source: str | os.PathLike[str] | None = None,
    ) -> list[Path]:
        """Write the mean as an OME-TIFF or OME-Zarr, and spread and residual, if any, beside it.

        The mean is written last: if it exists, so do the others.

        Parameters
        ----------
        path : path
            File for the mean, such as ``"a_restored.ome.tif"``: a .tif or .tiff file, or, as an
            OME-Zarr, a .zarr folder.
        spread_path : path, optional
            File for the spread; by default beside `path`, with ``_spread`` in place of
            ``_restored``, or at the end of the name.
        residual_path : path, optional
            File for the residual of a split; by default beside `path`, likewise with
            ``_residual``. It has no C axis.
        dtype : dtype
            Type of the pixels of the mean; integers are clipped and rounded. The spread and the
            residual are float32.
        overwrite : bool
            Whether to replace existing files, and of folders, OME-Zarr that Ladderscope wrote.
        compression : {"none", "deflate", "zstd"}, optional
            By default, a TIFF is not compressed, and an OME-Zarr is with zstd.
        how : str
            How the image was restored, such as the number of samples; written to the metadata of
            the mean.
        source : path, optional
            The file that was restored; where it lies from the folder of the mean is written to the
            metadata of the mean.

        Returns
        -------
        list of Path
            The files written.

        Raises
        ------
        OutputError
            A file already exists, is not named as an image, or cannot be written.
        """
        path = IMAGE.file(path)
        outputs = [
            _Output(
                path,
                cast_to(self.mean, dtype),
                self.axes,
                self.channel_names,
                provenance(how, source, path),
            )
        ]
        if self.std is not None:
            spread = beside(path, "spread") if spread_path is None else IMAGE.file(spread_path)
            text = self._about_std()
            outputs.append(_Output(spread, self.std, self.axes, self.channel_names, text))
        if self.residual is not None:
            residual = (
                beside(path, "residual") if residual_path is None else IMAGE.file(residual_path)
            )
            axes, pixels = self._residual_without_channels(self.residual)
            text = "residual: the image minus the sum of the restored channels"
            outputs.append(_Output(residual, pixels, axes, None, text))
        files = [output.path for output in outputs]
        before = [file for file in files if taken(file)]
        if before and not overwrite:
            raise OutputError(
                f"{', '.join(map(str, before))} already exists: choose another name or pass "
                "overwrite=True"
            )
        for file in files:
            check_replaced(file)
        check_writable(files)
        written: list[Path] = []
        try:
            for output in reversed(outputs):
                self._write(output, overwrite, compression)
                written.append(output.path)
        except BaseException:
            for file in written:
                if file not in before:
                    remove_written(file)  # of no use without the others
            raise
        return files

    def _about_std(self) -> str:
        """Describe the standard deviation, for the metadata of its file."""
        samples = counted(self.samples, "posterior sample")
        source = f"from {samples}" if self.samples else "predicted in a single pass"
        said = " ".join(dict.fromkeys(one.summary() for one in self.calibration))
        return (
            f"standard deviation of the signal, {source}. {said or 'Not calibrated.'} "
            f"{interval_record(self.factors)}"
        )

    def _write(self, output: "_Output", overwrite: bool, compression: Compression | None) -> None:
        write_image(
            output.path,
            output.pixels,
            output.axes,
            pixel_size=self.pixel_size,
            channel_names=output.channel_names,
            acquisition=self.acquisition.of_channels(output.channels),
            overwrite=overwrite,
            description=output.text,
            compression=compression,
        )

    def _residual_without_channels(self, residual: Pixels) -> tuple[str, Pixels]:
        """Remove the C axis, which has length 1 where the image had one."""
        axes, shape = self.axes.replace("C", ""), tuple(residual.shape)
        if len(shape) == len(axes):
            return axes, residual
        sizes = zip(self.axes, self.mean.shape, strict=True)
        wanted = tuple(size for letter, size in sizes if letter != "C")
        at = next(at for at in range(len(shape)) if shape[:at] + shape[at + 1 :] == wanted)
        return axes, without_dimension(residual, at)


class _Output(NamedTuple):
    path: Path
    pixels: Pixels
    axes: str
    channel_names: tuple[str, ...] | None
    text: str

    @property
    def channels(self) -> int:
        return self.pixels.shape[self.axes.index("C")] if "C" in self.axes else 1


def beside(path: Path, what: str) -> Path:
    """Name the file of a spread or a residual by that of its restoration.

    Examples
    --------
    >>> beside(Path("a_restored.ome.tif"), "spread").name, beside(Path("b.TIF"), "residual").name
    ('a_spread.ome.tif', 'b_residual.TIF')
    """
    base = stem(path)
    return path.with_name(f"{base.removesuffix('_restored')}_{what}{path.name[len(base) :]}")
