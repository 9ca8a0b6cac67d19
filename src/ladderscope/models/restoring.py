"""From the fields of an image to restored fields: one loop for predicting and sampling."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Real
from torch import Tensor

from ladderscope.images import Image, Statistics
from ladderscope.images.normalisation import denormalised
from ladderscope.interruption import ShouldStop
from ladderscope.models.decodings import Decodings
from ladderscope.models.findings import Findings
from ladderscope.network import LadderVAE
from ladderscope.prediction import Geometry, Law, Shown, decodings, draw, draw_part, restore, show
from ladderscope.progress import Listener

Mask: TypeAlias = Bool[np.ndarray, "*space"] | None
Values: TypeAlias = Float32[np.ndarray, "*space"]
# Finds and replaces what cannot be a restoration, in the values and in their spread.
LastLook: TypeAlias = Callable[[Values, Values | None], Mask]


class Job(NamedTuple):
    """One run of the network over a field: its input channel and its output channels.

    The law says what the standard deviation of these is made of.
    """

    channel: int
    statistics: Statistics
    outputs: range
    law: Law


@dataclass(frozen=True)
class Restoring:
    """Everything needed to restore fields.

    Attributes
    ----------
    network : LadderVAE
        In evaluation mode, on its device.
    geometry : Geometry
        The tiles.
    autocast : torch.dtype, optional
        Type of the network's arithmetic.
    jobs : sequence of Job
        The runs of the network that a field takes.
    statistics : sequence of Statistics
        One per output channel.
    last_look : callable
        Makes the last look for what the network was shown, and a channel of its output.
    """

    network: LadderVAE
    geometry: Geometry
    autocast: torch.dtype | None
    jobs: Sequence[Job]
    statistics: Sequence[Statistics]
    last_look: Callable[[Shown, int], LastLook]


class Fields(NamedTuple):
    """The fields of an image, each read when it is needed.

    Attributes
    ----------
    image : Image
        Its padding is marked.
    space : str
        What a field extends over: ``"YX"``, or ``"ZYX"`` for whole stacks.
    channels : sequence of int
        The channel of the image for each channel of the model.
    """

    image: Image
    space: str
    channels: Sequence[int]


class Watched(NamedTuple):
    """The callables that get the progress, and may stop the work."""

    report: Listener | None = None
    should_stop: ShouldStop | None = None


UNWATCHED = Watched()


class Restored(NamedTuple):
    """Restored fields and their standard deviation in camera units, and the findings."""

    mean: Float32[np.ndarray, "fields channels *space"]
    std: Float32[np.ndarray, "fields channels *space"] | None
    findings: Findings


class Drawn(NamedTuple):
    """Samples of fields in camera units, and the findings."""

    samples: Float32[np.ndarray, "samples fields channels *space"]
    findings: Findings


class _Question(NamedTuple):
    """One run of the network: what was observed, and what the network gets."""

    number: int  # of the field
    job: Job
    observed: Real[np.ndarray, "*space"]
    shown: Shown


class _Answer(NamedTuple):
    """The output of the network, normalised."""

    values: Float[Tensor, "copies outputs *space"]
    spread: Float[Tensor, "outputs *space"] | None


def restored_fields(
    restoring: Restoring, fields: Fields, *, samples: int, seed: int, watched: Watched = UNWATCHED
) -> Restored:
    """Restore fields: the mean over posterior samples, and the standard deviation of the signal."""
    mean = np.empty((1, *_shape(restoring, fields)), np.float32)
    job = restoring.jobs[0]
    parts = job.law(restoring.network, len(job.outputs), samples)
    std = np.empty_like(mean[0]) if any(parts) else None
    tick = _counter(restoring, fields, samples, watched)

    def ask(question: _Question) -> _Answer:
        how = _how(restoring, question, samples, seed)
        law = question.job.law
        found = restore(restoring.network, question.shown.normalised, **how, law=law, tick=tick)
        return _Answer(found.mean[None], found.std)

    findings = _answer(restoring, fields, ask, mean, std)
    return Restored(mean[0], std, findings)


def drawn_fields(
    restoring: Restoring, fields: Fields, *, samples: int, seed: int, watched: Watched = UNWATCHED
) -> Drawn:
    """Draw posterior samples of fields."""
    draws = np.empty((samples, *_shape(restoring, fields)), np.float32)
    tick = _counter(restoring, fields, samples, watched)

    def ask(question: _Question) -> _Answer:
        how = _how(restoring, question, samples, seed)
        return _Answer(draw(restoring.network, question.shown.normalised, **how, tick=tick), None)

    return Drawn(draws, _answer(restoring, fields, ask, draws, None))


def drawn_part(
    restoring: Restoring,
    fields: Fields,
    number: int,
    region: tuple[slice, ...],
    *,
    samples: int,
    seed: int,
) -> Float32[np.ndarray, "samples channels *region"]:
    """Draw posterior samples of a region of one field, in camera units.

    Parameters
    ----------
    number
        Of the field.
    region
        [Planes,] rows and columns.
    """
    sides = [side.stop - side.start for side in region]
    draws = np.empty((samples, len(restoring.statistics), *sides), np.float32)
    for question in _questions(restoring, fields, number):
        how = _how(restoring, question, samples, seed)
        shown = question.shown.part(region)
        outputs = list(question.job.outputs)
        if shown.is_blank:
            draws[:, outputs] = question.observed[region]
            continue
        drawn = draw_part(restoring.network, question.shown.normalised, region, **how)
        asked = question._replace(observed=question.observed[region], shown=shown)
        for index, channel in enumerate(outputs):
            known = restoring.statistics[channel]
            draws[:, channel] = denormalised(drawn[:, index], known.mean, known.std).numpy()
            look = restoring.last_look(shown, channel)
            for copy in draws[:, channel]:
                _settled(asked, look, copy, None)
    return draws


def _how(restoring: Restoring, question: _Question, samples: int, seed: int) -> dict[str, Any]:
    return {
        "samples": samples,
        "seed": seed,
        "number": question.number * len(restoring.jobs) + question.job.channel,
        "outputs": len(question.job.outputs),
        "geometry": restoring.geometry,
        "autocast": restoring.autocast,
    }


def _counter(restoring: Restoring, fields: Fields, samples: int, watched: Watched) -> Decodings:
    image, space = fields.image, fields.space
    one = decodings(restoring.network, image.field_shape(space), samples, restoring.geometry)
    return Decodings(image.name, image.field_count(space) * len(restoring.jobs) * one, *watched)


def _shape(restoring: Restoring, fields: Fields) -> tuple[int, ...]:
    image, space = fields.image, fields.space
    return image.field_count(space), len(restoring.statistics), *image.field_shape(space)


def _questions(
    restoring: Restoring, fields: Fields, only: int | None = None
) -> Iterator[_Question]:
    image, space = fields.image, fields.space
    for number, position in enumerate(image.positions(space)):
        if only not in (None, number):
            continue
        for job in restoring.jobs:
            channel = fields.channels[job.channel]
            observed = image.field(position, channel, space)
            padding = image.padding_of(position, channel, space)
            yield _Question(number, job, observed, show(observed, job.statistics, padding))


def _answer(
    restoring: Restoring,
    fields: Fields,
    ask: Callable[[_Question], _Answer],
    values: Float32[np.ndarray, "copies fields channels *space"],
    spread: Float32[np.ndarray, "fields channels *space"] | None,
) -> Findings:
    """Fill the values, and the spread if there is one, in camera units."""
    findings = Findings(fields.image.name, values.shape[1:])
    for question in _questions(restoring, fields):
        number, job = question.number, question.job
        findings.show(number, job.channel, question.shown)
        if question.shown.is_blank:
            values[:, number, list(job.outputs)] = question.observed
            if spread is not None:
                spread[number, list(job.outputs)] = 0
            continue
        answer = ask(question)
        for index, channel in enumerate(job.outputs):
            known = restoring.statistics[channel]
            of_channel = values[:, number, channel]
            of_channel[:] = denormalised(answer.values[:, index], known.mean, known.std).numpy()
            deviation = None
            if spread is not None and answer.spread is not None:
                deviation = spread[number, channel]
                deviation[:] = answer.spread[index].numpy() * known.std
            look = restoring.last_look(question.shown, channel)
            for copy in of_channel:
                findings.fail(number, _settled(question, look, copy, deviation))
    return findings


def _settled(question: _Question, look: LastLook, values: Values, spread: Values | None) -> Mask:
    """Replace what cannot be a restoration, and the padding; mark the former."""
    failed = look(values, spread)
    if (padding := question.shown.padding) is not None:
        values[padding] = question.observed[padding]
        if spread is not None:
            spread[padding] = 0
        failed = failed if failed is None else failed & ~padding
    return failed
