"""Prediction, which a denoiser and a splitter have in common: images restored, samples drawn."""

import os
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float32

from ladderscope.errors import LadderscopeError
from ladderscope.evaluation.checks import Check
from ladderscope.images import Image, Sources, find_images, read_image
from ladderscope.images.artefacts import with_padding
from ladderscope.images.check import check_worth
from ladderscope.images.large import opened_large, with_padding_marked
from ladderscope.images.memory import check_allocates
from ladderscope.images.read import named_sources
from ladderscope.images.stored import Pixels
from ladderscope.interruption import ShouldStop
from ladderscope.machine import best_device, fast_type, usual_device
from ladderscope.memory import enough_memory
from ladderscope.models.building import geometry_of
from ladderscope.models.checks import look_at, several
from ladderscope.models.config import Settings
from ladderscope.models.findings import Findings
from ladderscope.models.identity import digest_of_model, how_restored
from ladderscope.models.kept import kept
from ladderscope.models.matching import in_order_of_image
from ladderscope.models.one_by_one import FEWER_SAMPLES, LESS_TO_RESTORE, one_by_one
from ladderscope.models.output import Output, outputs_of, share_of
from ladderscope.models.restoration import Restoration
from ladderscope.models.restoring import (
    UNWATCHED,
    Arrangement,
    Fields,
    Job,
    LastLook,
    Restoring,
    Watched,
    drawn_fields,
    restored_fields,
)
from ladderscope.models.streaming import Prediction, restored_in_part, restored_to
from ladderscope.models.trained import Trained
from ladderscope.models.whole import whole_number
from ladderscope.models.workers import again, team
from ladderscope.prediction import Shown, limits
from ladderscope.progress import Listener, listener_of


class Predictor(Trained[Settings]):
    """A network that restores images.

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
        out: str | os.PathLike[str] | Output | None = None,
        overwrite: bool = False,
        resume: bool = False,
        dask: Any = None,
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
        out : path, optional
            File for the restored image, or a folder for those of several. Each finished tile is
            then kept on the disk, and the restoration is read from the file where it is needed:
            neither it nor a large image has to fit into memory.
        overwrite : bool
            Whether files that exist are replaced.
        resume : bool
            Whether to go on with what an interrupted prediction to `out` has finished.
        dask : str or distributed.Client, optional
            Workers that restore the tiles together: ``"local:4"`` for four processes on this
            computer, the address of a Dask scheduler, or a client. Needs `out`, and the extra
            ``dask``.

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
            The restorer is not trained, or was trained on another number of channels; what `out`
            holds is of another prediction, or another process writes there.
        OutputError
            `out` exists, or cannot be written.
        StopRequested
            `should_stop` returned True (a `LadderscopeError` of `ladderscope.interruption`).
        """
        sources = list(named_sources(images, own_outputs=False))
        outputs = outputs_of(out, sources, several(images), overwrite=overwrite, resume=resume)
        samples = whole_number(samples, "samples")
        seed = self.seed if seed is None else whole_number(seed, "seed")

        if dask is not None and out is None:
            raise LadderscopeError("workers need a place that they share: give out= with dask=")

        with team(dask) as (compute, threads):

            def restored(image: Image, output: Output | None, watched: Watched) -> Restoration:
                if output is None:
                    return self._restore(image, samples, seed, watched)
                prediction = self._prediction(image, samples, seed, output)
                if output.resume and (found := kept(self, prediction)) is not None:
                    return found
                return restored_to(prediction, watched, compute, threads=threads)

            jobs = list(zip(sources, outputs, strict=True))
            found = one_by_one(jobs, axes, self._looked_at, restored, progress, should_stop)
        return found if several(images) else found[0]

    @usual_device()
    def predict_part(
        self,
        images: Sources,
        axes: str | None = None,
        *,
        part: tuple[int, int],
        out: str | os.PathLike[str] | Output,
        samples: int = 16,
        seed: int | None = None,
        progress: bool | Listener = False,
        should_stop: ShouldStop | None = None,
    ) -> list[Restoration | None]:
        """Restore a share of the tiles of images, as one of several processes with one output.

        The processes may run at once, one after the other, or twice. The file of an image is
        written by the one that completes it, and has the bytes that `predict` writes.

        Parameters
        ----------
        part : (int, int)
            Which share, counted from 1, and of how many: ``(2, 8)``.
        out : path
            As of `predict`, the same for all parts.
        images, axes, samples, seed, progress, should_stop
            As of `predict`.

        Returns
        -------
        list of Restoration or None
            One per image: None if it is completed by another part, or by `predict` with
            ``resume=True``.

        Raises
        ------
        LadderscopeError
            There is no such part, or as for `predict`.
        """
        share = share_of(part)
        sources = list(named_sources(images, own_outputs=False))
        outputs = outputs_of(out, sources, several(images), overwrite=False, resume=False)
        samples = whole_number(samples, "samples")
        seed = self.seed if seed is None else whole_number(seed, "seed")

        def restored(image: Image, output: Output | None, watched: Watched) -> Restoration | None:
            if output is None:
                raise LadderscopeError("parts need a place that they share: give out=")
            prediction = self._prediction(image, samples, seed, output)
            return restored_in_part(prediction, share, watched)

        jobs = list(zip(sources, outputs, strict=True))
        return one_by_one(jobs, axes, self._looked_at, restored, progress, should_stop)

    @usual_device()
    @enough_memory("drawing samples", f"{FEWER_SAMPLES}, or {LESS_TO_RESTORE}")
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
        fields, restoring = self._fields(observed), self._restoring()
        check_allocates((2, n, *fields.shape(len(restoring.statistics))))  # and once more arranged
        with listener_of(progress) as report:
            watched = Watched(report, should_stop)
            drawn, findings = drawn_fields(restoring, fields, samples=n, seed=seed, watched=watched)
            if report is not None:
                report(1.0, f"samples of {observed.name} are drawn")
        self._say(findings)
        arrangement = self._arrangement(observed)
        return np.stack([np.asarray(arrangement.of(one, self._space)) for one in drawn])

    def observed(self, image: Image) -> Image:
        """Give what is restored of an image: the image itself, or an average of its frames."""
        return image

    @abstractmethod
    def _jobs(self) -> list[Job]:
        """List the runs of the network that a field takes."""

    @abstractmethod
    def _arrangement(self, image: Image) -> Arrangement:
        """Say how restored fields become an image like this one."""

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

    def _residual(self, image: Image, mean: Pixels) -> Pixels | None:
        """Give what the restored fields leave unexplained, for a split."""
        return None

    @abstractmethod
    def _checks(self, image: Image, mean: Pixels) -> tuple[Check, ...]:
        """Check restored fields without a clean image."""

    def _channel_names(self, image: Image) -> tuple[str, ...] | None:
        return image.channel_names or self.model.channel_names

    @property
    def _space(self) -> str:
        return "ZYX"[-self.settings.dimensions :]

    def _looked_at(self, image: Image) -> Image:
        """Find the padding of an image, and warn where it differs from the training images."""
        image = self.observed(image)
        if isinstance(image.pixels, np.ndarray):
            image = with_padding(image)
            look_at(image, self.model, self._check_image)
            return image
        image, small = opened_large(image)
        check_worth(small)
        look_at(small, self.model, self._check_image, large=image)
        return image

    def _ready(self, image: Image) -> Image:
        """Find the padding of an image, and check only that the model can restore it."""
        image = with_padding_marked(self.observed(image))
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
        return self._composed(image, samples, mean, std, findings if says else None)

    def _prediction(self, image: Image, samples: int, seed: int, output: Output) -> Prediction:
        how = how_restored(self.model, samples, seed, output.dtype)
        return Prediction(
            replace(output, how=how),
            self._restoring(),
            self._fields(image),
            samples,
            seed,
            digest_of_model(self.model),
            partial(self._composed, image, samples),
            lambda fields: self._arrangement(image).of(fields, self._space),
            partial(again, type(self), self.model, self.device, samples, seed, output),
        )

    def _composed(
        self,
        image: Image,
        samples: int,
        mean: Pixels,
        std: Pixels | None,
        findings: Findings | None,
    ) -> Restoration:
        if findings is not None:
            self._say(findings)
        arrangement = self._arrangement(image)
        return Restoration(
            arrangement.of(mean, self._space),
            None if std is None else arrangement.of(std, self._space),
            arrangement.axes,
            image.name,
            image.pixel_size,
            self._channel_names(image),
            samples,
            self._residual(image, mean),
            image.acquisition.of_channels(mean.shape[1]),
            () if findings is None else self._checks(image, mean),
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
