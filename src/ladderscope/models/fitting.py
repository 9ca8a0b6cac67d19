"""What fitting a denoiser and fitting a splitter have in common, from patches to a model."""

import hashlib
import json
import logging
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from importlib import metadata
from typing import Any, cast

from ladderscope.data import Field, MixedBatch, MixedPatches, PatchBatch, TrainingPatches
from ladderscope.data.fields import PatchShape, side_for
from ladderscope.errors import LadderscopeError
from ladderscope.images import Image, ImageError, Statistics, channel_statistics
from ladderscope.images.at_hand import are_small
from ladderscope.inspection import first_look
from ladderscope.interruption import ShouldStop, stop_if, stopping_gently
from ladderscope.machine import best_device, fast_type, single_precision
from ladderscope.memory import enough_memory
from ladderscope.models.architecture import (
    Architecture,
    architecture_of,
    network_of,
    with_variance_head,
)
from ladderscope.models.building import (
    budget_of,
    kl_weight_of,
    most_steps_of,
    rate_of,
    variance_budget_of,
)
from ladderscope.models.config import (
    DenoiserSettings,
    RestorerSettings,
    Settings,
    SplitterSettings,
    replaced,
)
from ladderscope.models.file import Model
from ladderscope.models.notices import Notices
from ladderscope.models.run import Run
from ladderscope.network import LadderVAE
from ladderscope.progress import listener_of, part_of
from ladderscope.training import (
    UNTRAINED,
    Course,
    Outcome,
    RestorationModule,
    fit_variance,
    train,
)
from ladderscope.training.optimizers import OPTIMIZERS
from ladderscope.training.seeding import seeded
from ladderscope.words import counted, data_size

logger = logging.getLogger("ladderscope")

# In warm-ups of the learning rate. With fewer than two, a denoiser leaves images worse than they
# were. Splitters learn for longer: 247 steps of the demonstration were 3.6 and 4.8 dB below 1,127.
_FEWEST_WARM_UPS = {"denoiser": 2, "splitter": 5}
_PARTS = 20  # of a training, as it reports its progress; the last one is fitting error bars


def with_budget(
    settings: Settings, minutes: float | None, steps: int | None, epochs: float | None
) -> Settings:
    """Replace the budget by the given one, if any."""
    budget = {"minutes": minutes, "steps": steps, "epochs": epochs}
    return replaced(settings, {name: value for name, value in budget.items() if value is not None})


def say_where(images: Sequence[Sequence[Image]]) -> bool:
    """Decide whether training images are read into memory; report if they stay on disk."""
    together = [image for stack in images for image in stack]
    if are_small(together):
        return True
    taken = sum(image.size * image.dtype.itemsize for image in together)
    logger.info(
        "the images take %s and stay on disk: they are looked at plane by plane, and training "
        "patches are read from them as they are needed",
        data_size(taken),
    )
    return False


def looked_at(
    images: Sequence[Image],
    notice: Callable[[str, int], None],
    should_stop: ShouldStop | None = None,
) -> list[Image]:
    """Report what a first look at training images finds; return them ready for training."""

    def one_by_one() -> Iterator[Image]:
        for number, image in enumerate(images):
            if number:
                stop_if(should_stop, "looking at the images")
            yield image

    looked, findings = first_look(one_by_one())
    for finding in findings:
        notice(finding.text, logging.WARNING if finding.is_warning else logging.INFO)
    return looked


def training_statistics(images: Sequence[Image]) -> tuple[Statistics, ...]:
    """Measure the channels of training images; a blank channel gets the standard deviation 1.

    Raises
    ------
    ImageError
        All channels are blank.
    """
    found = channel_statistics(images)
    if not any(channel.std > 0 for channel in found):
        raise ImageError(
            f"{images[0].name}: every plane is blank (all pixels have the same value), so there is "
            "nothing to learn from. Leave out blank planes"
        )
    return tuple(channel if channel.std > 0 else replace(channel, std=1.0) for channel in found)


def with_patches_that_fit(
    settings: Settings, fields: Sequence[Field], notice: Callable[[str], None]
) -> Settings:
    """Make patches smaller if they do not fit the smallest image.

    Raises
    ------
    LadderscopeError
        An image is smaller than the levels need, or most of the widest view would be
        reflection.
    """
    patch = side_for(fields, settings.patch, settings.patch_multiple)
    if patch < settings.patch:
        notice(
            f"patches are {patch}×{patch} pixels instead of {settings.patch}, to fit the smallest "
            "image"
        )
    widest = settings.widest_view(patch)
    shortest = min(min(field.pixels.shape[-2:]) for field in fields)
    if widest > 2 * shortest:
        raise LadderscopeError(
            f"context={settings.context} shows {widest}×{widest} pixels around every patch of "
            f"{patch}×{patch}, and the smallest image is {shortest} pixels on its shorter "
            "side: most of the view would be reflection. Use less context, a smaller patch, or "
            "larger images"
        )
    if widest > shortest:
        notice(
            f"the widest view, {widest}×{widest} pixels, is larger than the smallest image "
            f"({shortest} pixels on its shorter side): the rest is reflection"
        )
    if settings.dimensions == 2:
        return settings.model_copy(update={"patch": patch})
    depth = min(settings.depth, *(field.pixels.shape[0] for field in fields))
    if depth < settings.depth:
        notice(
            f"patches are {depth} planes deep instead of {settings.depth}, to fit the smallest "
            "stack"
        )
    return settings.model_copy(update={"patch": patch, "depth": depth})


def patch_shape(settings: RestorerSettings) -> PatchShape:
    """Give the shape of a patch, by the settings."""
    depth = settings.depth if settings.dimensions == 3 else None
    return PatchShape(settings.patch, depth, settings.context)


def training_options(settings: RestorerSettings, device: str | None) -> dict[str, Any]:
    """Give the arguments that both kinds of `RestorationModule` take."""
    place = best_device(device)
    # On a CPU, the gradients of 3-D convolutions over two planes are wrong in bfloat16.
    thin = place.type == "cpu" and settings.dimensions == 3 and settings.depth < 3
    return {
        "kl_weight": kl_weight_of(settings),
        "optimizer": OPTIMIZERS[settings.optimizer],
        "gradient_clip": settings.gradient_clip,
        "autocast": None if thin else fast_type(place),
    }


def empty_model(settings: RestorerSettings, *, seed: int, **known: Any) -> Model:
    """Make an untrained model from what is known before training."""
    return Model(
        settings=cast(DenoiserSettings | SplitterSettings, settings),
        weights={},
        outcome=UNTRAINED,
        seed=seed,
        notices=(),
        thumbnail=None,
        version=metadata.version("ladderscope"),
        created="",
        **{"architecture": architecture_of(settings), **known},
    )


def trained(
    model: Model,
    module: RestorationModule[Any],
    patches: TrainingPatches | MixedPatches,
    validation: PatchBatch | MixedBatch,
    run: Run,
    described: Any,
    notice: Notices,
    watch: Callable[[Course], None] | None = None,
) -> Model:
    """Train, and return the model with its weights and the outcome; the module keeps the network.

    Parameters
    ----------
    model
        What is known before training.
    module, patches, validation
        What is trained, on what, and what it is validated on.
    run
        How to train.
    described
        Identifies the data, as JSON: a training is resumed only with the same data.
    notice
        Holds what has been reported so far, and takes further reports.
    watch
        Called after each validation.
    """
    settings = model.settings
    most = most_steps_of(patches.steps_per_view) if isinstance(patches, TrainingPatches) else None
    budget, validations = budget_of(settings, patches.batches_per_epoch, most)
    headed = with_variance_head(model.architecture, module.variances)
    course = Course(
        budget,
        rate_of(settings),
        validation,
        validations=validations,
        state_file=run.state_file,
        fingerprint=_fingerprint(model, described),
    )
    side = f"{settings.patch}×{settings.patch}"
    remedy = (
        f"give a smaller batch (now {settings.batch}) or patch (now {settings.patch}), fewer "
        'filters, or preset="tiny"'
    )
    with (
        enough_memory(f"training on batches of {settings.batch} patches of {side} pixels", remedy),
        stopping_gently(run.should_stop) as should_stop,
        listener_of(run.progress) as report,
    ):
        outcome = train(
            module,
            patches,
            course,
            seed=model.seed,
            resume=run.resume,
            device=str(best_device(run.device)),
            team=run.team,
            compile_network=run.compile_network,
            report=part_of(report, 0, _PARTS, _PARTS - 1),
            should_stop=should_stop,
            watch=watch,
        )
        if not outcome.interrupted:
            module.network = _headed(module.network, headed, model.seed)
            fit_variance(
                module,
                patches,
                validation if isinstance(validation, MixedBatch) else None,
                variance_budget_of(settings, budget),
                seed=model.seed,
                device=str(best_device(run.device)),
                team=run.team,
                report=part_of(report, _PARTS - 1, _PARTS),
                should_stop=should_stop,
            )
    _say_what_went_wrong(outcome, model.settings, notice)
    if budget.minutes is not None and outcome.steps == most:
        notice(
            f"training ended after {counted(most, 'step')}, before the time was up: it had seen "
            "every pixel often enough, and would have begun to learn the noise. More images allow "
            "longer training"
        )
    return replace(
        model,
        architecture=model.architecture if outcome.interrupted else headed,
        weights=module.weights(),
        outcome=outcome,
        notices=tuple(dict.fromkeys(notice.said)),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _headed(network: LadderVAE, architecture: Architecture, seed: int) -> LadderVAE:
    """Give a trained network a variance head, with random weights from a seed."""
    with seeded(seed), single_precision():
        headed = network_of(architecture)
    headed.load_state_dict(network.state_dict(), strict=False)
    return headed


def _say_what_went_wrong(outcome: Outcome, settings: RestorerSettings, notice: Notices) -> None:
    best = f"the best model so far (step {outcome.best_step}) is used"
    if outcome.interrupted:
        notice(f"training was interrupted after {counted(outcome.steps, 'step')}; {best}")
    if outcome.diverged:
        notice(
            f"training stopped after {counted(outcome.steps, 'step')} because the loss was not "
            f"finite; {best}"
        )
    if outcome.skipped:
        notice(
            f"{outcome.skipped} of {counted(outcome.steps, 'batch', 'es')} were skipped because "
            "their loss or gradient was not finite"
        )
    if warning := too_few_steps(outcome, settings):
        notice.warn(warning)


def too_few_steps(outcome: Outcome, settings: RestorerSettings) -> str:
    """Warn of a training whose minutes were too few to learn from; else give an empty text.

    Examples
    --------
    >>> outcome = replace(UNTRAINED, steps=150)
    >>> too_few_steps(outcome, DenoiserSettings(minutes=1.0)).split(":")[0]
    'only 150 training steps fitted into 1 min, and a denoiser needs at least 200'
    """
    if settings.minutes is None or outcome.interrupted or outcome.diverged:
        return ""
    kind = "splitter" if isinstance(settings, SplitterSettings) else "denoiser"
    fewest = _FEWEST_WARM_UPS[kind] * settings.warmup_steps
    if outcome.steps >= fewest:
        return ""
    longer = math.ceil(2 * settings.minutes * fewest / max(1, outcome.steps))
    return (
        f"only {counted(outcome.steps, 'training step')} fitted into {settings.minutes:g} min, and "
        f"a {kind} needs at least {fewest}: it has not learned enough. Train for longer (--minutes "
        f"{longer}), or while less else runs on this machine"
    )


def _fingerprint(model: Model, described: Any) -> str:
    """Identify a training by everything that determines its course."""
    known = {
        "settings": model.settings.model_dump(),
        "seed": model.seed,
        "statistics": [asdict(channel) for channel in model.statistics],
        "noise": [noise.to_dict() for noise in model.noise_models],
        "mixture": None if model.mixture is None else asdict(model.mixture),
        "data": described,
    }
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()
