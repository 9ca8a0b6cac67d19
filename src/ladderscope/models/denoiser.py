"""Denoising with a ladder VAE trained on the noisy images themselves (HDN)."""

import os
from typing import Self

import numpy as np
import torch
from jaxtyping import Bool, Float32, Float64, Real

from ladderscope.data import TrainingPatches, fields_of, hold_out, validation_batch
from ladderscope.errors import LadderscopeError
from ladderscope.images import (
    Image,
    Sources,
    channel_statistics,
    numbered_channels,
    read_images,
)
from ladderscope.machine import usual_device
from ladderscope.models.config import DenoiserSettings
from ladderscope.models.matching import (
    common_sampling,
    order_of_model,
    say_which_channels_differ,
    warn_of_other_channels,
)
from ladderscope.models.restorer import (
    Job,
    Notices,
    Restorer,
    checked_run,
    empty_model,
    middle_of,
    patch_shape,
    training_statistics,
    warn_if_far,
)
from ladderscope.prediction import Shown, limits
from ladderscope.prediction.last_look import failed, squares
from ladderscope.training import DenoisingModule


class Denoiser(Restorer[DenoiserSettings]):
    """Removes noise from images, given nothing but noisy images (Hierarchical DivNoising).

    Parameters
    ----------
    preset : str
        ``"small"`` for minutes on a laptop, ``"paper"`` for HDN's published recipe, ``"tiny"``
        for trying things out.
    noise : "auto", NoiseModel, or a sequence of these
        The camera's noise: calibrated on the images, or given, for all channels or one per channel.
    seed : int
        Fixes training and samples. With a budget in steps or epochs, results repeat bit for bit
        on one machine's CPU.
    device : str, optional
        ``"cpu"``, ``"cuda"`` or ``"mps"``; the best there is by default.
    **settings
        Settings that differ from the preset's: see `DenoiserSettings`.

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
    handed_back = "it is added to the restoration as it was recorded"
    instead = "The image stands there as it was recorded, and its noise as the spread"

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
        progress: bool = True,
    ) -> Self:
        """Train on noisy images.

        Ctrl-C or SIGTERM ends training early and keeps the best model so far; a second one aborts.
        Trainings in several threads take turns, as torch has one random state for all of them.

        Parameters
        ----------
        images : path, pattern, folder, array, or a list of these
            Noisy images with the same axes and channels.
        axes : str, optional
            One letter per dimension over ``STCZYX``; needed where metadata does not tell.
        minutes, steps, epochs : optional
            The budget, in place of the preset's. Minutes count compiling and validation. An
            epoch draws as many pixels as the images have.
        state_file : path, optional
            Where the state of training is kept, for `resume`. It goes once training is complete
            and the model is saved.
        resume : bool
            Go on from `state_file` until the budget is spent.
        compile_network : bool, optional
            Whether to use torch.compile; by default where it pays within the budget.
        progress : bool
            Whether to show a progress bar.

        Returns
        -------
        Denoiser
            Itself.

        Raises
        ------
        ImageError
            An image cannot be used.
        LadderscopeError
            A bad budget, images smaller than what the levels need, noise models that do not
            match the channels, or a loss that stays non-finite.
        """
        settings = self._with_budget(minutes, steps, epochs)
        run = checked_run(state_file, resume, compile_network, progress)
        notice = Notices()
        stack = read_images(images, axes)
        self._check_depth(stack, notice)
        say_which_channels_differ(stack, notice)
        sampling = common_sampling(stack, notice, settings.dimensions)
        looked = self._look(stack, notice)
        statistics = training_statistics(looked)
        fields = fields_of(looked, self._space)
        settings = self._fitting(settings, fields, notice)
        recorded = fields_of(stack, self._space)
        noise_models, fits = self._noise_models(
            [
                [field for field in recorded if field.channel == channel]
                for channel in range(stack[0].channels)
            ],
            stack[0].channel_names or numbered_channels(stack[0].channels),
            notice,
        )
        held_out = hold_out(fields, settings.patch, self.seed)
        notice(held_out.notice)
        shape = patch_shape(settings)
        module = DenoisingModule(
            self._new_network(settings),
            noise_models,
            statistics,
            free_bits=settings.free_bits,
            **self._training_options(settings),
        )
        model = empty_model(
            settings,
            seed=self.seed,
            statistics=statistics,
            noise_models=tuple(noise_models),
            noise_fits=tuple(fits),
            axes=stack[0].axes,
            channel_names=stack[0].channel_names,
            **sampling._asdict(),
        )
        self._train(
            module,
            TrainingPatches(held_out.training, shape, settings.batch, self.seed),
            validation_batch(held_out.validation, shape, self.seed),
            model,
            run,
            [field.pixels.shape for field in fields],
            notice,
        )
        self._detail = middle_of(stack[0])
        return self

    def _jobs(self) -> list[Job]:
        return [
            Job(channel, statistics, range(channel, channel + 1))
            for channel, statistics in enumerate(self.model.statistics)
        ]

    def _in_order(
        self, image: Image, restored: Float32[np.ndarray, "fields channels *space"]
    ) -> tuple[Float32[np.ndarray, "..."], str]:
        if (order := order_of_model(image, self.model)) is not None:
            restored = restored[:, np.argsort(order)]
        return image.from_planes(restored, self._space), image.axes

    def _fields(self, image: Image) -> Real[np.ndarray, "fields channels *space"]:
        fields = super()._fields(image)
        order = order_of_model(image, self.model)
        return fields if order is None else fields[:, order]

    def _last_look(
        self,
        shown: Shown,
        channel: int,
        values: Float32[np.ndarray, "*space"],
        spread: Float32[np.ndarray, "*space"] | None,
    ) -> Bool[np.ndarray, "*space"] | None:
        contrast = self.model.statistics[channel].std
        deviation = self._deviation(squares(shown.pixels), channel)
        mask = failed(shown.pixels, values, deviation, contrast)
        if mask is not None:
            values[mask] = shown.pixels[mask]
            if spread is not None:
                spread[mask] = self._deviation(shown.pixels[mask].astype(np.float64), channel)
        if shown.excess is not None:
            values += shown.excess
        return mask

    def _deviation(
        self, signal: Float64[np.ndarray, "..."], channel: int
    ) -> Float64[np.ndarray, "..."]:
        """Give the noise's standard deviation at a signal; without a noise model, a wide guess."""
        of_training = self.model.statistics[channel]
        if not self.model.noise_models:
            return of_training.std + np.abs(signal - of_training.mean) / 8
        noise = self.model.noise_models[channel]
        variance = noise.moments(torch.from_numpy(signal.clip(*limits(of_training))))[1].numpy()
        deviation: Float64[np.ndarray, "..."] = np.sqrt(
            np.nan_to_num(variance, nan=of_training.std**2)
        )
        return deviation

    def _check_image(self, image: Image) -> None:
        trained = len(self.model.statistics)
        if image.channels != trained:
            raise LadderscopeError(
                f"{image.name} has {image.channels} channels, and the model was trained for "
                f"{trained}: give images with the same channels, or train on these"
            )
        warn_of_other_channels(image, self.model)
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
