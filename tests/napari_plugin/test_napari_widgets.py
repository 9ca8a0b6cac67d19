"""The plugin in a viewer, used as its users do: choose, click, wait, look."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import ladderscope
from ladderscope.images import write_image
from ladderscope.models import Restoration, load
from ladderscope.noise import Gaussian

REASON = "napari is not installed: make extras, or pip install 'ladderscope[napari]' pytest-qt"
pytest.importorskip("pytestqt", reason=REASON)
napari = pytest.importorskip("napari", reason=REASON)
npe2 = pytest.importorskip("npe2", reason=REASON)
notifications = pytest.importorskip("napari.utils.notifications", reason=REASON)

PACKAGES = "xvfb libgl1 libegl1 libgl1-mesa-dri libxcb-cursor0 libxkbcommon-x11-0"
MANIFEST = Path(ladderscope.__file__).parent / "napari" / "napari.yaml"


@pytest.fixture(scope="session")
def display():
    """Give Qt a display that draws, or say what is missing."""
    server = None
    if sys.platform == "linux" and not {"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys():
        if shutil.which("Xvfb") is None:
            pytest.skip(f"no display, and no Xvfb: apt-get install {PACKAGES}")
        reading, writing = os.pipe()
        command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1400x900x24"]
        server = subprocess.Popen(command, pass_fds=[writing], stderr=subprocess.DEVNULL)
        os.close(writing)
        with os.fdopen(reading) as answer:
            os.environ["DISPLAY"] = f":{answer.readline().strip()}"
    # Qt ends the process where it cannot draw, so another one tries first
    trial = "from qtpy.QtWidgets import QApplication; QApplication([])"
    tried = subprocess.run([sys.executable, "-c", trial], capture_output=True, text=True)
    if not tried.returncode:
        yield
    if server is not None:
        server.terminate()
        server.wait()
        del os.environ["DISPLAY"]
    if tried.returncode:
        why = tried.stderr.strip()[-300:]
        pytest.skip(f"Qt cannot draw: apt-get install {PACKAGES}, pip install pytest-qt ({why})")


@pytest.fixture(scope="module")
def viewer(display, request, tmp_path_factory):
    """A viewer that knows the plugin; nobody sees it, and nobody's settings change."""
    os.environ["NAPARI_CONFIG"] = str(tmp_path_factory.mktemp("napari") / "settings.yaml")
    request.getfixturevalue("qapp")
    plugins = npe2.PluginManager.instance()
    if "ladderscope" not in plugins:
        plugins.register(npe2.PluginManifest.from_file(MANIFEST))
    shown = napari.Viewer(show=False)
    yield shown
    shown.close()


@pytest.fixture
def said():
    """What napari notifies the user of, as severities and texts."""
    manager = notifications.notification_manager
    manager.records.clear()
    return lambda: [(one.severity.value, one.message) for one in manager.records]


@pytest.fixture
def opened(viewer, qtbot):
    """Open one of the widgets as the menu does; close it in the end."""
    docks = []

    def open_widget(name):
        dock, widget = viewer.window.add_plugin_dock_widget("ladderscope", name)
        docks.append(dock)
        return widget

    yield open_widget
    for dock in docks:
        viewer.window.remove_dock_widget(dock)
    viewer.layers.clear()


def done(qtbot, widget):
    qtbot.waitUntil(lambda: widget.worker is None, timeout=120_000)


def test_a_click_denoises_the_open_layer(viewer, opened, qtbot, crops, said, tmp_path):
    placed = {"scale": (0.2, 0.2), "units": ("um", "um"), "translate": (3, 4)}
    noisy = viewer.add_image(crops[0, :64, :64], name="cells", **placed)
    widget = opened("Denoise")
    widget.training.preset.value = "tiny"
    widget.results.samples.value = 4
    widget.results.shown.value = 2
    widget.button.click()
    done(qtbot, widget)
    names = [layer.name for layer in viewer.layers]
    assert names == ["cells", "cells, samples", "cells, error bar", "cells, restored"]
    samples, error_bar, restored = list(viewer.layers)[1:]
    assert samples.data.shape == (2, *crops[0, :64, :64].shape)
    assert (error_bar.data > 0).mean() > 0.9
    assert np.abs(restored.data - crops[0, :64, :64]).mean() > 1
    for layer in (error_bar, restored):
        assert layer.units == noisy.units
        assert np.array_equal(layer.scale, noisy.scale)
        assert np.array_equal(layer.translate, noisy.translate)
    assert list(samples.scale) == [1, 0.2, 0.2]
    assert restored.contrast_limits == noisy.contrast_limits
    assert not widget.live.isHidden()
    assert "cells: " in widget.found.toPlainText()
    assert [text for level, text in said() if level == "error"] == []
    widget.save_model(str(tmp_path / "cells.ladder"))
    assert load(tmp_path / "cells.ladder").model.calibration


def test_four_clicks_lead_from_an_open_layer_to_a_restored_one(
    viewer, qtbot, crops, denoiser, tmp_path, monkeypatch
):
    """A model from a file stands in for five minutes of training."""
    from ladderscope.napari import widgets, work

    denoiser.save(tmp_path / "cells.ladder", thumbnail=False)
    asked = []

    def trained(fitted, images, minutes, wanted):
        asked.append(minutes)
        return work.predict(tmp_path / "cells.ladder", images, wanted)

    monkeypatch.setattr(widgets, "denoise", trained)
    viewer.add_image(crops[0, :64, :64], name="cells")
    plugins = viewer.window.plugins_menu  # the first click
    ours = next(one for one in plugins.actions() if one.text() == "Ladderscope")  # the second
    next(one for one in ours.menu().actions() if one.text() == "Denoise").trigger()  # the third
    (widget,) = viewer.window.dock_widgets.values()
    widget.button.click()  # the fourth
    done(qtbot, widget)
    assert "cells, restored" in viewer.layers and asked == [5]
    viewer.window.remove_dock_widget(widget)
    viewer.layers.clear()


def test_training_can_be_stopped_at_any_time_and_its_best_is_used(
    viewer, opened, qtbot, crops, said
):
    viewer.add_image(crops[0, :64, :64], name="cells")
    widget = opened("Denoise")
    widget.training.preset.value = "tiny"
    widget.training.minutes.value = 2
    widget.training.noise.value = "gaussian:9"
    widget.training.seed.value = 3
    widget.button.click()
    qtbot.waitUntil(lambda: not widget.live.isHidden(), timeout=60_000)
    widget.button.click()
    done(qtbot, widget)
    assert "cells, restored" in viewer.layers
    assert widget.restorer.model.outcome.interrupted
    assert (widget.restorer.noise, widget.restorer.seed) == (Gaussian(9.0), 3)
    assert widget.restorer.model.outcome.seconds < 100
    assert "interrupted" in " ".join(widget.restorer.model.notices)


def test_a_model_from_a_file_restores_a_layer(viewer, opened, qtbot, crops, denoiser, tmp_path):
    denoiser.save(tmp_path / "cells.ladder", thumbnail=False)
    viewer.add_image(crops[0, :64, :64], name="cells")
    widget = opened("Restore with a model")
    widget.model.value = tmp_path / "cells.ladder"
    widget.results.folder.value = tmp_path / "restored"
    widget.button.click()
    done(qtbot, widget)
    expected = denoiser.predict(crops[0, :64, :64])
    assert isinstance(expected, Restoration)
    assert np.array_equal(viewer.layers["cells, restored"].data, expected.mean)
    assert np.array_equal(viewer.layers["cells, error bar"].data, expected.std)
    assert (tmp_path / "restored" / "cells_restored.ome.tif").exists()


def test_two_structures_are_split_into_a_layer_each(viewer, opened, qtbot, crops):
    for name, pixels in zip(("nuclei", "bodies"), crops[:2, :64, :64], strict=True):
        viewer.add_image(pixels, name=name)
    viewer.add_image(crops[:2, :64, :64].sum(0), name="both")
    widget = opened("Split")
    widget.structures[0].what.value = viewer.layers["nuclei"]
    widget.structures[1].what.value = viewer.layers["bodies"]
    assert widget.mixed.what.value is viewer.layers["both"]
    widget.method.value = "musplit"
    widget.paired.value = True
    widget.training.preset.value = "tiny"
    widget.button.click()
    done(qtbot, widget)
    restored = {layer.name: layer for layer in viewer.layers if "restored" in layer.name}
    assert list(restored) == ["both, nuclei, restored", "both, bodies, restored"]
    assert len({layer.colormap.name for layer in restored.values()}) == 2
    residual = viewer.layers["both, residual"]
    assert residual.data.shape == viewer.layers["both"].data.shape and not residual.visible


@pytest.mark.parametrize(
    ("add", "facts"),
    [
        (lambda viewer: viewer.add_image(np.zeros((9, 9, 3), "u1"), rgb=True, name="photo"),
         ["photo", "RGB", "Split RGB"]),
        (lambda viewer: viewer.add_labels(np.zeros((9, 9), int), name="seeds"),
         ["seeds", "Labels", "open an image"]),
        (lambda viewer: None, ["open an image"]),
    ],
)  # fmt: skip
def test_what_cannot_be_denoised_is_refused_in_a_sentence(viewer, opened, said, add, facts):
    add(viewer)
    widget = opened("Denoise")
    widget.button.click()
    ((level, text),) = said()
    assert level == "error"
    assert all(fact in text for fact in facts), text
    assert widget.worker is None


def test_noise_that_is_written_otherwise_is_refused_before_any_work(viewer, opened, said, crops):
    viewer.add_image(crops[0, :64, :64], name="cells")
    widget = opened("Denoise")
    widget.training.noise.value = "gauss"
    widget.button.click()
    ((level, text),) = said()
    assert level == "error" and "noise 'gauss'" in text and "gaussian:" in text
    assert widget.worker is None


@pytest.mark.parametrize(
    ("key", "active"),
    [("cells", "human cells"), ("nuclei", "nuclei"), ("superimposed", "both superimposed")],
)
def test_sample_data_can_be_tried_at_once(viewer, opened, key, active):
    viewer.open_sample("ladderscope", key)
    assert opened("Denoise").image.what.value is viewer.layers[active]


def test_the_first_image_that_is_opened_is_chosen_with_the_axes_of_its_file(
    viewer, opened, crops, tmp_path
):
    write_image(tmp_path / "movie.ome.tif", np.stack([crops[0, :64, :64]] * 3), "TYX")
    widget = opened("Denoise")
    (layer,) = viewer.open(tmp_path / "movie.ome.tif", plugin="napari")
    assert widget.image.what.value is layer
    assert widget.image.axes.value == "TYX"


def test_closing_the_viewer_ends_the_training(viewer, qtbot, crops):
    viewer.add_image(crops[0, :64, :64], name="cells")
    _, widget = viewer.window.add_plugin_dock_widget("ladderscope", "Denoise")
    widget.training.preset.value = "tiny"
    widget.training.minutes.value = 2
    widget.button.click()
    qtbot.waitUntil(lambda: widget.bar.value() > 0, timeout=60_000)
    worker = widget.worker
    viewer.close()
    qtbot.waitUntil(lambda: not worker.is_running, timeout=60_000)
    assert worker.abort_requested
