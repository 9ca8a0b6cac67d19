"""What a command did, in a sentence or two for the report."""

from ladderscope.models import Denoiser, Splitter
from ladderscope.models.file import Model
from ladderscope.report import channel_names
from ladderscope.words import counted, duration, listed


def predicted(restorer: Denoiser | Splitter, restored: int, samples: int) -> str:
    """Say in a sentence what a prediction did."""
    model = restorer.model
    done = "restored"
    if isinstance(restorer, Splitter):
        done = f"split into {listed(channel_names(model))}"
    return (
        f"{counted(restored, 'image')} {'was' if restored == 1 else 'were'} {done}, using "
        f"{_how(samples)}, by a {restorer.kind} that {_trained(model)}."
    )


def trained(restorer: Denoiser | Splitter) -> str:
    """Say in a sentence what a model is."""
    return f"A {restorer.kind} that {_trained(restorer.model)}."


def denoised(denoiser: Denoiser, trained: int, restored: int, samples: int) -> str:
    """Say in a sentence what training and restoring did."""
    outcome = denoiser.model.outcome
    return (
        f"A denoiser was trained for {outcome.steps} steps ({duration(outcome.seconds)}) on "
        f"{counted(trained, 'noisy image')}, without clean images. {restored} of them "
        f"{'was' if restored == 1 else 'were'} restored, using {_how(samples)}."
    )


def _trained(model: Model) -> str:
    if model.imported:
        return f"was trained by {model.trained_by}"
    return f"was trained for {model.outcome.steps} steps ({duration(model.outcome.seconds)})"


def _how(samples: int) -> str:
    return (
        f"the mean of {samples} posterior samples"
        if samples
        else "a single pass at the posterior means"
    )
