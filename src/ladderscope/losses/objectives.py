"""The objectives that training minimises, per pixel, with their terms.

All four methods minimise the mean of a negative log-likelihood plus a weighted `kl_term`. They
differ in the quantity whose likelihood is taken, and in how the KL divergence of a level is
rescaled and summed:

| method | likelihood | KL divided by | over levels | free bits |
| --- | --- | --- | --- | --- |
| `hdn_objective` | noise model, of the observation | image pixels | sum | 1 |
| `musplit_objective` | decoder's Gaussian, of the target channels | latent elements | mean | 0 |
| `denoisplit_objective` | noise models, of the target channels | image pixels | sum | 1 |
| `microsplit_objective` | weighted sum of the last two | as for each | as for each | 1 and 0 |

The KL divergence has the shape (batch, levels), in nats, and is summed over each level by the
caller, with `samplewise` or, for lateral context, with ``samplewise(restricted(kl, size))``, where
`size` is the part of the latent map that covers the patch: patch / 2^l at level l.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from ladderscope.losses.free_bits import free_bits_kl
from ladderscope.losses.precision import at_least_float32


class Objective(NamedTuple):
    """An objective and its two terms.

    Attributes
    ----------
    loss : Tensor, shape ()
        ``reconstruction + kl``, to be minimised.
    reconstruction : Tensor, shape ()
        Negative log-likelihood, in nats per pixel.
    kl : Tensor, shape ()
        KL divergence times the KL weight, in nats per pixel or, for µSplit, per latent element.

    Examples
    --------
    >>> import torch
    >>> objective = Objective(torch.tensor(3.0), torch.tensor(2.0), torch.tensor(1.0))
    >>> objective.reconstruction + objective.kl == objective.loss
    tensor(True)
    """

    loss: Float[Tensor, ""]
    reconstruction: Float[Tensor, ""]
    kl: Float[Tensor, ""]


def kl_term(
    kl: Float[Tensor, "batch levels"],
    elements: int | Sequence[int],
    over_levels: Callable[[Tensor], Tensor],
    *,
    free_bits: int | float,
) -> Float[Tensor, ""]:
    r"""KL term of an objective, without its weight.

    With :math:`\lambda` the free bits and :math:`n_l` the number of elements by which the KL
    divergence of level l is divided,

    .. math::

        \operatorname{over\_levels}_l \;
            \frac{1}{n_l} \operatorname{mean}_b \max(KL_{bl}, \lambda)

    Parameters
    ----------
    kl : Tensor, shape (batch, levels)
        KL divergence of each sample, summed over each level, in nats.
    elements : int or sequence of int
        The number of pixels of an image, including Z, for all levels; or one number per level,
        finest first: the elements of its latent map, including channels and Z.
    over_levels : callable
        ``torch.sum`` or ``torch.mean``: (levels,) → ().
    free_bits : float
        Lower bound of the KL of each sample and level, in nats; see `free_bits_kl`.

    Returns
    -------
    Tensor, shape ()
        In nats per element.

    Raises
    ------
    ValueError
        If `elements` is not one positive number, or one per level, or if `free_bits_kl` refuses
        `kl` or `free_bits`.

    References
    ----------
    The sum per pixel: Prakash et al., ICLR 2022. The mean per latent element: Ashesh et al.,
    ICCV 2023.

    Examples
    --------
    >>> import torch
    >>> kl = torch.tensor([[16.0, 0.0], [48.0, 0.5]])
    >>> kl_term(kl, 64, torch.sum, free_bits=1.0)
    tensor(0.5156)
    >>> kl_term(kl, (32, 8), torch.mean, free_bits=0.0)
    tensor(0.5156)
    """
    level_kl = free_bits_kl(kl, free_bits)
    counts = [elements] * len(level_kl) if isinstance(elements, int) else list(elements)
    if len(counts) != len(level_kl) or any(count < 1 for count in counts):
        raise ValueError(
            f"elements must be one positive number, or one for each of {len(level_kl)} levels, "
            f"found {elements}"
        )
    if isinstance(elements, int):
        return over_levels(level_kl / elements)
    pairs = zip(level_kl.unbind(), counts, strict=True)
    return over_levels(torch.stack([nats / count for nats, count in pairs]))


def hdn_objective(
    log_likelihood: Float[Tensor, "batch channels *space"],
    kl: Float[Tensor, "batch levels"],
    *,
    free_bits: int | float = 1.0,
    kl_weight: int | float | Float[Tensor, ""] = 1.0,
) -> Objective:
    r"""Objective of Hierarchical DivNoising: the negative evidence lower bound, per pixel.

    With :math:`\lambda` the free bits, :math:`w` the KL weight, and P the number of pixels of
    an image,

    .. math::

        -\operatorname{mean}_{b,c,i} \log p(y_{bci} \mid s_{bci})
        \;+\; w \sum_l \frac{1}{P} \operatorname{mean}_b \max(KL_{bl}, \lambda)

    Both terms are means over the batch; the first is also a mean over channels. The constant
    :math:`\tfrac{1}{2} \log 2\pi` is included if `log_likelihood` includes it.

    Parameters
    ----------
    log_likelihood : Tensor, shape (batch, channels, \*space)
        log p(y | s) of the observation, in nats per element. P is the number of pixels,
        including Z but not channels.
    kl : Tensor, shape (batch, levels)
        KL divergence of each sample, summed over each level, in nats.
    free_bits : float, default 1.0
        Lower bound of the KL of each sample and level, in nats; see `free_bits_kl`.
    kl_weight : float or Tensor of shape (), default 1.0
        Weight of the KL term. Under torch.compile, a tensor can change without recompilation.

    Returns
    -------
    Objective
        Its `kl` includes the weight, so that ``loss = reconstruction + kl``.

    Raises
    ------
    ValueError
        If `log_likelihood` is empty or has no spatial axes, if the batch sizes differ, or if
        `free_bits_kl` refuses `kl` or `free_bits`.

    References
    ----------
    Prakash et al., "Interpretable unsupervised diversity denoising and artefact removal",
    ICLR 2022; free bits: Kingma et al., NeurIPS 2016, appendix C.

    Examples
    --------
    >>> import torch
    >>> log_likelihood = torch.full((2, 1, 8, 8), -1.5)
    >>> kl = torch.tensor([[16.0, 0.0], [46.0, 0.5]])
    >>> hdn_objective(log_likelihood, kl, kl_weight=0.5)
    Objective(loss=tensor(1.7500), reconstruction=tensor(1.5000), kl=tensor(0.2500))
    """
    reconstruction = _reconstruction(log_likelihood, kl)
    pixels = math.prod(log_likelihood.shape[2:])
    weighted_kl = kl_weight * kl_term(kl, pixels, torch.sum, free_bits=free_bits)
    return Objective(reconstruction + weighted_kl, reconstruction, weighted_kl)


def musplit_objective(
    log_likelihood: Float[Tensor, "batch channels *space"],
    kl: Float[Tensor, "batch levels"],
    latent_elements: Sequence[int],
    *,
    free_bits: int | float = 0.0,
    kl_weight: int | float | Float[Tensor, ""] = 1.0,
) -> Objective:
    r"""Objective of µSplit: the KL per element of a level's latent map, as a mean over levels.

    With :math:`w` the KL weight and :math:`n_l` the number of elements of the latent map of level
    l,

    .. math::

        -\operatorname{mean}_{b,c,i} \log N(x_{bci};\, \mu_{bci}, \sigma^2_{bci})
        \;+\; w \operatorname{mean}_l \frac{1}{n_l} \operatorname{mean}_b KL_{bl}

    All levels therefore have equal weight, whatever the size of their maps.

    Parameters
    ----------
    log_likelihood : Tensor, shape (batch, channels, \*space)
        Of the normalised target channels, in nats per element, including
        :math:`\tfrac{1}{2} \log 2\pi`: see `gaussian_log_likelihood`.
    kl : Tensor, shape (batch, levels)
        KL divergence of each sample, summed over each whole level, in nats: with lateral context,
        including the surroundings of the patch.
    latent_elements : sequence of int
        Number of elements in each of these sums, finest level first: latent channels × [Z] × Y ×
        X of the level's whole map.
    free_bits : float, default 0.0
        Lower bound of the KL of each sample and level, in nats; see `free_bits_kl`.
    kl_weight : float or Tensor of shape (), default 1.0
        Weight of the KL term. Under torch.compile, a tensor can change without recompilation.

    Returns
    -------
    Objective
        Its `kl` includes the weight, so that ``loss = reconstruction + kl``.

    Raises
    ------
    ValueError
        If `log_likelihood` is empty or has no spatial axes, if the batch sizes differ, if
        `latent_elements` is not one positive number per level, or if `free_bits_kl` refuses `kl`
        or `free_bits`.

    References
    ----------
    Ashesh et al., "µSplit: image decomposition for fluorescence microscopy", ICCV 2023.

    Examples
    --------
    >>> import torch
    >>> log_likelihood = torch.full((2, 2, 8, 8), -1.5)
    >>> kl = torch.tensor([[16.0, 0.0], [48.0, 8.0]])
    >>> musplit_objective(log_likelihood, kl, latent_elements=(64, 16))
    Objective(loss=tensor(1.8750), reconstruction=tensor(1.5000), kl=tensor(0.3750))
    """
    reconstruction = _reconstruction(log_likelihood, kl)
    weighted_kl = kl_weight * kl_term(kl, latent_elements, torch.mean, free_bits=free_bits)
    return Objective(reconstruction + weighted_kl, reconstruction, weighted_kl)


def denoisplit_objective(
    log_likelihood: Float[Tensor, "batch channels *space"],
    kl: Float[Tensor, "batch levels"],
    *,
    free_bits: int | float = 1.0,
    kl_weight: int | float | Float[Tensor, ""] = 1.0,
) -> Objective:
    r"""Objective of denoiSplit: that of HDN, for the split channels instead of the observation.

    .. math::

        -\operatorname{mean}_{b,c,i} \log p_c(x_{bci} \mid s_{bci})
        \;+\; w \sum_l \frac{1}{P} \operatorname{mean}_b \max(KL_{bl}, \lambda)

    Parameters
    ----------
    log_likelihood : Tensor, shape (batch, channels, \*space)
        log p(x | s) of the noisy target channels, each with its own noise model, in nats per
        element. P is the number of pixels of the target, so Z does not count for a 2-D target of
        a 3-D input. Both terms are then parts of one evidence lower bound.
    kl : Tensor, shape (batch, levels)
        KL divergence of each sample, summed over each level, in nats: over its whole map or, with
        lateral context, over its `restricted` centre. In both cases P is that of the patch.
    free_bits : float, default 1.0
        Lower bound of the KL of each sample and level, in nats; see `free_bits_kl`.
    kl_weight : float or Tensor of shape (), default 1.0
        Weight :math:`w` of the KL term.

    Returns
    -------
    Objective
        Its `kl` includes the weight, so that ``loss = reconstruction + kl``.

    Raises
    ------
    ValueError
        As in `hdn_objective`.

    References
    ----------
    Ashesh & Jug, "denoiSplit: a method for joint microscopy image splitting and unsupervised
    denoising", ECCV 2024.

    Examples
    --------
    >>> import torch
    >>> log_likelihood = torch.full((2, 2, 8, 8), -1.5)
    >>> kl = torch.tensor([[16.0, 0.0], [46.0, 0.5]])
    >>> denoisplit_objective(log_likelihood, kl)
    Objective(loss=tensor(2.), reconstruction=tensor(1.5000), kl=tensor(0.5000))
    """
    return hdn_objective(log_likelihood, kl, free_bits=free_bits, kl_weight=kl_weight)


def microsplit_objective(
    noise_model_log_likelihood: Float[Tensor, "batch channels *space"],
    decoder_log_likelihood: Float[Tensor, "batch channels *space"],
    denoisplit_kl: Float[Tensor, "batch levels"],
    musplit_kl: Float[Tensor, "batch levels"],
    latent_elements: Sequence[int],
    *,
    denoisplit_weight: int | float = 0.9,
    musplit_weight: int | float | None = None,
    denoisplit_free_bits: int | float = 1.0,
    musplit_free_bits: int | float = 0.0,
    kl_weight: int | float | Float[Tensor, ""] = 1.0,
) -> Objective:
    r"""Objective of MicroSplit: a weighted sum of those of denoiSplit and µSplit, term by term.

    .. math:: w\, \mathcal{L}_\text{denoiSplit} + (1 - w)\, \mathcal{L}_\text{µSplit}

    Parameters
    ----------
    noise_model_log_likelihood : Tensor, shape (batch, channels, \*space)
        Of the noisy target channels, as for `denoisplit_objective`.
    decoder_log_likelihood : Tensor, shape (batch, channels, \*space)
        Of the normalised target channels, as for `musplit_objective`.
    denoisplit_kl : Tensor, shape (batch, levels)
        For denoiSplit, in nats; with lateral context, `restricted` to the centre.
    musplit_kl : Tensor, shape (batch, levels)
        For µSplit, in nats; never restricted.
    latent_elements : sequence of int
        Elements of each level's latent map, as for `musplit_objective`.
    denoisplit_weight : float, default 0.9
        The weight :math:`w`.
    musplit_weight : float, optional
        The weight of µSplit's terms, by default :math:`1 - w`.
    denoisplit_free_bits, musplit_free_bits : float, default 1.0 and 0.0
        Lower bound of the KL of each sample and level, in nats; see `free_bits_kl`.
    kl_weight : float or Tensor of shape (), default 1.0
        Weight of the whole KL term.

    Returns
    -------
    Objective
        Its `kl` includes the weights, so that ``loss = reconstruction + kl``.

    Raises
    ------
    ValueError
        If a weight is negative or not finite, or as in `denoisplit_objective` and
        `musplit_objective`.

    References
    ----------
    Ashesh et al., "MicroSplit: semantic unmixing of fluorescent microscopy data", 2025.

    Examples
    --------
    >>> import torch
    >>> likelihoods = torch.full((1, 2, 8, 8), -3.0), torch.full((1, 2, 8, 8), -1.0)
    >>> kl = torch.tensor([[32.0, 64.0]])
    >>> microsplit_objective(*likelihoods, kl, kl, latent_elements=(64, 128), denoisplit_weight=0.5)
    Objective(loss=tensor(3.), reconstruction=tensor(2.), kl=tensor(1.))
    """
    if musplit_weight is None:
        musplit_weight = 1 - denoisplit_weight
    for weight in (denoisplit_weight, musplit_weight):
        if not 0 <= weight < math.inf:
            raise ValueError(
                "the weights of denoiSplit and µSplit must be zero or positive and finite, "
                f"found {denoisplit_weight} and {musplit_weight}"
            )
    denoisplit = denoisplit_objective(
        noise_model_log_likelihood, denoisplit_kl, free_bits=denoisplit_free_bits
    )
    musplit = musplit_objective(
        decoder_log_likelihood, musplit_kl, latent_elements, free_bits=musplit_free_bits
    )
    reconstruction = (
        denoisplit_weight * denoisplit.reconstruction + musplit_weight * musplit.reconstruction
    )
    weighted_kl = kl_weight * (denoisplit_weight * denoisplit.kl + musplit_weight * musplit.kl)
    return Objective(reconstruction + weighted_kl, reconstruction, weighted_kl)


def _reconstruction(log_likelihood: Tensor, kl: Tensor) -> Tensor:
    """Mean negative log-likelihood, after checking that the KL is of the same batch."""
    if log_likelihood.ndim < 3 or log_likelihood.numel() == 0:
        raise ValueError(
            "log_likelihood must have the shape (batch, channels, *space) and not be empty, "
            f"found {tuple(log_likelihood.shape)}"
        )
    if kl.ndim == 2 and log_likelihood.shape[0] != kl.shape[0]:
        raise ValueError(
            "log_likelihood and kl must have the same number of samples, "
            f"found {log_likelihood.shape[0]} and {kl.shape[0]}"
        )
    return -at_least_float32(log_likelihood).mean()
