"""The KL divergence between two diagonal Gaussians, and its sums.

`gaussian_kl` and `gaussian_kl_one_sample` return one value per element, in nats. `samplewise`,
`channelwise` and `spatial` sum these values; `restricted` crops the map to its centre first.
"""

from jaxtyping import Float
from torch import Tensor

from ladderscope.losses.precision import at_least_float32


def gaussian_kl(
    q_mean: Float[Tensor, "*#shape"],
    q_log_variance: Float[Tensor, "*#shape"],
    p_mean: Float[Tensor, "*#shape"],
    p_log_variance: Float[Tensor, "*#shape"],
) -> Float[Tensor, "*shape"]:
    r"""KL divergence of the posterior q from the prior p, element by element, in closed form.

    .. math::

        KL(q \,\|\, p) = \tfrac{1}{2} \Bigl(\log\sigma_p^2 - \log\sigma_q^2
            + \frac{\sigma_q^2 + (\mu_q - \mu_p)^2}{\sigma_p^2} - 1\Bigr)

    Parameters
    ----------
    q_mean, q_log_variance : Tensor, any shape
        Mean and natural logarithm of the variance of q.
    p_mean, p_log_variance : Tensor, broadcastable with them
        The same for p.

    Returns
    -------
    Tensor, the broadcast shape
        In nats, at least in float32.

    Raises
    ------
    RuntimeError
        From torch, if the shapes cannot be broadcast.

    References
    ----------
    Kingma & Welling, "Auto-encoding variational Bayes", ICLR 2014, appendix B, for a
    standard normal p.

    Examples
    --------
    >>> import torch
    >>> zero = torch.zeros(1)
    >>> gaussian_kl(torch.tensor([0.0, 1.0, 2.0]), zero, zero, zero)
    tensor([0.0000, 0.5000, 2.0000])
    """
    q_mean, q_log_variance = at_least_float32(q_mean), at_least_float32(q_log_variance)
    p_mean, p_log_variance = at_least_float32(p_mean), at_least_float32(p_log_variance)

    # σ_q²/σ_p² is the exponential of a difference, so that neither variance can overflow alone;
    # expm1 keeps the digits that "exp(...) - 1" loses when q is close to p. Distances are divided
    # by σ before they are squared, because 1/σ overflows only at twice the log-variance of 1/σ².
    log_ratio = q_log_variance - p_log_variance
    distance = (q_mean - p_mean) * (-0.5 * p_log_variance).exp()
    return 0.5 * (log_ratio.expm1() - log_ratio + distance.square())


def gaussian_kl_one_sample(
    sample: Float[Tensor, "*#shape"],
    q_mean: Float[Tensor, "*#shape"],
    q_log_variance: Float[Tensor, "*#shape"],
    p_mean: Float[Tensor, "*#shape"],
    p_log_variance: Float[Tensor, "*#shape"],
) -> Float[Tensor, "*shape"]:
    r"""Estimate of the KL divergence from one sample z of the posterior q, element by element.

    .. math::

        \log q(z) - \log p(z) = \tfrac{1}{2} \Bigl(\log\sigma_p^2 - \log\sigma_q^2
            + \frac{(z - \mu_p)^2}{\sigma_p^2} - \frac{(z - \mu_q)^2}{\sigma_q^2}\Bigr)

    Its expectation over z ~ q is `gaussian_kl`; a single value can be negative.

    Parameters
    ----------
    sample : Tensor, any shape
        z, drawn from q.
    q_mean, q_log_variance : Tensor, broadcastable with it
        Mean and natural logarithm of the variance of q.
    p_mean, p_log_variance : Tensor, broadcastable with it
        The same for p.

    Returns
    -------
    Tensor, the broadcast shape
        In nats, at least in float32.

    Raises
    ------
    RuntimeError
        From torch, if the shapes cannot be broadcast.

    References
    ----------
    Kingma & Welling, "Auto-encoding variational Bayes", ICLR 2014, the last two terms of
    equation 6.

    Examples
    --------
    >>> import torch
    >>> zero, one = torch.zeros(1), torch.ones(1)
    >>> gaussian_kl_one_sample(one, one, zero, zero, zero)
    tensor([0.5000])
    """
    sample = at_least_float32(sample)
    q_mean, q_log_variance = at_least_float32(q_mean), at_least_float32(q_log_variance)
    p_mean, p_log_variance = at_least_float32(p_mean), at_least_float32(p_log_variance)

    log_ratio = q_log_variance - p_log_variance
    distance_to_p = (sample - p_mean) * (-0.5 * p_log_variance).exp()
    distance_to_q = (sample - q_mean) * (-0.5 * q_log_variance).exp()
    return 0.5 * (distance_to_p.square() - distance_to_q.square() - log_ratio)


def samplewise(kl: Float[Tensor, "batch channels *space"]) -> Float[Tensor, " batch"]:
    """Sum an element-wise KL divergence over channels and space: one value per sample.

    Parameters
    ----------
    kl : Tensor, shape (batch, channels, \\*space)
        In nats per element.

    Returns
    -------
    Tensor, shape (batch,)
        In nats, at least in float32.

    Raises
    ------
    ValueError
        If `kl` has fewer than two axes.

    Examples
    --------
    >>> import torch
    >>> samplewise(torch.ones(2, 3, 4, 4))
    tensor([48., 48.])
    """
    _require_batch_and_channels(kl)
    return at_least_float32(kl).sum(dim=tuple(range(1, kl.ndim)))


def channelwise(kl: Float[Tensor, "batch channels *space"]) -> Float[Tensor, "batch channels"]:
    """Sum an element-wise KL divergence over space: one value per sample and channel.

    A channel whose sum is close to zero for every sample carries no information.

    Parameters
    ----------
    kl : Tensor, shape (batch, channels, \\*space)
        In nats per element.

    Returns
    -------
    Tensor, shape (batch, channels)
        In nats, at least in float32.

    Raises
    ------
    ValueError
        If `kl` has fewer than two axes.

    Examples
    --------
    >>> import torch
    >>> channelwise(torch.ones(1, 3, 4, 4))
    tensor([[16., 16., 16.]])
    """
    _require_batch_and_channels(kl)
    # The extra axis is for maps without spatial axes: torch reads an empty `dim` as all axes.
    return at_least_float32(kl).unsqueeze(-1).sum(dim=tuple(range(2, kl.ndim + 1)))


def spatial(kl: Float[Tensor, "batch channels *space"]) -> Float[Tensor, "batch *space"]:
    """Sum an element-wise KL divergence over channels: a map of where the information is.

    Parameters
    ----------
    kl : Tensor, shape (batch, channels, \\*space)
        In nats per element.

    Returns
    -------
    Tensor, shape (batch, \\*space)
        In nats, at least in float32.

    Raises
    ------
    ValueError
        If `kl` has fewer than two axes.

    Examples
    --------
    >>> import torch
    >>> spatial(torch.ones(1, 3, 2, 2))
    tensor([[[3., 3.],
             [3., 3.]]])
    """
    _require_batch_and_channels(kl)
    return at_least_float32(kl).sum(dim=1)


def restricted(
    kl: Float[Tensor, "batch channels *space"], size: tuple[int, ...]
) -> Float[Tensor, "batch channels *centre"]:
    """Crop an element-wise KL divergence to its centre.

    With lateral context, a latent map is wider than the predicted patch, and only its centre
    contributes to the prediction. The result is still element-wise.

    Parameters
    ----------
    kl : Tensor, shape (batch, channels, \\*space)
        In nats per element.
    size : tuple of int
        The size to keep along the last axes: (Y, X) or (Z, Y, X). With (Y, X), all of Z is kept.

    Returns
    -------
    Tensor, shape (batch, channels, \\*centre)
        A view of `kl`.

    Raises
    ------
    ValueError
        If `size` is empty, has more axes than `kl` has spatial axes, is smaller than 1 or larger
        than the map, or differs from the map by an odd number, so that there is no centre on the
        pixel grid.

    References
    ----------
    Ashesh et al., "µSplit: image decomposition for fluorescence microscopy", ICCV 2023.

    Examples
    --------
    >>> import torch
    >>> restricted(torch.arange(16.0).reshape(1, 1, 4, 4), (2, 2))
    tensor([[[[ 5.,  6.],
              [ 9., 10.]]]])
    """
    _require_batch_and_channels(kl)
    space = tuple(kl.shape[2:])
    if not 1 <= len(size) <= len(space):
        raise ValueError(
            f"size must have from 1 to {len(space)} entries, for the spatial axes of a kl of "
            f"shape {tuple(kl.shape)}, found {tuple(size)}"
        )
    for axis, kept in enumerate(size, start=kl.ndim - len(size)):
        margin = kl.shape[axis] - kept
        if kept < 1 or margin < 0:
            raise ValueError(
                f"size must be between 1 and that of the map, {space}, found {tuple(size)}"
            )
        if margin % 2:
            raise ValueError(
                "size must differ from the map by an even number on every axis, to have a centre, "
                f"found {tuple(size)} in a map of {space}"
            )
        kl = kl.narrow(axis, margin // 2, kept)
    return kl


def _require_batch_and_channels(kl: Tensor) -> None:
    if kl.ndim < 2:
        raise ValueError(
            f"kl must have the shape (batch, channels, *space), found {tuple(kl.shape)}"
        )
