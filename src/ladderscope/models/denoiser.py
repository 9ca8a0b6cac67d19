"""Denoising with a ladder VAE trained on the noisy images themselves (HDN)."""

import logging
import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Self

import numpy as np
import torch
from jaxtyping import Float64

from ladderscope.data import Field, TrainingPatches, fields_of, hold_out, validation_batch
from ladderscope.errors import LadderscopeError
from ladderscope.evaluation.checks import Check
from ladderscope.images import (
    Image,
    Sources,
    channel_statistics,
    numbered_channels,
    open_images,
)
from ladderscope.images.at_hand import at_hand
from ladderscope.images.stored import Pixels
from ladderscope.inspection import about_repeats, gathered
from ladderscope.interruption import ShouldStop
from ladderscope.machine import usual_device
from ladderscope.models.building import turns_of
from ladderscope.models.channel_noise import channel_noise
from ladderscope.models.checks import check_depth, warn_if_far
from ladderscope.models.config import DenoiserSettings
from ladderscope.models.fitting import (
    empty_model,
    looked_at,
    patch_shape,
    say_where,
    trained,
    training_options,
    training_statistics,
    with_budget,
    with_patches_that_fit,
)
from ladderscope.models.lights import appearances, denoised_checks
from ladderscope.models.matching import (
    common_sampling,
    order_of_model,
    say_which_channels_differ,
    warn_of_other_channels,
)
from ladderscope.models.notices import Notices
from ladderscope.models.pieces import Mask
from ladderscope.models.repeats import (
    averaged_image,
    check_axis,
    frames_in,
    warn_of_other_frames,
)
from ladderscope.models.restorer import Restorer
from ladderscope.models.restoring import Arrangement, Job, LastLook, Values
from ladderscope.models.run import checked_run, in_all_processes
from ladderscope.models.starting import described_with, first_network
from ladderscope.models.thumbnail import middle_of
from ladderscope.models.watching import Watch
from ladderscope.noise.averages import averaged
from ladderscope.prediction import Shown, limits, of_posterior
from ladderscope.prediction.last_look import failed, squares
from ladderscope.progress import Listener
from ladderscope.training import DenoisingModule
from ladderscope.words import counted

logger = logging.getLogger("ladderscope")


class Denoiser(Restorer[DenoiserSettings]):
    """Removes noise from images; it learns from noisy images alone (Hierarchical DivNoising).

    Parameters
    ----------
    preset : str
        ``"small"`` for minutes on a laptop, ``"paper"`` for HDN's published recipe, ``"tiny"``
        for trying things out.
    noise : str, NoiseModel, or a sequence of these
        The camera's noise: ``"auto"`` measures it on the images and chooses the simplest law that
        describes it. ``"gaussian"``, ``"poisson_gaussian"`` and ``"photon_counting"`` measure the
        parameters of that law; ``"correlated_gaussian"`` and ``"correlated_poisson_gaussian"``
        also the correlation of neighbouring pixels. Or give a noise model. One for all channels,
        or one per channel; with `repeats`, that of one frame.
    seed : int
        Random seed of training and samples. With a budget in steps or epochs, results on the CPU
        of one machine repeat bit for bit.
    device : str, optional
        ``"cpu"``, ``"cuda"`` or ``"mps"``; by default the best that is available.
    devices, nodes : int
        How many of these devices train together on each machine, and on how many machines: each
        takes an equal part of every batch, in a process of its own.
    **settings
        Settings in place of the preset's: see `DenoiserSettings`.

    Raises
    ------
    LadderscopeError
        An unknown preset or setting, or a value out of range.

    References
    ----------
    Prakash, Delbracio, Milanfar, Jug, "Interpretable unsupervised diversity denoising and
    artefact removal", ICLR 2022.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> noisy = rng.poisson(20 + 10 * np.sin(np.mgrid[:96, :96].sum(0) / 9)).astype("float32")
    >>> denoiser = Denoiser(preset="tiny").fit(noisy, steps=20, progress=False)
    >>> restored = denoiser.predict(noisy, samples=4)
    >>> restored.mean.shape, restored.std.shape, restored.axes
    ((96, 96), (96, 96), 'YX')
    """

    kind = "denoiser"
    settings_kind = DenoiserSettings
    handed_back = "it is added to the restoration as recorded"
    instead = "The recorded pixels are returned there, and the spread is that of their noise"

    @in_all_processes
    @usual_device()
    def fit(
        self,
        images: Sources,
        axes: str | None = None,
        *,
        minutes: float | None = None,
        steps: int | None = None,
        epochs: float | None = None,
        state_file: str | os.PathLike[str] | None = None,
        resume: bool = False,
        compile_network: bool | None = None,
        progress: bool | Listener = True,
        should_stop: ShouldStop | None = None,
        watch: Watch | None = None,
    ) -> Self:
        """Train on noisy images.

        The error bars are not calibrated by this: call `calibrate` afterwards, on the same images.

        Ctrl-C or SIGTERM ends training early and keeps the best model so far; a second one aborts.
        Trainings in several threads take turns, because torch has one random state for all
        threads.

        Parameters
        ----------
        images : path, pattern, folder, array, or a list of these
            Noisy images with the same axes and channels.
        axes : str, optional
            One letter per dimension, from ``STCZYX``; needed where the metadata has no axes.
        minutes, steps, epochs : optional
            The budget, in place of the preset's. Minutes include compiling and validation. An
            epoch draws as many pixels as the images have.
        state_file : path, optional
            File for the state of training, needed to resume. It is deleted when training is
            complete and the model is saved.
        resume : bool
            Continue from `state_file` until the budget is spent.
        compile_network : bool, optional
            Whether to use torch.compile; by default where it saves time within the budget.
        progress : bool or callable
            Whether to show a progress bar. A callable is called in the worker thread after every
            step, with the completed fraction of the budget (0 to 1) and a message.
        should_stop : callable, optional
            Called repeatedly without arguments; return True to end training early, as Ctrl-C does.
            Another thread may set it.
        watch : callable, optional
            Called in the worker thread after each validation with a `Snapshot`: the losses so far,
            and a detail of the first image as it is restored by now.

        Returns
        -------
        Denoiser
            Itself.

        Raises
        ------
        ImageError
            An image cannot be used.
        LadderscopeError
            The budget is out of range, the images are smaller than the levels need, the noise
            models do not match the channels, or the loss stays non-finite.
        StopRequested
            `should_stop` returned True before the first step (a `LadderscopeError` of
            `ladderscope.interruption`).
        """
        settings = with_budget(self.settings, minutes, steps, epochs)
        how = self.device, state_file, resume, compile_network, progress, should_stop
        run = checked_run(self.team, settings, *how)
        notice = Notices()
        self._say_start(notice)
        opened = open_images(images, axes)
        recorded = at_hand(opened, in_memory=say_where([opened]), should_stop=should_stop)
        frames = None if settings.repeats is None else frames_in(recorded, settings.repeats)
        observed = [self._averaged(image, notice.warn) for image in recorded]
        _say_repeats(recorded, settings.repeats, frames, notice)
        first = observed[0]
        check_depth(observed, settings.dimensions, notice)
        say_which_channels_differ(observed, notice)
        sampling = common_sampling(observed, notice, settings.dimensions)
        looked = looked_at(observed, notice, should_stop)
        statistics = training_statistics(looked)
        fields = fields_of(looked, self._space)
        settings = with_patches_that_fit(settings, fields, notice)
        noise_models, choices = run.team.once(
            lambda: channel_noise(
                self.noise,
                _by_channel(fields_of(recorded, self._space)),
                first.channel_names or numbered_channels(first.channels),
                [[image.called for image in recorded]] * first.channels,
                notice,
                structured=settings.blind_levels > 0,
                should_stop=should_stop,
            )
        )
        if frames is not None:
            noise_models = [averaged(model, frames) for model in noise_models]
        held_out = hold_out(fields, settings.patch, self.seed)
        notice(held_out.notice)
        shape = patch_shape(settings)
        module = DenoisingModule(
            first_network(settings, self.seed, self._start),
            noise_models,
            statistics,
            free_bits=settings.free_bits,
            **training_options(settings, self.device),
        )
        untrained = empty_model(
            settings,
            seed=self.seed,
            statistics=statistics,
            noise_models=tuple(noise_models),
            noise_choices=tuple(choices),
            frames=frames,
            axes=first.axes,
            channel_names=first.channel_names,
            appearances=appearances(looked),
            **sampling._asdict(),
        )
        detail = middle_of(first)
        model = trained(
            untrained,
            module,
            TrainingPatches(
                held_out.training, shape, settings.batch, self.seed, turns_of(noise_models)
            ),
            validation_batch(held_out.validation, shape, self.seed),
            run,
            described_with(self._start, [field.pixels.shape for field in fields]),
            notice,
            self._watched(watch, untrained, detail),
        )
        return self._become(model, module.network, run, notice, detail)

    def observed(self, image: Image) -> Image:
        """Give what is restored of an image: the average of its frames if they are repeats.

        Raises
        ------
        LadderscopeError
            The frames show different scenes, or their axis is missing.
        """
        if self.settings.repeats is not None:
            check_axis(image, self.settings.repeats, self.model.frames)
        return self._averaged(image, partial(logger.warning, "%s"))

    def _averaged(self, image: Image, warn: Callable[[str], None]) -> Image:
        letter = self.settings.repeats
        if letter is None or image.sizes.get(letter, 1) < 2:
            return image
        return averaged_image(image, letter, warn)

    def _jobs(self) -> list[Job]:
        return [
            Job(channel, statistics, range(channel, channel + 1), of_posterior)
            for channel, statistics in enumerate(self.model.statistics)
        ]

    def _arrangement(self, image: Image) -> Arrangement:
        order = order_of_model(image, self.model)
        return Arrangement(
            image.axes, image.shape, None if order is None else np.argsort(order).tolist()
        )

    def _channels(self, image: Image) -> Sequence[int]:
        return order_of_model(image, self.model) or super()._channels(image)

    def _last_look(self, shown: Shown, channel: int) -> LastLook:
        contrast = self.model.statistics[channel].std
        before = squares(shown.pixels)
        deviation = self._deviation(before, channel)

        def look(values: Values, spread: Values | None) -> Mask:
            mask = failed(before, values, deviation, contrast)
            if mask is not None:
                values[mask] = shown.pixels[mask]
                if spread is not None:
                    spread[mask] = self._deviation(shown.pixels[mask].astype(np.float64), channel)
            if shown.excess is not None:
                values += shown.excess
            return mask

        return look

    def _deviation(
        self, signal: Float64[np.ndarray, "..."], channel: int
    ) -> Float64[np.ndarray, "..."]:
        """Give the standard deviation of the noise at a signal; without a model, a wide guess."""
        of_training = self.model.statistics[channel]
        if not self.model.noise_models:
            return of_training.std + np.abs(signal - of_training.mean) / 8
        noise = self.model.noise_models[channel]
        variance = noise.moments(torch.from_numpy(signal.clip(*limits(of_training))))[1].numpy()
        deviation: Float64[np.ndarray, "..."] = np.sqrt(
            np.nan_to_num(variance, nan=of_training.std**2)
        )
        return deviation

    def _checks(self, image: Image, mean: Pixels) -> tuple[Check, ...]:
        return denoised_checks(image, mean, self.model, self._channels(image), self._space)

    def _check_image(self, image: Image) -> None:
        trained = len(self.model.statistics)
        if image.channels != trained:
            raise LadderscopeError(
                f"{image.name} has {counted(image.channels, 'channel')}, but the model was trained "
                f"on {trained}: give images with the same channels, or train a model on these"
            )
        warn_of_other_channels(image, self.model)
        warn_of_other_frames(image, self.model.frames)
        found = channel_statistics([image])
        order = order_of_model(image, self.model) or range(trained)
        for at, of_training in zip(order, self.model.statistics, strict=True):
            name = f"{image.name}, channel {at + 1}" if trained > 1 else image.name
            warn_if_far(
                found[at],
                of_training,
                name,
                "the training images",
                "The restoration may be wrong; train on images like this one",
            )


def _say_repeats(
    images: Sequence[Image], letter: str | None, frames: int | None, notice: Notices
) -> None:
    """Report frames that show the same scene: that they are averaged, or that they can be."""
    if letter is None:
        for finding in gathered([one for image in images for one in about_repeats(image)]):
            notice.advise(finding.text)
    else:
        notice(
            f"the {frames} frames along {letter} of each image are averaged, and their average is "
            f"restored. Its noise has 1/{frames} of the variance of that of one frame"
        )


def _by_channel(fields: Sequence[Field]) -> list[list[Field]]:
    channels = sorted({field.channel for field in fields})
    return [[field for field in fields if field.channel == channel] for channel in channels]
