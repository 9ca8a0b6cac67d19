"""The density of a compound Poisson law: a sum over photon numbers, in log space."""

import torch
from jaxtyping import Float
from torch import Tensor

from ladderscope.losses.gaussian_likelihood import log_density

LEAST_RATE = 1e-3  # photons: darker signals tilt this law instead of dimming it further
_AT_ONCE = 8192  # pixels on a CPU: their terms stay in its cache
_TERMS = 12  # photon numbers that are summed over
_LEAST_LOG_WEIGHT = -80.0  # below it float32 loses digits, and processors most of their speed
_REACH = 4.0  # to either side of the likeliest, in standard deviations
_NEWTON_STEPS = 2


def photon_log_density(
    photons: Float[Tensor, "..."],
    rate: Float[Tensor, "..."],
    read_noise: float | Float[Tensor, ""],
    shape: float | Float[Tensor, ""] | None,
) -> Float[Tensor, "..."]:
    """Log density of a compound Poisson law in units of the mean pulse height, in nats.

    It has a first derivative with respect to every argument, which is how the parameters are
    fitted. That of the rate is E[k | x] / λ − 1, which needs no graph through the sum.

    Parameters
    ----------
    photons
        x = (y − offset) / gain; broadcasts with the rate.
    rate
        λ, positive.
    read_noise
        Standard deviation of the read noise, in photons.
    shape
        α of the pulse heights; None where all are equal.

    Examples
    --------
    >>> empty = photon_log_density(torch.zeros(1), torch.ones(1), 0.1, 4.0)
    >>> round(float(empty), 2)  # −λ + log N(0; 0, 0.1²), and a little of faint single photons
    0.39
    """
    rate = rate + torch.zeros_like(photons)
    pixels, fixed = photons.expand_as(rate).reshape(-1), rate.detach().reshape(-1)
    at_once = _AT_ONCE if pixels.device.type == "cpu" else max(pixels.numel(), 1)
    parts = [
        _summed(some, rates, read_noise, shape)
        for some, rates in zip(
            torch.split(pixels, at_once), torch.split(fixed, at_once), strict=True
        )
    ]
    log_density, slope = (torch.cat(part).reshape(rate.shape) for part in zip(*parts, strict=True))
    return log_density + slope * (rate - rate.detach())


def _summed(
    photons: Tensor, rate: Tensor, read_noise: float | Tensor, shape: float | Tensor | None
) -> tuple[Tensor, Tensor]:
    """Give the log density, and its derivative with respect to the rate."""
    first, stride = _plausible(photons, rate, read_noise, shape)
    terms = torch.arange(_TERMS, dtype=rate.dtype, device=rate.device)
    number = first + stride * terms[:, None]
    log_poisson = number * rate.log() - torch.lgamma(number + 1)
    log_terms = log_poisson + _pulses(photons, number, read_noise, shape)
    largest = log_terms.detach().amax(dim=0)
    weights = (log_terms - largest).clamp(min=_LEAST_LOG_WEIGHT).exp()
    total = weights.sum(dim=0)
    log_density = largest + (total * stride).log() - rate
    return log_density, (weights * number).sum(dim=0).detach() / (total.detach() * rate) - 1


@torch.no_grad()
def _plausible(
    photons: Tensor, rate: Tensor, read_noise: float | Tensor, shape: float | Tensor | None
) -> tuple[Tensor, Tensor]:
    """Find the plausible photon numbers: the first, and the distance from one to the next.

    The logarithm of the likeliest is found by Newton's method, from
    d/dk log Poisson(k; λ) + d/dk log p(x | k) = 0 and the saddlepoint's first order.
    """
    number = _first_guess(photons, rate, read_noise, shape).clamp(LEAST_RATE, 1e7)
    log_rate = rate.log()
    for _ in range(_NEWTON_STEPS):
        if shape is None:
            slope = (photons - number) / read_noise**2
            curvature = torch.ones_like(number) / read_noise**2
        else:
            scale = _saddle_scale(photons, number, read_noise, shape)
            slope = -shape * (scale / shape).log()
            variance = number * shape / scale.square() + read_noise**2
            curvature = (shape / scale).square() / variance
        step = (log_rate - number.log() + slope) / (1 + number * curvature)
        number = (number.log() + step).exp().clamp(LEAST_RATE, 1e7)
    reach = _REACH * (1 / number + curvature).rsqrt()
    first = (number - reach).clamp(min=0)
    stride = (number + reach - first) / (_TERMS - 1)
    middle = (number - (_TERMS - 1) / 2).clamp(min=0).round()
    return torch.where(stride > 1, first, middle), stride.clamp(min=1)


def _first_guess(
    photons: Tensor, rate: Tensor, read_noise: float | Tensor, shape: float | Tensor | None
) -> Tensor:
    """Guess the likeliest photon number, for Newton's method to start from.

    Of a camera it is σ² W(λ/σ² exp(x/σ²)); Lambert's W is approximated to a few per cent (Winitzki
    2003). Otherwise it is bounded from below: by the best linear estimate, and by what is left
    after the most that read noise can add to a bright pixel.
    """
    variance = read_noise**2
    if shape is None:
        log = torch.nn.functional.softplus((rate / variance).log() + photons / variance)
        return variance * log * (1 - log.log1p() / (2 + log))
    linear = rate + (photons - rate) / (1 + 1 / shape + variance / rate)
    surplus = (photons / rate).clamp(min=1).log()
    most = -variance * shape * torch.expm1(-surplus / (1 + shape))
    left = (photons - most).clamp(min=LEAST_RATE).log()
    return linear.maximum(((rate.log() + shape * left) / (1 + shape)).exp())


def _pulses(
    photons: Tensor,
    number: Tensor,
    read_noise: float | Tensor,
    shape: float | Tensor | None,
) -> Tensor:
    """Log density of so many pulses with read noise: Gamma(kα, 1/α) * N(0, read_noise²).

    The photon numbers of a pixel rise in steps of at least one along the first axis.
    """
    variance = torch.as_tensor(read_noise, dtype=photons.dtype, device=photons.device).square()
    if shape is None:
        return log_density((photons - number).square() / variance, variance.log())
    some = number.clamp(min=0.5)
    pulses = some * shape
    scale = _saddle_scale(photons, some, read_noise, shape)
    tilt = shape - scale
    spread = pulses / scale.square()
    second = spread + variance
    # K(t) − t x − ½ log 2π K″, and the term of second order: κ₄/8 − 5 κ₃²/24.
    exponent = tilt * (photons - 0.5 * variance * tilt) + pulses * torch.log1p(-tilt / shape)
    share = spread / second
    correction = share.square() / pulses * (0.75 - 5 / 6 * share)
    density = log_density(2 * exponent, second.log()) + correction
    none = log_density(photons.square() / variance, variance.log())
    density[0] = torch.where(number[0] < 0.5, none, density[0])  # the others are whole steps above
    return density


def _saddle_scale(
    photons: Tensor, number: Tensor, read_noise: float | Tensor, shape: float | Tensor
) -> Tensor:
    """Give α − t at the saddlepoint t, where kα / (α − t) + read_noise² t = x: a quadratic.

    Its root is written in two ways, of which one loses no digits; which, depends on x alone.
    """
    variance = read_noise * read_noise
    linear = photons - variance * shape
    root = (linear.square() + 4 * variance * shape * number).sqrt() + linear.abs()
    bright = (linear > 0).to(root.dtype)
    return 2 * shape * bright * (number / root) + (1 - bright) / (2 * variance) * root
