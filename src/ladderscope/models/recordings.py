"""What a splitter is trained on: recordings of each structure, and perhaps of all together."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from ladderscope.data import Channels, Field, HeldOut, hold_out
from ladderscope.images import Image, ImageError, Sources, open_images
from ladderscope.images.at_hand import at_hand
from ladderscope.images.parts import any_of
from ladderscope.interruption import ShouldStop, stop_if
from ladderscope.models.fitting import looked_at, say_where
from ladderscope.models.given import check_channels, check_pairs
from ladderscope.models.matching import say_which_channels_differ
from ladderscope.models.notices import Notices

_MIXED = "the mixed images"


@dataclass(frozen=True, eq=False)
class Recordings:
    """The images of each channel, and the mixed images if they were recorded.

    Attributes
    ----------
    names : sequence of str
        Of the channels.
    channels : list of list of Image
        One list per channel.
    mixed : list of Image, optional
        The superposition.
    paired : bool
        Whether image k of all of these shows the same field.
    """

    names: Sequence[str]
    channels: list[list[Image]]
    mixed: list[Image] | None
    paired: bool

    @property
    def stacks(self) -> list[list[Image]]:
        """The lists of images, the mixed ones last."""
        return [*self.channels, *([] if self.mixed is None else [self.mixed])]


def read_recordings(
    channels: Sequence[Sources],
    mixed: Sources | None,
    axes: str | None,
    names: Sequence[str],
    paired: bool,
    notice: Notices,
    should_stop: ShouldStop | None = None,
) -> Recordings:
    """Read all images, and refuse those that do not go together.

    Raises
    ------
    ImageError
        An image cannot be used.
    LadderscopeError
        Images have several channels, or paired ones are of different number or size.
    StopRequested
        `should_stop` returned True: it is called between two images.
    """
    given = [*channels, *([] if mixed is None else [mixed])]
    opened: list[list[Image]] = []
    stacks: list[list[Image]] = []
    for name, sources in zip([*names, _MIXED], given, strict=False):
        with _named(name):
            opened.append(open_images(sources, axes))
    small = say_where(opened)
    for name, images in zip([*names, _MIXED], opened, strict=False):
        if stacks:
            stop_if(should_stop, "reading the images")
        with _named(name):
            stacks.append(at_hand(images, in_memory=small, should_stop=should_stop))
    recorded = None if mixed is None else stacks.pop()
    found = Recordings(names, stacks, recorded, paired or mixed is not None)
    named = list(zip([*names, _MIXED], found.stacks, strict=False))
    check_channels(named)
    if found.paired:
        check_pairs(named, notice)
    for stack in stacks:
        say_which_channels_differ(stack, notice)
    return found


def looked_at_all(
    recordings: Recordings, notice: Notices, should_stop: ShouldStop | None = None
) -> Recordings:
    """Say what a first look finds; images of one field get the padding of each other."""
    looked = [looked_at(stack, notice, should_stop) for stack in recordings.stacks]
    if recordings.paired:
        looked = _with_common_padding(looked)
    count = len(recordings.channels)
    mixed = None if recordings.mixed is None else looked[count]
    return replace(recordings, channels=looked[:count], mixed=mixed)


def divided(
    fields: Sequence[Sequence[Field]],
    mixed: Sequence[Field] | None,
    recordings: Recordings,
    patch: int,
    seed: int,
    notice: Notices,
) -> tuple[Channels, Channels]:
    """Divide the fields of all channels alike between training and validation."""
    held_out = [hold_out(of_channel, patch, seed) for of_channel in fields]
    _say_how(held_out, recordings.names, notice)
    training, validation = (
        Channels(chosen, recordings.paired, _of_same_images(mixed, chosen[0]))
        for chosen in (
            [of_channel.training for of_channel in held_out],
            [of_channel.validation for of_channel in held_out],
        )
    )
    return training, validation


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Say of errors which channel they are about."""
    try:
        yield
    except ImageError as error:
        raise ImageError(f"{name}: {error}") from error


def _with_common_padding(stacks: Sequence[list[Image]]) -> list[list[Image]]:
    together = []
    for images in zip(*stacks, strict=True):
        masks = [image.padding for image in images if image.padding is not None]
        padding = any_of(masks) if masks else None
        together.append([replace(image, padding=padding) for image in images])
    return [list(stack) for stack in zip(*together, strict=True)]


def _say_how(held_out: Sequence[HeldOut], names: Sequence[str], notice: Notices) -> None:
    sentences = [of_channel.notice for of_channel in held_out]
    if len(set(sentences)) > 1:
        sentences = [f"{name}, {text}" for name, text in zip(names, sentences, strict=True)]
    for text in dict.fromkeys(sentences):
        notice(text)


def _of_same_images(mixed: Sequence[Field] | None, chosen: Sequence[Field]) -> list[Field] | None:
    """Choose the mixed fields of those images whose first channel was chosen."""
    images = {field.image for field in chosen}
    return None if mixed is None else [field for field in mixed if field.image in images]
