"""The decoder likelihood of µSplit: a Gaussian around the decoder's mean, in normalised units."""

import math

from jaxtyping import Float
from torch import Tensor

from ladderscope.losses.precision import at_least_float32

HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


def gaussian_log_likelihood(
    target: Float[Tensor, "*#shape"],
    mean: Float[Tensor, "*#shape"],
    log_variance: Float[Tensor, "*#shape"] | int | float = 0.0,
    *,
    min_log_variance: int | float = -10.0,
) -> Float[Tensor, "*shape"]:
    r"""Log-likelihood of the target under the decoder's Gaussian, element by element.

    .. math::

        \log N(x;\, \mu, \sigma^2)
            = -\tfrac{1}{2} \Bigl(\frac{(x - \mu)^2}{\sigma^2} + \log\sigma^2 + \log 2\pi\Bigr)

    This is not a noise model. The variance represents everything that the decoder does not know, in
    the units of the network, in which the data have a standard deviation of about one.

    Parameters
    ----------
    target : Tensor, any shape
        x, normalised.
    mean : Tensor, broadcastable with it
        µ, the decoder's estimate of the target.
    log_variance : Tensor, broadcastable with them, or float, default 0.0
        Natural logarithm of σ²: predicted for every pixel, or a fixed number.
    min_log_variance : float, default -10.0
        Lower bound of a predicted log-variance; below it the gradient is zero. Without a bound,
        the likelihood of exactly predicted pixels, such as a black background, is unlimited. The
        default corresponds to σ = 0.0067 of the standard deviation of the data; ``-math.inf``
        means no bound. A fixed `log_variance` is not changed.

    Returns
    -------
    Tensor, the broadcast shape
        In nats, including ½ log 2π, at least in float32.

    Raises
    ------
    ValueError
        If a fixed `log_variance` is not finite, or `min_log_variance` is NaN or +∞.
    RuntimeError
        From torch, if the shapes cannot be broadcast.

    References
    ----------
    Ashesh et al., "µSplit: image decomposition for fluorescence microscopy", ICCV 2023.

    Examples
    --------
    >>> import torch
    >>> target, mean = torch.tensor([0.0, 1.0]), torch.zeros(2)
    >>> gaussian_log_likelihood(target, mean, torch.zeros(2))
    tensor([-0.9189, -1.4189])
    >>> gaussian_log_likelihood(target, mean, math.log(4))
    tensor([-1.6121, -1.7371])
    """
    if not min_log_variance < math.inf:
        raise ValueError(f"min_log_variance must be a number below +∞, found {min_log_variance}")

    distance = at_least_float32(target) - at_least_float32(mean)
    if isinstance(log_variance, Tensor):
        log_variance = at_least_float32(log_variance).clamp(min=min_log_variance)
        # Divided by σ before it is squared: 1/σ overflows only at twice the log-variance of 1/σ².
        distance = distance * (-0.5 * log_variance).exp()
    else:
        if not -math.inf < log_variance < math.inf:
            raise ValueError(f"a fixed log_variance must be finite, found {log_variance}")
        distance = distance * math.exp(-0.5 * log_variance)
    return log_density(distance.square(), log_variance)


def log_density(
    squared_distance: Float[Tensor, "..."], log_variance: Float[Tensor, "..."] | int | float
) -> Float[Tensor, "..."]:
    r"""Log density of a Gaussian, :math:`-\tfrac{1}{2}(d^2 + \log\sigma^2 + \log 2\pi)`, in nats.

    Parameters
    ----------
    squared_distance : Tensor, any shape
        d² = (x − µ)² / σ².
    log_variance : Tensor, broadcastable with it, or float
        log σ².

    Examples
    --------
    >>> import torch
    >>> log_density(torch.tensor([0.0, 1.0]), 0.0)
    tensor([-0.9189, -1.4189])
    """
    return -0.5 * (squared_distance + log_variance) - HALF_LOG_2PI
