"""Splitting one image of superimposed structures into its channels, and removing their noise."""

import math
import os
from collections.abc import Sequence
from typing import Any, Self

from ladderscope.data import (
    Field,
    MixedPatches,
    fields_of,
    measure_mixtures,
    validation_mixtures,
)
from ladderscope.data.foreground import KEPT_BACKGROUND
from ladderscope.errors import LadderscopeError
from ladderscope.evaluation.checks import Check
from ladderscope.images import Image, Sources, channel_statistics
from ladderscope.images.stored import Pixels
from ladderscope.interruption import ShouldStop
from ladderscope.machine import usual_device
from ladderscope.models.building import turns_of
from ladderscope.models.channel_noise import Noise, channel_noise
from ladderscope.models.checks import check_depth, warn_if_beyond, warn_if_far
from ladderscope.models.config import Method, SplitterSettings
from ladderscope.models.file import Mixture
from ladderscope.models.fitting import (
    empty_model,
    patch_shape,
    trained,
    training_options,
    training_statistics,
    with_budget,
    with_patches_that_fit,
)
from ladderscope.models.given import (
    check_nothing_to_mix,
    check_number,
    checked_names,
    checked_offsets,
    say_what_has_no_effect,
)
from ladderscope.models.held_out import held_out_sums
from ladderscope.models.lights import appearance_of_mixed, mixed_checks
from ladderscope.models.matching import common_sampling
from ladderscope.models.mixing import made_mixing, mixed_detail, recorded_mixing, with_foreground
from ladderscope.models.notices import Notices
from ladderscope.models.pieces import Mask
from ladderscope.models.recordings import divided, looked_at_all, read_recordings
from ladderscope.models.restorer import Restorer
from ladderscope.models.restoring import Arrangement, Job, LastLook, Values
from ladderscope.models.run import checked_run, in_all_processes
from ladderscope.models.starting import check_order, described_with, first_network
from ladderscope.models.unexplained import unexplained
from ladderscope.models.watching import Watch
from ladderscope.noise import NoiseError, NoiseModel
from ladderscope.noise_estimation.choice import NoiseChoice
from ladderscope.prediction import Shown, limits, of_prediction
from ladderscope.prediction.last_look import out_of_range
from ladderscope.progress import Listener
from ladderscope.training import SplittingModule

_IF_FAR = "The split may be wrong: record images as for training, or train on images like this one"


class Splitter(Restorer[SplitterSettings]):
    """Splits superimposed structures into one image each (µSplit, denoiSplit, MicroSplit).

    Parameters
    ----------
    method : str
        ``"musplit"`` for recordings with little noise, ``"denoisplit"`` to remove the noise too,
        ``"microsplit"`` for the weighted mean of both objectives.
    preset : str
        As for `Denoiser`.
    noise : str, NoiseModel, or a sequence of these
        The camera's noise in the recordings of the channels, as for `Denoiser`. µSplit needs no
        noise model.
    seed : int
        Random seed of training and samples.
    context : int
        Lateral context: the number of views of each position, including the patch. Each view is
        twice as wide as the one before.
    channels : int
        Number of structures to unmix.
    device : str, optional
        As for `Denoiser`.
    **settings
        Settings in place of the preset's: see `SplitterSettings`.

    Raises
    ------
    LadderscopeError
        An unknown preset or setting, or a value out of range.

    References
    ----------
    Ashesh et al., "µSplit: image decomposition for fluorescence microscopy", ICCV 2023; Ashesh &
    Jug, "denoiSplit: a method for joint microscopy image splitting and unsupervised denoising",
    ECCV 2024; Ashesh et al., "MicroSplit: semantic unmixing of fluorescent microscopy data", 2025.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> rows, columns = np.mgrid[:96, :96]
    >>> stripes, waves = 20 + 10 * np.sin(rows / 3), 30 + 10 * np.sin(columns / 9)
    >>> splitter = Splitter("musplit", "tiny").fit([stripes, waves], steps=20, progress=False)
    >>> split = splitter.predict(stripes + waves, samples=4)
    >>> split.mean.shape, split.axes, split.residual.shape
    ((2, 96, 96), 'CYX', (96, 96))
    """

    kind = "splitter"
    settings_kind = SplitterSettings
    handed_back = "it is left in the residual"
    instead = (
        "Each channel is the mean of its training images there; the rest is left in the residual"
    )

    def __init__(
        self,
        method: Method = "microsplit",
        preset: str = "small",
        noise: Noise = "auto",
        seed: int = 0,
        *,
        context: int = 1,
        channels: int = 2,
        **training: Any,
    ) -> None:
        training |= {"method": method, "context": context, "channels": channels}
        super().__init__(preset, noise, seed, **training)

    @in_all_processes
    @usual_device()
    def fit(
        self,
        channels: Sequence[Sources],
        axes: str | None = None,
        *,
        mixed: Sources | None = None,
        paired: bool = False,
        offsets: Sequence[float] | None = None,
        names: Sequence[str] | None = None,
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
        """Train on recordings of each structure alone.

        Unless mixed images were recorded, they are computed from the recordings while training:
        Σ r_c·(y_c − offset_c) + offset. Ctrl-C or SIGTERM ends training early and keeps the best
        model so far; a second one aborts. Trainings in several threads take turns, because torch
        has one random state for all threads.

        Parameters
        ----------
        channels : sequence of path, pattern, folder, array, or list of these
            The recordings of each structure, without a C axis.
        axes : str, optional
            One letter per dimension, from ``STZYX``; needed where the metadata has no axes.
        mixed : path, pattern, folder, array, or list of these, optional
            The mixed images, if they were recorded: image k shows the same field as image k of
            every channel, pixel by pixel.
        paired : bool
            Whether image k of every channel shows the same field. Mixed images then add up the
            same position in every channel; otherwise positions are drawn independently.
        offsets : sequence of float, optional
            The black level of each channel; by default that of its darkest pixels.
        names : sequence of str, optional
            Names of the channels.
        minutes, steps, epochs, state_file, resume, compile_network, progress, should_stop, watch
            As for `Denoiser.fit`.

        Returns
        -------
        Splitter
            Itself.

        Raises
        ------
        ImageError
            An image cannot be used.
        LadderscopeError
            The number of channels is not the splitter's, names repeat, paired channels differ in
            number or size, offsets, ratios or a balance are given for recorded mixed images, or
            as for `Denoiser.fit`.
        """
        settings = with_budget(self.settings, minutes, steps, epochs)
        how = self.device, state_file, resume, compile_network, progress, should_stop
        run = checked_run(self.team, settings, *how)
        notice = Notices()
        self._say_start(notice)
        check_number(channels, settings.channels)
        names = checked_names(names, settings.channels)
        check_order(self._start, tuple(names))
        offsets = checked_offsets(offsets, settings.channels)
        if mixed is not None:
            check_nothing_to_mix(settings, offsets)
        say_what_has_no_effect(settings, notice)
        recorded = read_recordings(channels, mixed, axes, names, paired, notice, should_stop)
        images = [image for stack in recorded.stacks for image in stack]
        sampling = common_sampling(images, notice, settings.dimensions)
        of_channels = [image for stack in recorded.channels for image in stack]
        check_depth(of_channels, settings.dimensions, notice)
        looked = looked_at_all(recorded, notice, should_stop)
        fields = [fields_of(stack, self._space) for stack in looked.channels]
        mixed_fields = None if looked.mixed is None else fields_of(looked.mixed, self._space)
        settings = with_patches_that_fit(
            settings, [field for of_channel in fields for field in of_channel], notice
        )
        statistics = [training_statistics(stack)[0] for stack in looked.channels]
        unlooked = [fields_of(stack, self._space) for stack in recorded.channels]
        files = [[image.called for image in stack] for stack in recorded.channels]
        noise_models, choices = run.team.once(
            lambda: self._noise_of(unlooked, names, files, settings, notice, should_stop)
        )
        training, validation = divided(
            fields, mixed_fields, looked, settings.patch, self.seed, notice
        )
        if settings.foreground:
            training = with_foreground(training, names, notice)
        deviations = [channel.std for channel in statistics]
        mixing = (
            made_mixing(settings, fields, offsets, deviations, names, notice)
            if mixed_fields is None
            else recorded_mixing(fields, mixed_fields, names, notice)
        )
        shape = patch_shape(settings)
        patches = MixedPatches(
            training, mixing, shape, settings.batch, self.seed, turns_of(noise_models)
        )
        of_patches, intensities = measure_mixtures(patches)
        mixture = Mixture(
            of_patches if looked.mixed is None else channel_statistics(looked.mixed)[0],
            mixing,
            intensities,
            looked.mixed is not None,
        )
        held_out = validation_mixtures(validation, mixing, shape, self.seed)
        module = SplittingModule(
            first_network(settings, self.seed, self._start),
            mixture.statistics,
            statistics,
            mixing.offsets,
            noise_models,
            denoisplit_weight=settings.weight_of_denoisplit,
            variance=settings.variance,
            free_bits=settings.free_bits,
            musplit_free_bits=settings.musplit_free_bits,
            **training_options(settings, self.device),
        )
        untrained = empty_model(
            settings,
            seed=self.seed,
            statistics=tuple(statistics),
            noise_models=tuple(noise_models),
            noise_choices=tuple(choices),
            axes=looked.channels[0][0].axes,
            channel_names=tuple(names),
            mixture=mixture,
            appearances=(appearance_of_mixed(looked.mixed, held_out),),
            **sampling._asdict(),
        )
        detail = mixed_detail([stack[0] for stack in looked.channels], looked.mixed, mixing)
        model = trained(
            untrained,
            module,
            patches,
            held_out,
            run,
            described_with(
                self._start,
                [[field.pixels.shape for field in of_channel] for of_channel in fields],
            ),
            notice,
            self._watched(watch, untrained, detail),
        )
        self._held_out = held_out_sums(validation, mixing)
        return self._become(model, module.network, run, notice, detail)

    def _noise_of(
        self,
        fields: Sequence[Sequence[Field]],
        names: Sequence[str],
        files: Sequence[Sequence[str]],
        settings: SplitterSettings,
        notice: Notices,
        should_stop: ShouldStop | None,
    ) -> tuple[list[NoiseModel], list[NoiseChoice | None]]:
        """Give the noise of each channel, if the method's objective holds it."""
        if settings.weight_of_denoisplit == 0:
            if self.noise != "auto":
                notice("musplit does not use a noise model; the given one is ignored")
            return [], []
        try:
            structured = settings.blind_levels > 0
            return channel_noise(
                self.noise,
                fields,
                names,
                files,
                notice,
                structured=structured,
                should_stop=should_stop,
            )
        except NoiseError as error:
            raise NoiseError(f"{error}; or use musplit, which needs no noise model") from error

    def _jobs(self) -> list[Job]:
        mixture = self._mixture()
        return [Job(0, mixture.statistics, range(len(self.model.statistics)), of_prediction)]

    def _mixture(self) -> Mixture:
        if self.model.mixture is None:
            raise LadderscopeError(
                "the model file is damaged: the statistics of the mixed images are missing"
            )
        return self.model.mixture

    def _arrangement(self, image: Image) -> Arrangement:
        others = image.axes.replace("C", "")
        sizes = tuple(size for letter, size in image.sizes.items() if letter != "C")
        return Arrangement(f"C{others}", (len(self.model.statistics), *sizes))

    def _checks(self, image: Image, mean: Pixels) -> tuple[Check, ...]:
        return mixed_checks(image, mean, self.model, self._mixture(), self._space)

    def _check_image(self, image: Image) -> None:
        if image.channels != 1:
            raise LadderscopeError(
                f"{image.name} has {image.channels} channels: give the one channel that recorded "
                "all structures together"
            )
        mixture = self._mixture()
        far = warn_if_far(
            channel_statistics([image])[0],
            mixture.statistics,
            image.name,
            "the mixed training images",
            _IF_FAR,
            flatter=_flattest(self.settings, mixture),
        )
        if not far and mixture.intensities is not None:
            warn_if_beyond(image, mixture.intensities, mixture.statistics.std, _IF_FAR)

    def _channel_names(self, image: Image) -> tuple[str, ...] | None:
        return self.model.channel_names

    def _last_look(self, shown: Shown, channel: int) -> LastLook:
        of_training = self.model.statistics[channel]

        def look(values: Values, spread: Values | None) -> Mask:
            mask = out_of_range(values, *limits(of_training))
            if mask is not None:
                values[mask] = of_training.mean
                if spread is not None:
                    spread[mask] = of_training.std
            return mask

        return look

    def _residual(self, image: Image, mean: Pixels) -> Pixels | None:
        return unexplained(image, mean, self._mixture().mixing, self._space)


def _flattest(settings: SplitterSettings, mixture: Mixture) -> float:
    """Give the contrast of an image relative to training patches with little background."""
    return math.sqrt(KEPT_BACKGROUND) if settings.foreground and not mixture.recorded else 1.0
