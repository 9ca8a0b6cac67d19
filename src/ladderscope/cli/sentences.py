"""What a command did, in one sentence for the report."""

from ladderscope.models import Denoiser, Splitter
from ladderscope.models.progress import duration
from ladderscope.report import channel_names


def predicted(restorer: Denoiser | Splitter, restored: int, samples: int) -> str:
    """Say in a sentence what a prediction did."""
    model = restorer.model
    done = "restored"
    if isinstance(restorer, Splitter):
        *names, last = channel_names(model)
        done = f"split into {', '.join(names)} and {last}"
    steps, seconds = model.outcome.steps, model.outcome.seconds
    trained = (
        "CAREamics trained"
        if model.careamics is not None
        else f"was trained for {steps} steps ({duration(seconds)})"
    )
    return (
        f"{restored} image{' was' if restored == 1 else 's were'} {done}, with {_how(samples)}, by "
        f"a {restorer.kind} that {trained}."
    )


def denoised(denoiser: Denoiser, trained: int, restored: int, samples: int) -> str:
    """Say in a sentence what training and restoring did."""
    outcome = denoiser.model.outcome
    return (
        f"A denoiser was trained for {outcome.steps} steps ({duration(outcome.seconds)}) on "
        f"{trained} noisy image{'s' if trained > 1 else ''}, without any clean one, and {restored} "
        f"of them {'were' if restored != 1 else 'was'} restored with {_how(samples)}."
    )


def _how(samples: int) -> str:
    return f"the mean of {samples} posterior samples" if samples else "its posterior means"
