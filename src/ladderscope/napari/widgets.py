"""The three widgets: denoise, split, restore with a model."""

from pathlib import Path
from typing import Any, get_args

from magicgui.widgets import CheckBox, ComboBox, FileEdit, FloatSpinBox, LineEdit, SpinBox
from napari.viewer import Viewer

from ladderscope.errors import LadderscopeError
from ladderscope.models import PRESETS, Denoiser, Splitter
from ladderscope.models.config import Method
from ladderscope.models.spelled_noise import parse_noise
from ladderscope.napari.choosing import Choice
from ladderscope.napari.panel import Panel
from ladderscope.napari.work import Wanted, Work, denoise, predict, split

_MOST_STRUCTURES = 4
_LARGEST_SEED = 2**31 - 1  # of a spin box


class Denoise(Panel):
    """Train on noisy images, and restore them.

    Parameters
    ----------
    napari_viewer
        The viewer; napari gives it.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        self.image = Choice(napari_viewer, "image")
        self.training, self.results = Training(), Results()
        self.deep = CheckBox(
            label="3-D",
            tooltip="Use neighbouring planes of a stack (Z). Training then takes much longer.",
        )
        controls = [*self.image.controls, *self.training.controls, self.deep]
        super().__init__(
            napari_viewer, "Denoise", [self.image], [*controls, *self.results.controls]
        )

    def asked(self) -> Work:
        """Take what the controls say."""
        images = self.image.images()
        dimensions = 3 if self.deep.value else 2
        denoiser = Denoiser(**self.training.asked(), dimensions=dimensions)
        return denoise(denoiser, images, self.training.minutes_or_none(), self.results.wanted())


class Split(Panel):
    """Train on recordings of each structure alone, and split an image of their sum.

    Parameters
    ----------
    napari_viewer
        The viewer; napari gives it.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        self.count = SpinBox(label="structures", value=2, min=2, max=_MOST_STRUCTURES)
        self.structures = [
            Choice(napari_viewer, f"structure {number + 1} alone")
            for number in range(_MOST_STRUCTURES)
        ]
        self.mixed = Choice(napari_viewer, "superimposed")
        self.method = ComboBox(
            label="method",
            choices=get_args(Method),
            value="microsplit",
            tooltip="musplit for recordings with little noise; the others remove the noise too.",
        )
        self.paired = CheckBox(
            label="same field",
            tooltip="Whether the recordings of all structures show the same field of view.",
        )
        self.training, self.results = Training(), Results()
        of_structures = [one for choice in self.structures for one in choice.controls]
        super().__init__(
            napari_viewer,
            "Split",
            [*self.structures, self.mixed],
            [
                *(self.count, *of_structures, *self.mixed.controls, self.method, self.paired),
                *(*self.training.controls, *self.results.controls),
            ],
        )
        self.count.changed.connect(self._show_structures)
        self._show_structures()

    def asked(self) -> Work:
        """Take what the controls say."""
        chosen = self.structures[: self.count.value]
        channels = [choice.images() for choice in chosen]
        layers = [choice.layers() for choice in chosen]
        if len({id(one) for of_choice in layers for one in of_choice}) < sum(map(len, layers)):
            raise LadderscopeError(
                "one layer is chosen for two structures: give each structure a recording of its own"
            )
        splitter = Splitter(self.method.value, **self.training.asked(), channels=self.count.value)
        return split(
            splitter,
            channels,
            [of_choice[0].name for of_choice in layers] if all(layers) else None,
            self.paired.value,
            self.mixed.images(),
            self.training.minutes_or_none(),
            self.results.wanted(),
        )

    def _show_structures(self) -> None:
        for number, choice in enumerate(self.structures):
            choice.show(number < self.count.value)


class Predict(Panel):
    """Restore images with a model from a file: denoisers and splitters alike.

    Parameters
    ----------
    napari_viewer
        The viewer; napari gives it.
    """

    trains = False

    def __init__(self, napari_viewer: Viewer) -> None:
        self.model = FileEdit(label="model", filter="*.ladder", tooltip="A .ladder file.")
        self.image = Choice(napari_viewer, "image")
        self.results = Results()
        controls = [self.model, *self.image.controls, *self.results.controls]
        super().__init__(napari_viewer, "Restore", [self.image], controls)

    def asked(self) -> Work:
        """Take what the controls say."""
        path = self.model.line_edit.value.strip()
        if not path:
            raise LadderscopeError("model: choose a .ladder file")
        return predict(Path(path), self.image.images(), self.results.wanted())


class Training:
    """The controls of a training: its preset, its minutes, the noise, and the random seed."""

    def __init__(self) -> None:
        self.preset = ComboBox(
            label="preset",
            choices=list(PRESETS),
            value="small",
            tooltip="small: minutes on a laptop. paper: the published recipe, for a GPU. "
            "tiny: seconds, for trying things out.",
        )
        self.minutes = FloatSpinBox(
            label="minutes",
            max=10_000,
            step=1,
            tooltip="Time for training; 0 takes that of the preset.",
        )
        self.noise = LineEdit(
            label="noise",
            value="auto",
            tooltip="auto: measured on the images. Or as the command line takes it: a law to be "
            "measured, such as poisson-gaussian; a model, such as gaussian:3; a file. For several "
            "channels one for all, or one each, separated by semicolons.",
        )
        self.seed = SpinBox(
            label="random seed",
            max=_LARGEST_SEED,
            tooltip="Another seed trains another model, and draws other samples.",
        )
        self.controls = [self.preset, self.minutes, self.noise, self.seed]
        self.preset.changed.connect(self._set_minutes)
        self._set_minutes()

    def asked(self) -> dict[str, Any]:
        """Take the preset, the noise and the seed, as a restorer takes them.

        Raises
        ------
        LadderscopeError
            The noise is written otherwise, or cannot be.
        """
        noise = parse_noise(self.noise.value.split(";"))
        return {"preset": self.preset.value, "noise": noise, "seed": self.seed.value}

    def minutes_or_none(self) -> float | None:
        """Give the minutes; None for the budget of the preset."""
        return self.minutes.value or None

    def _set_minutes(self) -> None:
        self.minutes.value = PRESETS[self.preset.value].settings.get("minutes", 0)


class Results:
    """The controls of what comes back."""

    def __init__(self) -> None:
        self.samples = SpinBox(
            label="samples",
            value=16,
            max=1000,
            tooltip="Posterior samples that are averaged; 0 is the fastest: one pass.",
        )
        self.shown = SpinBox(
            label="samples shown",
            value=0,
            max=100,
            tooltip="Posterior samples that become a layer, to be flicked through.",
        )
        self.folder = FileEdit(
            label="save in",
            mode="d",
            nullable=True,
            tooltip="Optional: a folder for OME-TIFF files of the restored images.",
        )
        self.controls = [self.samples, self.shown, self.folder]

    def wanted(self) -> Wanted:
        """Take what the controls say."""
        folder = self.folder.line_edit.value.strip()
        return Wanted(self.samples.value, self.shown.value, Path(folder) if folder else None)
