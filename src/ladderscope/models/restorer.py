"""What a denoiser and a splitter have in common: training, prediction, calibration, the model."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Self

import numpy as np

from ladderscope.errors import LadderscopeError
from ladderscope.evaluation.calibration import Source
from ladderscope.images import Image, Sources, open_images
from ladderscope.images.at_hand import are_small, at_hand
from ladderscope.interruption import ShouldStop, stop_if
from ladderscope.machine import usual_device
from ladderscope.memory import enough_memory
from ladderscope.models.calibrating import (
    Compared,
    read_truths,
    with_truth,
    without_truth,
)
from ladderscope.models.config import Settings
from ladderscope.models.held_out import nothing_held_out, on_held_out
from ladderscope.models.one_by_one import LESS_TO_RESTORE
from ladderscope.models.predictor import Predictor
from ladderscope.models.restoring import (
    restored_fields,
)
from ladderscope.models.whole import whole_number
from ladderscope.progress import Listener, listener_of


class Restorer(Predictor[Settings]):
    """A network that is trained, restores images and is saved: a `Denoiser` or a `Splitter`.

    Parameters
    ----------
    preset, noise, seed, device, **settings
        As of `Trained`.
    """

    @usual_device()
    @enough_memory("calibrating", LESS_TO_RESTORE)
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
        images: Sequence[Image] = ()
        truths: Sequence[Image] | None = None
        source: Source = "second exposure" if truth_frames == 1 else "truth"
        sums = None
        if observed is None:
            if truth is not None:
                raise LadderscopeError("give the images, too, that the truth belongs to")
            sums = self._held_out or nothing_held_out(self.kind)
        else:
            opened = open_images(observed, axes)
            images = [
                self._ready(image)
                for image in at_hand(opened, in_memory=are_small(opened), should_stop=should_stop)
            ]
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

            if sums is not None:
                calibration = on_held_out(self.model, sums, restored, samples=samples, seed=seed)
            elif truths is None:
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
