"""What a command did, in a sentence or two for the report."""

from ladderscope.models import Denoiser, Splitter
from ladderscope.report import channel_names
from ladderscope.words import counted, duration, listed


def predicted(restorer: Denoiser | Splitter, restored: int, samples: int) -> str:
    """Say in a sentence what a prediction did."""
    model = restorer.model
    done = "restored"
    if isinstance(restorer, Splitter):
        done = f"split into {listed(channel_names(model))}"
    steps, seconds = model.outcome.steps, model.outcome.seconds
    trained = (
        f"was trained by {model.trained_by}"
        if model.imported
        else f"was trained for {steps} steps ({duration(seconds)})"
    )
    return (
        f"{counted(restored, 'image')} {'was' if restored == 1 else 'were'} {done}, using "
        f"{_how(samples)}, by a {restorer.kind} that {trained}."
    )


def denoised(denoiser: Denoiser, trained: int, restored: int, samples: int) -> str:
    """Say in a sentence what training and restoring did."""
    outcome = denoiser.model.outcome
    return (
        f"A denoiser was trained for {outcome.steps} steps ({duration(outcome.seconds)}) on "
        f"{counted(trained, 'noisy image')}, without clean images. {restored} of them "
        f"{'was' if restored == 1 else 'were'} restored, using {_how(samples)}."
    )


def _how(samples: int) -> str:
    return (
        f"the mean of {samples} posterior samples"
        if samples
        else "a single pass at the posterior means"
    )
