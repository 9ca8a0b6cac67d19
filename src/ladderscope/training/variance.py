"""Fitting the variance head of a trained ladder: how far off its restorations are, per pixel."""

import time
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ladderscope.data import MixedBatch, MixedPatches, TrainingPatches
from ladderscope.interruption import ShouldStop
from ladderscope.machine import best_device
from ladderscope.progress import Listener
from ladderscope.training.budget import Budget, CosineRate
from ladderscope.training.evidence import Evidence
from ladderscope.training.module import RestorationModule, gradients_of, on_device
from ladderscope.training.seeding import seeded
from ladderscope.training.team import Team
from ladderscope.training.worker import Worker

_RATE = CosineRate(peak=1e-2, warmup_steps=5)
_LEAST = 1e-3  # of the squared deviations, which are the noise of targets alone if all goes well
_WIDEST, _HALVINGS = (
    5.0,
    30,
)  # the largest correction of a log-variance, and how exactly it is found


def fit_variance(
    module: RestorationModule[Any],
    patches: TrainingPatches | MixedPatches,
    validation: MixedBatch | None,
    budget: Budget,
    *,
    seed: int,
    device: str | None = None,
    team: Team | None = None,
    report: Listener | None = None,
    should_stop: ShouldStop | None = None,
) -> None:
    """Fit the variance head; the rest of the network stays as it is.

    The head maximises the Gaussian likelihood of deviations, whose variance is the head's plus the
    known one of the noise. The variance of a splitter's decoder is learned from errors on
    recordings; what a single pass predicts, from samples of the signal around the posterior means.
    Errors on training patches may be smaller than those on new images. The variance of each
    channel is therefore multiplied by the factor that is most likely on held-out patches, and never
    made smaller.

    Parameters
    ----------
    module : RestorationModule
        Trained; its network has a variance head with random weights.
    patches : TrainingPatches or MixedPatches
        Where batches come from.
    validation : MixedBatch, optional
        Held-out patches of a splitter. Samples of a denoiser are no smaller on training patches.
    budget : Budget
        How long to fit.
    seed : int
        Random seed of the latent noise. The global random state is left as it was.
    device : str, optional
        ``"cpu"``, ``"cuda"`` or ``"mps"``; the best there is by default.
    team : Team, optional
        The processes that share each batch; this one alone by default.
    report : callable, optional
        Called after each step with the fraction of the budget that is spent, and a message.
    should_stop : callable, optional
        Called after each step; True ends the fit and keeps the head as it is.

    References
    ----------
    Nix & Weigend, "Estimating the mean and variance of the target probability distribution",
    ICNN 1994; with the mean fitted first: Skafte, Jørgensen & Hauberg, "Reliable training and
    estimation of variance networks", NeurIPS 2019.
    """
    network: Any = module.network
    head = network.variance_head
    with seeded(seed, should_stop), torch.enable_grad():
        worker = Worker.start(best_device(device), team)
        patches, module.share = patches.part(worker.share.rows), worker.share
        worker.place(module)
        network.eval().requires_grad_(False)
        head.requires_grad_(True)
        with torch.no_grad():
            torch.nn.init.zeros_(head.log_variance.weight)
            torch.nn.init.zeros_(head.log_variance.bias)
            _shift(module, _half(worker.batch(patches, module.steps_done)), _mean_log_variance)
            worker.average([head.log_variance.bias])
        optimizer = torch.optim.Adam(head.parameters())
        started, step, spent = time.monotonic(), 0, 0.0
        while spent < 1:
            found = module.evidence(_half(worker.batch(patches, module.steps_done + step)))
            loss = torch.stack([negative_log_likelihood(one).mean() for one in found]).sum()
            if worker.everywhere(bool(torch.isfinite(loss))):
                for group in optimizer.param_groups:
                    group["lr"] = _RATE(step, spent)
                optimizer.zero_grad()
                worker.backward(loss)
                worker.average(gradients_of(head))
                torch.nn.utils.clip_grad_norm_(head.parameters(), module.gradient_clip)
                optimizer.step()
            step += 1
            spent = worker.agreed(budget.fraction(step, time.monotonic() - started))
            if report is not None:
                report(spent, f"fitting error bars, step {step}")
            if worker.agreed(should_stop is not None and should_stop()):
                break
        if validation is not None:
            with torch.no_grad():
                held_out = on_device(validation, network.top_prior.device)
                _shift(module, held_out, held_out_factor)
        network.requires_grad_(True).train()
        worker.release(module)
        worker.align(network)


def _half(batch: Any) -> Any:
    """Take every second patch, since each is decoded twice."""
    return type(batch)(*(part[::2] for part in batch))


def negative_log_likelihood(evidence: Evidence) -> Float[Tensor, "batch channels *space"]:
    """Give −2 log N of the squared deviations, but for a constant."""
    total = evidence.log_variance.exp() + evidence.known
    return total.log() + evidence.squared / total


def held_out_factor(evidence: Evidence) -> Float[Tensor, " channels"]:
    """Give the logarithm of the factor of each channel's variance that is most likely, at least 0.

    Examples
    --------
    >>> zeros = torch.zeros(2, 1, 8, 8)
    >>> held_out_factor(Evidence(zeros, zeros + 4.0, zeros)).exp()
    tensor([4.0000], dtype=torch.float64)
    """
    log_variance, squared, known = (part.double().transpose(0, 1).flatten(1) for part in evidence)
    low = torch.zeros(len(log_variance), 1, dtype=torch.float64, device=log_variance.device)
    high = torch.full_like(low, _WIDEST)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        variance = (log_variance + middle).exp()
        total = variance + known
        slope = (variance / total * (1 - squared / total)).mean(dim=1, keepdim=True)
        low, high = torch.where(slope < 0, middle, low), torch.where(slope < 0, high, middle)
    return torch.where(high < 1e-6, 0.0, (low + high) / 2)[:, 0]


def _shift(
    module: RestorationModule[Any], batch: Any, by: Callable[[Evidence], Float[Tensor, " channels"]]
) -> None:
    """Shift each log-variance of the head, one after the other.

    What a single pass has to predict depends on the variance before it.
    """
    head: Any = module.network.variance_head
    for number, bias in enumerate(head.log_variance.bias.view(head.shape)):
        shift = by(module.evidence(batch)[number])
        bias[: len(shift)] += shift.to(bias.dtype)


def _mean_log_variance(evidence: Evidence) -> Float[Tensor, " channels"]:
    """Give the logarithm of the mean variance: what is not known of the squared deviations."""
    axes = [0, *range(2, evidence.squared.ndim)]
    squared, known = (part.mean(axes) for part in (evidence.squared, evidence.known))
    variance = torch.maximum(squared - known, _LEAST * squared)
    return variance.clamp(min=torch.finfo().tiny).log()
