"""The controls with which a widget is told what to work on."""

from collections.abc import Sequence
from typing import Any

from magicgui.widgets import ComboBox, FileEdit
from napari.layers import Image as ImageLayer
from napari.viewer import Viewer

from ladderscope.errors import LadderscopeError
from ladderscope.images import find_images
from ladderscope.napari.layers import choices_of_axes, given_file, given_layer, likely_axes
from ladderscope.napari.work import Images

FILES, SELECTED = "files …", "all selected image layers"
_OF_FILE = ("as the files say", "")
_IMAGES = "*.tif *.tiff *.zarr *.czi *.nd2 *.lif"


class Choice:
    """Which images: a layer of the viewer, all that are selected, or files.

    Parameters
    ----------
    viewer
        The viewer.
    label : str
        What the images are called.

    Attributes
    ----------
    controls : list of magicgui widgets
        The layer, the files, and what the dimensions are; those that do not matter are hidden.
    """

    def __init__(self, viewer: Viewer, label: str) -> None:
        self.viewer, self.label, self.shown = viewer, label, True
        self.what = ComboBox(
            label=label,
            choices=self._choices,
            tooltip="A layer of the viewer, or files. One model is for images of one kind.",
        )
        self.files = FileEdit(
            mode="rm",
            label="files",
            filter=_IMAGES,
            tooltip="One or more files; a pattern such as images/*.tif can be typed.",
        )
        self.axes = ComboBox(
            label="dimensions",
            choices=self._axes,
            tooltip="What the dimensions are. A stack and a movie are restored plane by plane.",
        )
        self.controls = [self.what, self.files, self.axes]
        self.what.changed.connect(self._settle)
        self.choose(viewer.layers.selection.active)

    def choose(self, layer: Any) -> None:
        """Choose a layer, if it is an image; else the topmost image."""
        images = _images(self.viewer)
        if images:
            self.what.value = layer if layer in images else images[-1]
        self._settle()

    def layers_changed(self) -> None:
        """Follow the layers of the viewer; take the first that is opened."""
        before = self.what.value
        self.what.reset_choices()
        if before == FILES and not _files(self.files):
            self.choose(self.viewer.layers.selection.active)

    def show(self, shown: bool) -> None:
        """Show the controls that matter, or none."""
        self.shown = shown
        self._settle()

    def layers(self) -> list[ImageLayer]:
        """List the chosen layers; none if files are chosen."""
        if self.what.value == SELECTED:
            return [one for one in _images(self.viewer) if one in self.viewer.layers.selection]
        return [] if self.what.value == FILES else [self.what.value]

    def images(self) -> Images:
        """Take the layers, or the files to be opened.

        Raises
        ------
        LadderscopeError
            Nothing is chosen, or a layer cannot be used.
        """
        if self.what.value == FILES:
            files = _files(self.files)
            if not files:
                raise LadderscopeError(self._nothing())
            axes = self.axes.value or None
            return lambda: [given_file(path, axes) for path in find_images(files).sources]
        if not (layers := self.layers()):
            raise LadderscopeError(f"{self.label}: no image layer is selected in the layer list")
        given = [given_layer(layer, self.axes.value) for layer in layers]
        return lambda: given

    def _nothing(self) -> str:
        others = [f"“{one.name}” ({type(one).__name__})" for one in self.viewer.layers]
        if _images(self.viewer) or not others:
            return f"{self.label}: open an image in the viewer, or choose files"
        return (
            f"{self.label}: there is no image layer, only {', '.join(others)}: open an image in "
            "the viewer, or choose files"
        )

    def _choices(self, _: Any) -> list[Any]:
        images = _images(self.viewer)
        several = [SELECTED] if len(images) > 1 else []
        return [*((one.name, one) for one in images), *((one, one) for one in (*several, FILES))]

    def _axes(self, _: Any) -> Sequence[tuple[str, str]]:
        layers = self.layers()
        if not layers:
            return [_OF_FILE, *(one for count in (3, 4, 5) for one in choices_of_axes(count))]
        return choices_of_axes(layers[0].ndim)

    def _settle(self) -> None:
        self.axes.reset_choices()
        layers = self.layers()
        if layers:
            self.axes.value = likely_axes(layers[0])
        self.what.visible = self.shown
        self.files.visible = self.shown and self.what.value == FILES
        self.axes.visible = self.shown and (not layers or layers[0].ndim > 2)


def _images(viewer: Viewer) -> list[ImageLayer]:
    return [layer for layer in viewer.layers if isinstance(layer, ImageLayer)]


def _files(edit: FileEdit) -> list[str]:
    return [one.strip() for one in edit.line_edit.value.split(",") if one.strip()]
