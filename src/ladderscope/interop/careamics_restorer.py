"""A ladder VAE that CAREamics trained, imported as a denoiser or a splitter."""

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64
from numpy.typing import ArrayLike

from ladderscope.data import Mixing
from ladderscope.images import Statistics, numbered_channels
from ladderscope.interop.careamics import load_lvae, load_noise_models
from ladderscope.interop.careamics_described import stored_normalisation
from ladderscope.interop.careamics_names import origin_of
from ladderscope.interop.checkpoint import InteropError, naming, read_checkpoint
from ladderscope.models import Denoiser, DenoiserSettings, Splitter, SplitterSettings
from ladderscope.models.earlier import LVAEConfig
from ladderscope.models.file import Mixture
from ladderscope.models.fitting import empty_model
from ladderscope.models.presets import settings_for
from ladderscope.noise import NoiseModel
from ladderscope.words import counted

logger = logging.getLogger("ladderscope")

# The nearest of our settings, for training again; the network is built from the config.
_ACTIVATIONS = {"ELU": "elu", "ReLU": "relu", "LeakyReLU": "leaky_relu"}
_MOST_DROPOUT = 0.9
_NUMBERS_MISSING = (
    "--data-mean and --data-std are missing (data_mean and data_std in Python): give the mean and "
    "standard deviation that CAREamics used for normalisation. The checkpoint does not contain "
    "them, and the results are wrong without them. For HDN they are data_config.image_means and "
    "image_stds in the configuration; for splitting, get_mean_std() of the training data set "
    "returns them"
)


def import_careamics(
    weights: Mapping[str, Any] | str | os.PathLike[str],
    config: Mapping[str, Any] | LVAEConfig | str | os.PathLike[str] | None = None,
    *,
    data_mean: ArrayLike | float | int | None = None,
    data_std: ArrayLike | float | int | None = None,
    noise_models: Sequence[NoiseModel] | None = None,
    trust: bool = False,
    device: str | None = None,
) -> Denoiser | Splitter:
    """Import a ladder VAE that CAREamics trained, as a denoiser or a splitter.

    It predicts, samples and is saved like any other. A network with one output channel denoises;
    one with more splits.

    Parameters
    ----------
    weights, config, trust
        As `load_lvae` takes them.
    data_mean, data_std : number or sequence of numbers
        Mean and standard deviation that CAREamics normalised images with, in grey levels;
        checkpoints up to CAREamics 0.3.5 do not hold them, and those of later versions do. For a
        denoiser, one number each. For a splitter of C channels, one for everything; or one per
        channel; or 1 + C, those of the mixed image first. By default, those of the mixed image are
        what CAREamics finds if the mixed image is the mean of the channels: the mean of their
        means, and the standard deviation of all their pixels together.
    noise_models : sequence of NoiseModel, optional
        One per channel; by default those in the checkpoint, if any. Prediction needs none; with
        them, reports compare the removed noise with the expected noise.
    device : str, optional
        As of `Denoiser`.

    Returns
    -------
    Denoiser or Splitter
        Ready to predict. Its settings, for training again, are those of Ladderscope that are
        nearest to the network.

    Raises
    ------
    InteropError
        As of `load_lvae`; also if the number of means, standard deviations or noise models is
        wrong, or one of them is invalid.

    References
    ----------
    CAREamics 0.3.5, https://github.com/CAREamics/careamics.

    Examples
    --------
    >>> from ladderscope.interop.careamics import build_lvae, to_careamics
    >>> config = {
    ...     "input_shape": [32, 32], "output_channels": 2, "multiscale_count": 1,
    ...     "z_dims": [2, 2], "encoder_n_filters": 4, "decoder_n_filters": 4,
    ...     "encoder_conv_strides": [2, 2], "decoder_conv_strides": [2, 2],
    ...     "encoder_dropout": 0.1, "decoder_dropout": 0.1, "nonlinearity": "ELU",
    ...     "predict_logvar": None, "analytical_kl": True,
    ... }
    >>> weights = to_careamics(build_lvae(config))  # random ones, for the example
    >>> splitter = import_careamics(weights, config, data_mean=[90, 110], data_std=[20, 30])
    >>> mixed = np.random.default_rng(0).normal(100, 30, (40, 50))
    >>> splitter.predict(mixed, samples=0).mean.shape
    (2, 40, 50)
    """
    checkpoint = read_checkpoint(weights, trust=trust)
    content = {"state_dict": checkpoint.tensors, "hyper_parameters": checkpoint.hyper_parameters}
    with naming(weights):
        network = load_lvae(content, config)
    found = origin_of(network).config
    _check_planes(found)
    channels = found.output_channels
    source = "weights in memory" if isinstance(weights, Mapping) else Path(weights).name
    patch = "×".join(map(str, found.input_shape))
    notices = [f"imported from CAREamics ({source}), where it was trained on patches of {patch}"]
    if data_mean is None and data_std is None:
        data_mean, data_std = stored_normalisation(checkpoint.of_data, channels) or (None, None)
    if data_mean is None or data_std is None:
        raise InteropError(_NUMBERS_MISSING)
    values, derived = _statistics(channels, data_mean, data_std)
    notices += derived
    noise, of_noise = _noise_models(channels, noise_models, content)
    notices += of_noise
    splits = channels > 1
    if splits:
        notices.append(
            "residuals are the mixed image minus the mean of the channels, which is how CAREamics "
            "mixes them by default"
        )
    mixture = Mixture(values[0], Mixing((0.0,) * channels, (1 / channels,) * channels))
    model = empty_model(
        _settings(found, noise),
        seed=0,
        statistics=values[1:],
        noise_models=noise,
        noise_choices=(None,) * len(noise),
        axes="ZYX"[-len(found.input_shape) :],
        channel_names=numbered_channels(channels) if splits else None,
        mixture=mixture if splits else None,
        architecture=found.architecture,
        trained_by="CAREamics",
    )
    for notice in notices[1:]:
        logger.info(notice)
    model = replace(
        model,
        weights=network.state_dict(),
        notices=tuple(notices),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    return (Splitter if splits else Denoiser).from_model(model, device=device)


def _check_planes(config: LVAEConfig) -> None:
    if config.restores_a_plane and config.input_shape[0] % 2 == 0:
        raise InteropError(
            f"the network restores the middle plane of a stack, but its stacks of "
            f"{config.input_shape[0]} planes (input_shape) have no middle plane. load_lvae opens "
            "it for use in Python"
        )


def _statistics(
    channels: int, data_mean: ArrayLike | float | int, data_std: ArrayLike | float | int
) -> tuple[tuple[Statistics, ...], list[str]]:
    """Give the statistics of the input, then those of the channels, and notices."""
    means, stds = _numbers("mean", data_mean), _numbers("standard deviation", data_std)
    if (stds <= 0).any():
        raise InteropError(f"the standard deviation {stds.min():g} is not above 0")
    for what, numbers, least in (("mean", abs(means), 0.0), ("standard deviation", stds, 1e-15)):
        for value in numbers[(numbers < least) | (numbers > 1e15)]:
            raise InteropError(
                f"the {what} {value:g} is out of range: give grey levels from 1e-15 to 1e15"
            )
    needed = {1, channels, channels + 1} if channels > 1 else {1}
    if len(means) != len(stds) or len(means) not in needed:
        wanted = (
            f"the network has {channels} channels, so give 1 of each for everything; or "
            f"{channels}, one per channel; or {channels + 1}, the mixed image's first"
            if channels > 1
            else "the network denoises, so give one of each"
        )
        raise InteropError(
            f"{counted(len(means), 'mean')} and {counted(len(stds), 'standard deviation')} of the "
            f"data were given: {wanted}"
        )
    if len(means) == 1:
        return (Statistics(float(means[0]), float(stds[0])),) * (1 + channels), []
    of_channels = [Statistics(float(m), float(s)) for m, s in zip(means, stds, strict=True)]
    if len(means) == channels + 1:
        return tuple(of_channels), []
    pooled = Statistics(float(means.mean()), float(np.sqrt(np.mean(stds**2) + means.var())))
    notice = (
        f"mixed images are normalised with mean {pooled.mean:.5g} and standard deviation "
        f"{pooled.std:.5g}, those of the pixels of all channels together, as in CAREamics if the "
        "mixed image is the mean of the channels. If yours was recorded or is the sum, give its "
        "own mean and standard deviation before those of the channels"
    )
    return (pooled, *of_channels), [notice]


def _numbers(what: str, given: ArrayLike | float | int) -> Float64[np.ndarray, " numbers"]:
    try:
        numbers = np.asarray(given, dtype=np.float64).ravel()
    except (TypeError, ValueError) as error:
        raise InteropError(f"the {what} of the data must be numbers, not {given!r}") from error
    if not np.isfinite(numbers).all():
        raise InteropError(f"the {what} of the data must be finite, not {given!r}")
    return numbers


def _noise_models(
    channels: int, given: Sequence[NoiseModel] | None, content: Mapping[str, Any]
) -> tuple[tuple[NoiseModel, ...], list[str]]:
    """Take the given noise models, or those in the checkpoint."""
    try:
        models: Sequence[NoiseModel] = load_noise_models(content) if given is None else given
    except InteropError as error:
        return (), [f"imported without a noise model, which prediction does not need: {error}"]
    if not models:
        return (), []
    if len(models) != channels:
        held = counted(len(models), "noise model")
        found = f"the checkpoint holds {held}" if given is None else f"{held} given"
        raise InteropError(
            f"{found}, but the network has {counted(channels, 'channel')}: give one per channel, "
            "or none, as prediction needs none"
        )
    return tuple(models), ["the checkpoint holds a noise model per channel"] * (given is None)


def _settings(
    config: LVAEConfig, noise: Sequence[NoiseModel]
) -> DenoiserSettings | SplitterSettings:
    """Give the settings of ours that are nearest to the network."""
    levels = len(config.z_dims)
    *depth, height, width = config.input_shape
    multiple = 2 ** (levels + (config.multiscale_count > 1))
    network = {
        "levels": levels,
        "filters": config.encoder_n_filters,
        "latent_channels": max(config.z_dims),
        "batch_norm": True,
        "dropout": min(config.encoder_dropout, _MOST_DROPOUT),
        "activation": _ACTIVATIONS.get(config.nonlinearity, "elu"),
        "context": config.multiscale_count,
        "dimensions": len(config.input_shape),
        "patch": max(8, -(-max(height, width) // multiple) * multiple),
        "tile_margin": max(32, 2**levels),
    }
    if depth:
        network["depth"] = max(2, depth[0])
    if config.restores_a_plane:
        network |= {"tile_depth": 1, "tile_depth_margin": depth[0] // 2}
    if config.output_channels == 1:
        return settings_for(DenoiserSettings, "small", network)
    predicted = config.predict_logvar is not None
    # Without a predicted variance, CAREamics uses 1 for normalised channels.
    splitting = {
        "method": ("microsplit" if predicted else "denoisplit") if noise else "musplit",
        "channels": config.output_channels,
        "variance": "predicted" if predicted else 1.0,
    }
    return settings_for(SplitterSettings, "small", network | splitting)
