"""The losses of CAREamics, number for number: our objectives and its differences from them.

CAREamics differs from `ladderscope.losses` in these points:

- a predicted log-variance is clipped at −5;
- where no log-variance is predicted, the Gaussian likelihood lacks the constant ½ log 2π;
- µSplit's KL of a 3-D target is divided by the size of Z once more, although the number of latent
  elements contains it;
- MicroSplit's KL has the final KL weight from the first epoch on, without annealing.
"""

from collections.abc import Mapping, Sequence
from itertools import count, takewhile

import torch
from jaxtyping import Float, Real
from numpy.typing import ArrayLike
from torch import Tensor

from ladderscope.errors import LadderscopeError
from ladderscope.losses import (
    denoisplit_objective,
    gaussian_log_likelihood,
    hdn_objective,
    microsplit_objective,
    musplit_objective,
)
from ladderscope.losses.gaussian_likelihood import HALF_LOG_2PI
from ladderscope.noise import NoiseModel

_TERMS = ("loss", "reconstruction_loss", "kl_loss")
_MIN_LOG_VARIANCE = -5.0


def replay_losses(
    outputs: Mapping[str, Tensor | ArrayLike],
    target: Real[Tensor, "batch channels *space"] | ArrayLike,
    noise_models: Sequence[NoiseModel] | NoiseModel,
    data_mean: Tensor | ArrayLike | float | int,
    data_std: Tensor | ArrayLike | float | int,
    *,
    kl_weight: float | int = 1.0,
    final_kl_weight: float | int = 1.0,
) -> dict[str, Tensor]:
    """Compute every loss of CAREamics from the outputs of its network, or of ours.

    The losses are ``hdn_gaussian``, ``hdn_noise_model``, ``musplit``, ``denoisplit``,
    ``denoisplit_restricted`` and ``microsplit`` (0.9 and 0.1, with the KL of the whole maps).
    All are computed for every network, for denoising or splitting.

    Parameters
    ----------
    outputs : mapping of str to Tensor or array
        ``out``, shape (batch, channels, [Z], Y, X), or with twice the channels if the second half
        is their log-variance; and for every level from 1, the finest, ``z/1`` (batch, latent
        channels, [Z], Y, X), ``kl/1`` (batch,) and ``kl_restricted/1`` (batch,), in nats.
        Further keys are ignored.
    target : Tensor or array, shape (batch, channels, [Z], Y, X)
        Normalised; Y X under a 2-D decoder, whatever the input was.
    noise_models : sequence of NoiseModel
        One per target channel, in camera units; for a single channel also the model itself.
    data_mean, data_std : Tensor or array
        Mean and standard deviation of the target in camera units: one number per channel in any
        shape, or one for all. They enter the noise models' likelihood alone.
    kl_weight : float, default 1.0
        The KL weight of the epoch, ``get_kl_weight(..., as_published=True)``.
    final_kl_weight : float, default 1.0
        The KL weight after annealing: MicroSplit's at every epoch.

    Returns
    -------
    dict of str to Tensor of shape ()
        ``<loss>/loss``, ``<loss>/reconstruction_loss`` and ``<loss>/kl_loss``, attached to the
        graph of `outputs`.

    Raises
    ------
    LadderscopeError
        If an output is missing, or shapes or numbers of channels contradict each other.

    References
    ----------
    CAREamics 0.3.5, https://github.com/CAREamics/careamics; the papers at each objective of
    `ladderscope.losses`.

    Examples
    --------
    >>> import torch
    >>> from ladderscope.noise import Gaussian
    >>> zero = torch.zeros(1, 1, 8, 8)
    >>> outputs = {
    ...     "out": zero,
    ...     "z/1": torch.zeros(1, 2, 4, 4),
    ...     "kl/1": torch.full((1,), 16.0),
    ...     "kl_restricted/1": torch.full((1,), 16.0),
    ... }
    >>> losses = replay_losses(outputs, zero + 1, [Gaussian(10.0)], data_mean=100, data_std=10)
    >>> losses["musplit/reconstruction_loss"], losses["musplit/kl_loss"]
    (tensor(0.5000), tensor(0.5000))
    """
    out = _output(outputs, "out")
    target = torch.as_tensor(target).to(out)
    mean, log_variance = _mean_and_log_variance(out, target)
    kl = torch.stack(_levels(outputs, "kl"), dim=1)
    restricted_kl = torch.stack(_levels(outputs, "kl_restricted"), dim=1)
    latents = _levels(outputs, "z")
    if not kl.shape == restricted_kl.shape == (len(target), len(latents)):
        raise LadderscopeError(
            "kl, kl_restricted and z must hold the same levels and the target's batch of "
            f"{len(target)}: found {tuple(kl.shape)} and {tuple(restricted_kl.shape)} for "
            f"(batch, levels), and {len(latents)} latents"
        )

    if log_variance is None:
        decoder = gaussian_log_likelihood(target, mean) + HALF_LOG_2PI
    else:
        decoder = gaussian_log_likelihood(
            target, mean, log_variance, min_log_variance=_MIN_LOG_VARIANCE
        )
    models = [noise_models] if isinstance(noise_models, NoiseModel) else noise_models
    offset = _per_channel("data_mean", data_mean, target)
    scale = _per_channel("data_std", data_std, target)
    camera = _noise_model_log_likelihood(models, target * scale + offset, mean * scale + offset)

    # Z of the target counts twice: a 3-D latent has it in its elements already.
    depth = target.shape[2] if target.ndim == 5 else 1
    elements = [depth * latent[0].numel() for latent in latents]
    objectives = {
        "hdn_gaussian": hdn_objective(decoder, kl, kl_weight=kl_weight),
        "hdn_noise_model": hdn_objective(camera, kl, kl_weight=kl_weight),
        "musplit": musplit_objective(decoder, kl, elements, kl_weight=kl_weight),
        "denoisplit": denoisplit_objective(camera, kl, kl_weight=kl_weight),
        "denoisplit_restricted": denoisplit_objective(camera, restricted_kl, kl_weight=kl_weight),
        "microsplit": microsplit_objective(
            camera, decoder, kl, kl, elements, kl_weight=final_kl_weight
        ),
    }
    return {
        f"{name}/{term}": value
        for name, objective in objectives.items()
        for term, value in zip(_TERMS, objective, strict=True)
    }


def _mean_and_log_variance(out: Tensor, target: Tensor) -> tuple[Tensor, Tensor | None]:
    if out.shape == target.shape:
        return out, None
    batch, channels, *space = target.shape
    if out.shape == (batch, 2 * channels, *space):
        mean, log_variance = out.chunk(2, dim=1)
        return mean, log_variance
    raise LadderscopeError(
        "out must have the target's shape, or twice its channels where a log-variance is "
        f"predicted: found {tuple(out.shape)} for a target of {tuple(target.shape)}"
    )


def _noise_model_log_likelihood(
    models: Sequence[NoiseModel], observation: Tensor, signal: Tensor
) -> Tensor:
    if len(models) != signal.shape[1]:
        raise LadderscopeError(
            f"the target has {signal.shape[1]} channels and needs a noise model for each, "
            f"found {len(models)}"
        )
    channels = zip(models, observation.unbind(dim=1), signal.unbind(dim=1), strict=True)
    return torch.stack([model.log_likelihood(y, s) for model, y, s in channels], dim=1)


def _levels(outputs: Mapping[str, Tensor | ArrayLike], name: str) -> list[Tensor]:
    """Return one kind of output of all levels, finest first."""
    keys = takewhile(outputs.__contains__, (f"{name}/{level}" for level in count(2)))
    return [_output(outputs, key) for key in (f"{name}/1", *keys)]


def _output(outputs: Mapping[str, Tensor | ArrayLike], key: str) -> Tensor:
    if key not in outputs:
        raise LadderscopeError(f"the outputs lack {key!r}; they have {sorted(outputs)}")
    return torch.as_tensor(outputs[key])


def _per_channel(
    name: str, values: Tensor | ArrayLike | float | int, target: Tensor
) -> Float[Tensor, "..."]:
    """Give one number per channel the shape that broadcasts against the target."""
    channels = target.shape[1]
    numbers = torch.as_tensor(values).to(target).flatten()
    if len(numbers) not in (1, channels):
        raise LadderscopeError(
            f"{name} must hold one number, or one for each of {channels} channels, "
            f"found {len(numbers)}"
        )
    return numbers.expand(channels).reshape(channels, *(1,) * (target.ndim - 2))
