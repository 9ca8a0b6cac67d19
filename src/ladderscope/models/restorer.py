"""What a denoiser and a splitter have in common: training, prediction, and the model."""

import time
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Self

import numpy as np
from jaxtyping import Float32

from ladderscope.errors import LadderscopeError
from ladderscope.evaluation.calibration import Source
from ladderscope.evaluation.checks import Check
from ladderscope.images import Image, Sources, find_images, read_image, read_images
from ladderscope.images.artefacts import with_padding
from ladderscope.images.read import named_sources
from ladderscope.interruption import ShouldStop, stop_if
from ladderscope.machine import best_device, fast_type, usual_device
from ladderscope.memory import enough_memory
from ladderscope.models.building import geometry_of
from ladderscope.models.calibrating import (
    Compared,
    nothing_held_out,
    read_truths,
    with_truth,
    without_truth,
)
from ladderscope.models.checks import look_at, several
from ladderscope.models.config import Settings
from ladderscope.models.decodings import say_how_long
from ladderscope.models.findings import Findings
from ladderscope.models.matching import in_order_of_image
from ladderscope.models.restoration import Restoration
from ladderscope.models.restoring import (
    UNWATCHED,
    Fields,
    Job,
    LastLook,
    Restoring,
    Watched,
    drawn_fields,
    restored_fields,
)
from ladderscope.models.trained import Trained
from ladderscope.models.whole import whole_number
from ladderscope.prediction import Shown, limits
from ladderscope.progress import Listener, listener_of, part_of

_LESS_TO_RESTORE = (
    "restore part of the image or fewer planes at a time, or train a model with a smaller "
    "tile_core; device='cpu' may have more memory than a GPU"
)


class Restorer(Trained[Settings]):
    """A network that is trained, restores images and is saved: a `Denoiser` or a `Splitter`.

    Parameters
    ----------
    preset, noise, seed, device, **settings
        As of `Trained`.
    """

    handed_back: ClassVar[str]  # what happens to intensities beyond the limits
    instead: ClassVar[str]  # what the result holds where restoring failed

    @usual_device()
    def predict(
        self,
        images: Sources,
        axes: str | None = None,
        *,
        samples: int = 16,
        seed: int | None = None,
        progress: bool | Listener = False,
        should_stop: ShouldStop | None = None,
    ) -> Restoration | list[Restoration]:
        """Restore images: the MMSE estimate, and the standard deviation of the signal.

        Parameters
        ----------
        images : path, array, or several of them
            Images of any size. A list, pattern or folder gives a list of restorations.
        axes : str, optional
            As in `fit`.
        samples : int
            Number of posterior samples to average, best an even one: they are drawn in antithetic
            pairs. 0 decodes the posterior means in one pass, the fastest, and predicts `std`.
        seed : int, optional
            Random seed of the samples; by default the restorer's own.
        progress : bool or callable
            Whether to show a progress bar. A callable is called in the worker thread with the
            completed fraction (0 to 1) and a message.
        should_stop : callable, optional
            Called repeatedly without arguments; return True to stop. Another thread may set it.

        Returns
        -------
        Restoration, or list of Restoration
            See `Restoration`. A splitter's has a leading C axis, each channel in the units of its
            recordings, and a residual.

        Raises
        ------
        ImageError
            An image cannot be used.
        LadderscopeError
            The restorer is not trained, or was trained on another number of channels.
        StopRequested
            `should_stop` returned True (a `LadderscopeError` of `ladderscope.interruption`).
        """
        samples = whole_number(samples, "samples")
        seed = self.seed if seed is None else whole_number(seed, "seed")
        sources = list(named_sources(images, own_outputs=False))
        restored: list[Restoration] = []
        started = time.monotonic()
        with listener_of(progress) as report:
            for number, (source, name) in enumerate(sources):
                stop_if(should_stop, "restoring")
                image = self._looked_at(read_image(source, axes, name=name))
                part = part_of(report, number, len(sources))
                size = "×".join(map(str, image.shape))
                with enough_memory(f"restoring {image.name}, {size} pixels,", _LESS_TO_RESTORE):
                    watched = Watched(part, should_stop)
                    restored.append(self._restore(image, samples, seed, watched))
                if part is not None:
                    part(1.0, f"{image.name} is restored")
                if number == 0 and len(sources) > 1:
                    left = (time.monotonic() - started) * (len(sources) - 1)
                    say_how_long(f"the other {len(sources) - 1} images", left)
        return restored if several(images) else restored[0]

    @usual_device()
    @enough_memory("calibrating", _LESS_TO_RESTORE)
    def calibrate(
        self,
        observed: Sources | None = None,
        truth: Sources | None = None,
        axes: str | None = None,
        *,
        truth_axes: str | None = None,
        truth_frames: int | None = None,
        match: bool = False,
        samples: int = 16,
        seed: int | None = None,
        progress: bool | Listener = False,
        should_stop: ShouldStop | None = None,
    ) -> Self:
        """Scale the error bars to the errors that are found on images; `save` keeps that.

        With truth, intervals then contain, on average over images like these, the stated fraction
        of the pixels: see `ladderscope.evaluation.calibrate`. Several images are
        better than one, and none should have been trained on. Without truth, a denoiser is
        calibrated on noisy images alone, which may be those it was trained on: see
        `calibrate_without_truth` there. That widens error bars and never narrows them. An earlier
        calibration is replaced.

        A splitter that was just trained needs no arguments: it has held out recordings to add up.

        Parameters
        ----------
        observed : path, array, or several of them, optional
            As for `predict`.
        truth : path, array, or several of them, optional
            The true signal of each image, in its units and of its size; for a splitter with its
            channels along C.
        axes, truth_axes : str, optional
            As in `fit`; those of the truth are by default those of the images, with a leading C
            for a splitter.
        truth_frames : int, optional
            How many exposures like `observed` each truth is the average of: 1 for a second
            exposure of the same field. Their noise, known from the noise model, is subtracted. By
            default the truth is without noise; noise that it has makes the error bars too wide.
        match : bool
            Whether to fit the scale and the offset of the truth, if it has other units.
        samples : int
            Number of posterior samples, best as many as for `predict`.
        seed, progress, should_stop
            As for `predict`.

        Returns
        -------
        Denoiser or Splitter
            Itself. ``model.calibration`` has one `Calibration` per channel.

        Raises
        ------
        LadderscopeError
            Fewer than 2 samples or 1,000 pixels, a truth of another shape or in other units, or
            no truth where it is needed.
        """
        samples = whole_number(samples, "samples", least=2)
        seed = self.seed if seed is None else whole_number(seed, "seed")
        images: Sequence[Image]
        truths: Sequence[Image] | None = None
        source: Source = "second exposure" if truth_frames == 1 else "truth"
        if observed is None:
            images, truths, source = self._held_out or nothing_held_out(self.kind)
            truth_frames = 1 if self.model.noise_models else None
        else:
            images = [self._ready(image) for image in read_images(observed, axes, should_stop)]
        if truth is not None:
            same_axes = axes if self.kind == "denoiser" else axes and f"C{axes}"
            truths = read_truths(truth, truth_axes or same_axes, images)
        restoring = self._restoring()
        with listener_of(progress) as report:

            def restored(image: Image, before: float) -> Compared:
                stop_if(should_stop, "calibrating")
                if report is not None:
                    report(before, f"calibrating on {image.name}")
                fields, uncalibrated = self._fields(image), replace(restoring, calibration=())
                mean, std, _ = restored_fields(uncalibrated, fields, samples=samples, seed=seed)
                return Compared(fields, mean, np.zeros_like(mean) if std is None else std)

            if truths is None:
                calibration = without_truth(
                    self.model, images, restored, samples=samples, seed=seed
                )
            else:
                calibration = with_truth(
                    self.model,
                    images,
                    truths,
                    restored,
                    samples=samples,
                    source=source,
                    frames=truth_frames,
                    match=match,
                )
        self._model = replace(self.model, calibration=calibration)
        return self

    @usual_device()
    @enough_memory("drawing samples", f"ask for fewer (n), or {_LESS_TO_RESTORE}")
    def sample(
        self,
        image: Sources,
        axes: str | None = None,
        *,
        n: int = 4,
        seed: int | None = None,
        progress: bool | Listener = False,
        should_stop: ShouldStop | None = None,
    ) -> Float32[np.ndarray, "n ..."]:
        """Draw independent posterior samples of one image: plausible images without noise.

        Each is coherent over the whole image. Those of a splitter lack the decoder's variance.

        Parameters
        ----------
        image : path or array
            One image.
        axes : str, optional
            As in `fit`.
        n : int
            Number of samples.
        seed : int, optional
            Random seed of the samples; by default the restorer's own.
        progress, should_stop
            As for `predict`.

        Returns
        -------
        array, shape (n, \\*axes of a restoration)
            In the intensity units of the images that the model was trained on.

        Raises
        ------
        ImageError
            The image cannot be used.
        LadderscopeError
            There is more than one image, `n` is below 1, or as for `predict`.
        """
        n = whole_number(n, "n", least=1)
        seed = self.seed if seed is None else whole_number(seed, "seed")
        sources = find_images(image).sources
        if len(sources) > 1:
            raise LadderscopeError(
                f"{len(sources)} images found: give one image to draw samples of"
            )
        observed = self._looked_at(read_image(sources[0], axes))
        with listener_of(progress) as report:
            watched = Watched(report, should_stop)
            drawn, findings = drawn_fields(
                self._restoring(), self._fields(observed), samples=n, seed=seed, watched=watched
            )
            if report is not None:
                report(1.0, f"samples of {observed.name} are drawn")
        self._say(findings)
        return np.stack([self._in_order(observed, of_sample)[0] for of_sample in drawn])

    def observed(self, image: Image) -> Image:
        """Give what is restored of an image: the image itself, or an average of its frames."""
        return image

    @abstractmethod
    def _jobs(self) -> list[Job]:
        """List the runs of the network that a field takes."""

    @abstractmethod
    def _in_order(
        self, image: Image, restored: Float32[np.ndarray, "fields channels *space"]
    ) -> tuple[Float32[np.ndarray, "..."], str]:
        """Order restored fields by the axes of the image, and give these axes."""

    @abstractmethod
    def _check_image(self, image: Image) -> None:
        """Refuse an image with other channels; warn if it differs from the training images."""

    @abstractmethod
    def _last_look(self, shown: Shown, channel: int) -> LastLook:
        """Prepare to find and replace what cannot be a restoration of the network's input.

        A denoiser also adds back the intensities beyond the limits.
        """

    def _channels(self, image: Image) -> Sequence[int]:
        """Give the channel of an image for each channel of the model."""
        return range(image.channels)

    def _residual(
        self, image: Image, mean: Float32[np.ndarray, "fields channels *space"]
    ) -> Float32[np.ndarray, "..."] | None:
        """Give what the restored channels leave unexplained, for a split."""
        return None

    @abstractmethod
    def _checks(self, image: Image, mean: Float32[np.ndarray, "..."]) -> tuple[Check, ...]:
        """Check a restoration without a clean image."""

    def _channel_names(self, image: Image) -> tuple[str, ...] | None:
        return image.channel_names or self.model.channel_names

    @property
    def _space(self) -> str:
        return "ZYX"[-self.settings.dimensions :]

    def _looked_at(self, image: Image) -> Image:
        """Find the padding of an image, and warn where it differs from the training images."""
        image = with_padding(self.observed(image))
        look_at(image, self.model, self._check_image)
        return image

    def _ready(self, image: Image) -> Image:
        """Find the padding of an image, and check only that the model can restore it."""
        image = with_padding(self.observed(image))
        self._check_image(image)
        return image

    def _restore(
        self,
        image: Image,
        samples: int,
        seed: int,
        watched: Watched = UNWATCHED,
        *,
        says: bool = True,
    ) -> Restoration:
        mean, std, findings = restored_fields(
            self._restoring(), self._fields(image), samples=samples, seed=seed, watched=watched
        )
        if says:
            self._say(findings)
        ordered, axes = self._in_order(image, mean)
        return Restoration(
            ordered,
            None if std is None else self._in_order(image, std)[0],
            axes,
            image.name,
            image.pixel_size,
            self._channel_names(image),
            samples,
            self._residual(image, mean),
            image.acquisition.of_channels(mean.shape[1]),
            self._checks(image, mean) if says else (),
            () if std is None else in_order_of_image(self.model.calibration, image, self.model),
        )

    def _fields(self, image: Image) -> Fields:
        return Fields(image, self._space, self._channels(image))

    def _restoring(self) -> Restoring:
        return Restoring(
            self._ready_network(),
            geometry_of(self.settings),
            fast_type(best_device(self.device)),
            self._jobs(),
            self.model.statistics,
            self._last_look,
            self.model.calibration,
        )

    def _say(self, findings: Findings) -> None:
        reach = limits(self._jobs()[0].statistics)
        findings.say(*reach, handed_back=self.handed_back, instead=self.instead)
