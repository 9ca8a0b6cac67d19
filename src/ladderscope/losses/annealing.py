"""The weight of the KL term during training.

A schedule is an immutable object that is called with a counter, an epoch or a step, and returns the
weight. `get_kl_weight` is the linear schedule with the signature of CAREamics.
"""

import math
from dataclasses import dataclass


def get_kl_weight(
    kl_annealing: bool,
    kl_start: int | float | None,
    kl_annealtime: int | float | None,
    kl_weight: int | float | None,
    current_epoch: int | float,
    *,
    as_published: bool = False,
) -> float:
    r"""Weight of the KL term at an epoch; with annealing it rises linearly from zero.

    .. math:: w(t) = w \cdot \mathrm{clip}\bigl((t - t_0) / T,\; 0,\; 1\bigr)

    The arguments and their order are those of the function with the same name in
    ``careamics.losses.lvae.loss_utils``.

    Parameters
    ----------
    kl_annealing : bool
        Whether the weight rises; otherwise it is constant, :math:`w`.
    kl_start : float or None
        Epoch :math:`t_0` up to which the weight is zero. May be None without annealing.
    kl_annealtime : float or None
        Number of epochs :math:`T` until the full weight is reached. May be None without annealing.
    kl_weight : float or None
        The final weight :math:`w`; None means 1.
    current_epoch : float
        The epoch :math:`t`.
    as_published : bool, default False
        With annealing, return the square of the ramp, whatever `kl_weight` is. The published code
        of CAREamics computes this, so it is needed to reproduce models trained with that code.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If `kl_weight` is not finite. With annealing, also if `kl_start` or `kl_annealtime` is None,
        `kl_annealtime` is not positive, or `kl_start` or `current_epoch` is not finite.

    References
    ----------
    Bowman et al., "Generating sentences from a continuous space", CoNLL 2016;
    Sønderby et al., "Ladder variational autoencoders", NeurIPS 2016 ("warm-up").

    Examples
    --------
    >>> get_kl_weight(True, 10, 20, 0.5, 20)
    0.25
    >>> get_kl_weight(False, None, None, None, 20)
    1.0
    """
    weight = 1.0 if kl_weight is None else float(kl_weight)
    _require_finite("kl_weight", weight)
    if not kl_annealing:
        return weight
    if kl_start is None or kl_annealtime is None:
        raise ValueError(
            "kl_start and kl_annealtime must be numbers if kl_annealing is True, "
            f"found {kl_start} and {kl_annealtime}"
        )
    _require_finite("kl_start", kl_start)
    _require_positive("kl_annealtime", kl_annealtime)
    _require_finite("current_epoch", current_epoch)

    ramp = _linear_ramp(current_epoch, kl_start, kl_annealtime)
    return ramp**2 if as_published else ramp * weight


@dataclass(frozen=True)
class ConstantKLWeight:
    """The same weight at every epoch or step.

    Parameters
    ----------
    weight : float, default 1.0

    Raises
    ------
    ValueError
        If `weight` is negative or not finite, or if called with a counter that is not finite.

    Examples
    --------
    >>> ConstantKLWeight(0.5)(100)
    0.5
    """

    weight: int | float = 1.0

    def __post_init__(self) -> None:
        _require_weight(self.weight)

    def __call__(self, counter: int | float) -> float:
        """Weight at `counter`, an epoch or a step."""
        _require_finite("counter", counter)
        return float(self.weight)


@dataclass(frozen=True)
class LinearKLWeight:
    r"""A weight that rises linearly from zero and then remains constant.

    .. math:: w(t) = w \cdot \mathrm{clip}\bigl((t - t_0) / T,\; 0,\; 1\bigr)

    Parameters
    ----------
    start : float
        Epoch or step :math:`t_0` up to which the weight is zero.
    duration : float
        Number of epochs or steps :math:`T` until the full weight is reached.
    weight : float, default 1.0
        The final weight :math:`w`.

    Raises
    ------
    ValueError
        If `start` is not finite, `duration` is not positive, or `weight` is negative or not
        finite; or if called with a counter that is not finite.

    References
    ----------
    Bowman et al., "Generating sentences from a continuous space", CoNLL 2016;
    Sønderby et al., "Ladder variational autoencoders", NeurIPS 2016 ("warm-up").

    Examples
    --------
    >>> schedule = LinearKLWeight(start=10, duration=20, weight=0.5)
    >>> [schedule(epoch) for epoch in (0, 10, 20, 30, 40)]
    [0.0, 0.0, 0.25, 0.5, 0.5]
    """

    start: int | float
    duration: int | float
    weight: int | float = 1.0

    def __post_init__(self) -> None:
        _require_finite("start", self.start)
        _require_positive("duration", self.duration)
        _require_weight(self.weight)

    def __call__(self, counter: int | float) -> float:
        """Weight at `counter`, an epoch or a step."""
        _require_finite("counter", counter)
        return _linear_ramp(counter, self.start, self.duration) * self.weight


@dataclass(frozen=True)
class CosineKLWeight:
    r"""A weight that rises from zero along half a cosine and then remains constant.

    With r the ramp of `LinearKLWeight` of weight 1,

    .. math:: w(t) = w \cdot \tfrac{1}{2} \bigl(1 - \cos(\pi\, r(t))\bigr)

    so that the ramp begins and ends with zero slope.

    Parameters
    ----------
    start : float
        Epoch or step up to which the weight is zero.
    duration : float
        Number of epochs or steps until the full weight is reached.
    weight : float, default 1.0
        The final weight :math:`w`.

    Raises
    ------
    ValueError
        If `start` is not finite, `duration` is not positive, or `weight` is negative or not
        finite; or if called with a counter that is not finite.

    References
    ----------
    Fu et al., "Cyclical annealing schedule: a simple approach to mitigating KL vanishing",
    NAACL 2019, mention the cosine as a possible shape of the ramp.

    Examples
    --------
    >>> schedule = CosineKLWeight(start=0, duration=30)
    >>> [round(schedule(epoch), 3) for epoch in (0, 10, 20, 30)]
    [0.0, 0.25, 0.75, 1.0]
    """

    start: int | float
    duration: int | float
    weight: int | float = 1.0

    def __post_init__(self) -> None:
        _require_finite("start", self.start)
        _require_positive("duration", self.duration)
        _require_weight(self.weight)

    def __call__(self, counter: int | float) -> float:
        """Weight at `counter`, an epoch or a step."""
        _require_finite("counter", counter)
        ramp = _linear_ramp(counter, self.start, self.duration)
        return 0.5 * (1 - math.cos(math.pi * ramp)) * self.weight


@dataclass(frozen=True)
class CyclicalKLWeight:
    r"""A weight that restarts from zero in every period.

    With :math:`\tau = (t \bmod P) / P` the elapsed fraction of the period,

    .. math:: w(t) = w \cdot \min(\tau / R,\; 1)

    Parameters
    ----------
    period : float
        Number of epochs or steps :math:`P` from one restart to the next.
    ramp : float, default 0.5
        Fraction :math:`R` of the period taken by the ramp; the weight is then constant.
    weight : float, default 1.0
        The weight :math:`w` after the ramp.

    Raises
    ------
    ValueError
        If `period` is not positive or not finite, `ramp` is not in (0, 1], or `weight` is
        negative or not finite; or if called with a counter that is not finite.

    References
    ----------
    Fu et al., "Cyclical annealing schedule: a simple approach to mitigating KL vanishing",
    NAACL 2019, section 4 (their counter starts at 1, ours at 0).

    Examples
    --------
    >>> schedule = CyclicalKLWeight(period=8)
    >>> [schedule(step) for step in (0, 2, 4, 7, 8, 10)]
    [0.0, 0.5, 1.0, 1.0, 0.0, 0.5]
    """

    period: int | float
    ramp: int | float = 0.5
    weight: int | float = 1.0

    def __post_init__(self) -> None:
        _require_finite("period", self.period)
        _require_positive("period", self.period)
        if not 0 < self.ramp <= 1:
            raise ValueError(f"ramp must be above 0 and at most 1, found {self.ramp}")
        _require_weight(self.weight)

    def __call__(self, counter: int | float) -> float:
        """Weight at `counter`, an epoch or a step."""
        _require_finite("counter", counter)
        elapsed = counter % self.period / self.period
        return _linear_ramp(elapsed, 0, self.ramp) * self.weight


def _linear_ramp(counter: int | float, start: int | float, duration: int | float) -> float:
    return max(0.0, min(1.0, (counter - start) / duration))


def _require_finite(name: str, value: int | float) -> None:
    if not math.isfinite(value):
        raise ValueError(f"{name} must be finite, found {value}")


def _require_positive(name: str, value: int | float) -> None:
    if not value > 0:
        raise ValueError(f"{name} must be positive, found {value}")


def _require_weight(value: int | float) -> None:
    if not 0 <= value < math.inf:
        raise ValueError(f"weight must be finite and not negative, found {value}")
