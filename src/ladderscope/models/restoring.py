"""From the fields of an image to restored fields: one loop for predicting and sampling.

Its unit is a *piece*: one tile of one run of the network over one field.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from ladderscope.evaluation.calibration import Calibration
from ladderscope.images import Image, Statistics
from ladderscope.images.arranged import arranged
from ladderscope.images.axes import from_planes
from ladderscope.images.normalisation import denormalised
from ladderscope.images.stored import Pixels
from ladderscope.interruption import ShouldStop
from ladderscope.models.decodings import Decodings
from ladderscope.models.findings import Findings
from ladderscope.models.pieces import Mask, Piece, Place
from ladderscope.models.windows import Windows, seen_field
from ladderscope.network import LadderVAE
from ladderscope.prediction import (
    Geometry,
    Law,
    Part,
    Sampling,
    Shown,
    Tile,
    decodings,
    draw_tile,
    for_work,
    restore_tile,
    seen_by,
    tile_at,
    tiles_of,
)
from ladderscope.progress import Listener

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
    calibration : sequence of Calibration
        One per output channel, of the standard deviation; empty if it is not calibrated.
    """

    network: LadderVAE
    geometry: Geometry
    autocast: torch.dtype | None
    jobs: Sequence[Job]
    statistics: Sequence[Statistics]
    last_look: Callable[[Shown, int], LastLook]
    calibration: Sequence[Calibration] = ()


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

    def shape(self, channels: int) -> tuple[int, ...]:
        """Give the shape (fields, channels, [Z], Y, X) of a restoration with so many channels."""
        return (
            self.image.field_count(self.space),
            channels,
            *self.image.field_shape(self.space),
        )


class Arrangement(NamedTuple):
    """How restored fields become an image: its axes, its shape, and the order of its channels."""

    axes: str
    shape: tuple[int, ...]
    channels: Sequence[int] | None = None

    def of(self, fields: Pixels, space: str) -> Pixels:
        """Arrange fields that extend over `space`; stored ones stay where they are."""
        if not isinstance(fields, np.ndarray):
            return arranged(fields, self.axes, self.shape, space, self.channels)
        ordered = fields if self.channels is None else fields[:, self.channels]
        return from_planes(ordered, self.axes, self.shape, space)


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


class _Answer(NamedTuple):
    """The output of the network, normalised."""

    values: Float[Tensor, "copies outputs *core"]
    spread: Float[Tensor, "outputs *core"] | None


class Wanted(NamedTuple):
    """What is wanted of each tile, and how the network is asked.

    Attributes
    ----------
    samples, seed : int
        Of the posterior samples.
    copies : int
        How many arrays of values a piece has.
    has_spread : bool
        Whether it has a standard deviation.
    ask : callable
        Asks the network.
    """

    samples: int
    seed: int
    copies: int
    has_spread: bool
    ask: Callable[[Part, Tile, Sampling, Law, Callable[[], None]], _Answer]


def sped_up(restoring: Restoring, fields: Fields, samples: int) -> Restoring:
    """Take the network that restores these fields fastest: see `for_work`."""
    work = math.prod(fields.shape(len(restoring.jobs))) * max(1, samples)
    return replace(restoring, network=for_work(restoring.network, work, restoring.autocast))


def restored_fields(
    restoring: Restoring, fields: Fields, *, samples: int, seed: int, watched: Watched = UNWATCHED
) -> Restored:
    """Restore fields: the mean over posterior samples, and the standard deviation of the signal."""
    restoring = sped_up(restoring, fields, samples)
    wanted = restorations(restoring, samples, seed)
    mean = np.empty(fields.shape(len(restoring.statistics)), np.float32)
    std = np.empty_like(mean) if wanted.has_spread else None
    findings = Findings(fields.image.name, mean.shape)
    for piece in pieces(restoring, fields, wanted, list(places(restoring, fields)), watched):
        at = position_of(restoring, piece.place)
        mean[at] = piece.values[0]
        if std is not None and piece.spread is not None:
            std[at] = piece.spread
        findings.take(piece)
    return Restored(mean, std, findings)


def drawn_fields(
    restoring: Restoring, fields: Fields, *, samples: int, seed: int, watched: Watched = UNWATCHED
) -> Drawn:
    """Draw posterior samples of fields."""
    restoring = sped_up(restoring, fields, samples)
    wanted = _draws(restoring, samples, seed)
    draws = np.empty((samples, *fields.shape(len(restoring.statistics))), np.float32)
    findings = Findings(fields.image.name, draws.shape[1:])
    for piece in pieces(restoring, fields, wanted, list(places(restoring, fields)), watched):
        draws[:, *position_of(restoring, piece.place)] = piece.values
        findings.take(piece)
    return Drawn(draws, findings)


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
    size = fields.image.field_shape(fields.space)
    tile = tile_at(restoring.network, region, size, restoring.geometry)
    asked = [Place(number, job, 0, tile) for job in range(len(restoring.jobs))]
    drawn = pieces(restoring, fields, _draws(restoring, samples, seed), asked)
    return np.concatenate([piece.values for piece in drawn], axis=1)


def restorations(restoring: Restoring, samples: int, seed: int, *, keep: bool = False) -> Wanted:
    """Ask for the mean and the standard deviation, and for the samples too if they are kept."""
    job = restoring.jobs[0]
    has_spread = any(job.law(restoring.network, len(job.outputs), samples))

    def ask(
        part: Part, tile: Tile, sampling: Sampling, law: Law, tick: Callable[[], None]
    ) -> _Answer:
        found = restore_tile(restoring.network, part, tile, sampling, law=law, keep=keep, tick=tick)
        mean = found.mean[None]
        values = mean if found.samples is None else torch.cat([mean, found.samples])
        return _Answer(values, found.std)

    return Wanted(samples, seed, 1 + samples * keep, has_spread, ask)


def _draws(restoring: Restoring, samples: int, seed: int) -> Wanted:
    def ask(
        part: Part, tile: Tile, sampling: Sampling, _law: Law, tick: Callable[[], None]
    ) -> _Answer:
        return _Answer(draw_tile(restoring.network, part, tile, sampling, tick=tick), None)

    return Wanted(samples, seed, samples, False, ask)


def places(restoring: Restoring, fields: Fields) -> Iterator[Place]:
    """List the pieces that an image consists of, those of a field one after the other."""
    size = fields.image.field_shape(fields.space)
    tiles = list(tiles_of(restoring.network, size, restoring.geometry))
    for number in range(fields.image.field_count(fields.space)):
        for job in range(len(restoring.jobs)):
            for index, tile in enumerate(tiles):
                yield Place(number, job, index, tile)


def position_of(restoring: Restoring, place: Place) -> tuple[int | slice, ...]:
    """Give where the values of a piece belong in an array of fields and channels."""
    outputs = restoring.jobs[place.job].outputs
    return place.number, slice(outputs.start, outputs.stop), *place.tile.core


def pieces(
    restoring: Restoring,
    fields: Fields,
    wanted: Wanted,
    asked: Sequence[Place],
    watched: Watched = UNWATCHED,
) -> Iterator[Piece]:
    """Restore pieces one by one; each depends on nothing but its place.

    Parameters
    ----------
    restoring, fields, wanted
        Of what, by what, and how.
    asked
        Those of one field side by side: it is read once for them.
    watched
        Hears the progress between the decodings, and may stop.
    """
    total = sum(decodings(place.tile, wanted.samples) for place in asked)
    pixels = sum(math.prod(part.stop - part.start for part in one.tile.core) for one in asked)
    tick = Decodings(fields.image.name, total, pixels, *watched)
    positions = list(fields.image.positions(fields.space))
    for (number, job), here in groupby(asked, key=lambda place: (place.number, place.job)):
        one, image = restoring.jobs[job], fields.image
        channel, size = fields.channels[one.channel], image.field_shape(fields.space)
        field = seen_field(image, positions[number], channel, fields.space, one.statistics)
        is_blank = field.is_blank
        for place in here:
            if is_blank:
                yield _blank_piece(restoring, field, wanted, place)
            else:
                yield _piece(restoring, field, size, wanted, place, tick)


def _blank_piece(
    restoring: Restoring, field: Shown | Windows, wanted: Wanted, place: Place
) -> Piece:
    """Give the pixels back as they are."""
    values = field.part(place.tile.core).observed.astype(np.float32)
    sides = len(restoring.jobs[place.job].outputs), *values.shape
    spread = np.zeros(sides, np.float32) if wanted.has_spread else None
    copies = np.broadcast_to(values, (wanted.copies, *sides))
    return Piece(place, copies, spread, is_blank=True)


def _piece(
    restoring: Restoring,
    field: Shown | Windows,
    size: tuple[int, ...],
    wanted: Wanted,
    place: Place,
    tick: Callable[[], None],
) -> Piece:
    job, tile = restoring.jobs[place.job], place.tile
    outputs = len(job.outputs)
    region = seen_by(restoring.network, tile, size)
    seen = field.part(region)
    core = seen.part(
        tuple(
            slice(own.start - around.start, own.stop - around.start)
            for own, around in zip(tile.core, region, strict=True)
        )
    )
    number = place.number * len(restoring.jobs) + job.channel
    sampling = Sampling(wanted.samples, wanted.seed, number, outputs, restoring.autocast)
    part = Part(seen.normalised, region, size)
    answer = wanted.ask(part, tile, sampling, job.law, tick)
    values = np.empty(answer.values.shape, np.float32)
    spread = None if answer.spread is None else np.empty(answer.spread.shape, np.float32)
    failed: Mask = None
    for index, channel in enumerate(job.outputs):
        known = restoring.statistics[channel]
        values[:, index] = denormalised(answer.values[:, index], known.mean, known.std).numpy()
        deviation = None
        if spread is not None and answer.spread is not None:
            deviation = spread[index]
            deviation[:] = answer.spread[index].numpy() * known.std
        look = restoring.last_look(core, channel)
        for copy in values[:, index]:
            found = _settled(core, look, copy, deviation)
            failed = _either(failed, found)
            deviation = None  # it belongs to the first, the mean
        if spread is not None and restoring.calibration:
            one = restoring.calibration[channel]
            spread[index] = one.std(spread[index], values[0, index])
    return Piece(place, values, spread, _some(core.padding), _some(core.beyond), _some(failed))


def _settled(shown: Shown, look: LastLook, values: Values, spread: Values | None) -> Mask:
    """Replace what cannot be a restoration, and the padding; mark the former."""
    failed = look(values, spread)
    if (padding := shown.padding) is not None:
        values[padding] = shown.observed[padding]
        if spread is not None:
            spread[padding] = 0
        failed = failed if failed is None else failed & ~padding
    return failed


def _either(one: Mask, other: Mask) -> Mask:
    if one is None or other is None:
        return other if one is None else one
    return one | other


def _some(mask: Mask) -> Mask:
    return None if mask is None or not mask.any() else mask
