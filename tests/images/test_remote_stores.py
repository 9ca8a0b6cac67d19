"""Zarr stores on the network, served by a thread of the test."""

import logging
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import zarr

from ladderscope.images import ImageError, find_images, open_image, open_images, read_image, remote
from ladderscope.images.addresses import flattened, written

PIXELS = np.random.default_rng(0).integers(0, 60000, (2, 16, 24), dtype=np.uint16)
AXES = [{"name": name, "type": "space", "unit": "nanometer"} for name in "zyx"]


class Handler(SimpleHTTPRequestHandler):
    slow = threading.Event()

    def do_GET(self):
        if "silent" in self.path:
            self.slow.wait(5)  # until the test ends
            return
        if "secret" in self.path:
            self.send_error(403)
            return
        super().do_GET()

    def log_message(self, *args):
        pass


@pytest.fixture
def served(tmp_path):
    """Serve the folder of the test, and give its address."""
    Handler.slow.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever, args=[0.02], daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    Handler.slow.set()
    server.shutdown()
    server.server_close()
    thread.join()


def write(path, zarr_format=3, **options):
    group = zarr.open_group(path, mode="w", zarr_format=zarr_format)
    scale = [{"type": "scale", "scale": [500, 100, 100]}]
    image = {"axes": AXES, "datasets": [{"path": "0", "coordinateTransformations": scale}]}
    ome = {"version": "0.5", "multiscales": [image]}
    group.attrs.update({"ome": ome} if zarr_format == 3 else ome)
    group.create_array("0", data=PIXELS, chunks=(1, 8, 8), **options)


@pytest.fixture
def said(caplog):
    caplog.set_level(logging.WARNING, "ladderscope")
    return lambda: " ".join(record.getMessage() for record in caplog.records)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_an_image_on_a_server_is_read_as_from_disk(tmp_path, served, zarr_format, said):
    write(tmp_path / "a.zarr", zarr_format)
    image = read_image(f"{served}/a.zarr")
    assert np.array_equal(image.pixels, PIXELS)
    assert (image.axes, image.name, image.called) == ("ZYX", "a.zarr", f"{served}/a.zarr")
    assert image.pixel_size == (0.1, 0.1)
    assert image.acquisition.slice_spacing == 0.5
    array = open_image(f"{served}/a.zarr/0")
    assert (array.axes, array.crop({"X": slice(3, 9)}).shape) == ("ZYX", (2, 16, 6))
    assert said() == ""


def test_a_plate_on_a_server_gives_its_fields(tmp_path, served):
    group = zarr.open_group(tmp_path / "p.zarr", mode="w")
    group.attrs["ome"] = {"plate": {"wells": [{"path": "A/1"}]}}
    well = group.create_group("A/1")
    well.attrs["ome"] = {"well": {"images": [{"path": "0"}]}}
    write(tmp_path / "p.zarr" / "A" / "1" / "0")
    assert [image.name for image in open_images(f"{served}/p.zarr")] == ["p.zarr, well A1, field 0"]
    (field,) = find_images(f"{served}/p.zarr").sources
    assert flattened(field).name == "p_A1_0.zarr"
    assert written(field) == f"{served}/p.zarr/A/1/0"


def test_missing_chunks_are_said_when_they_are_met_or_refused(tmp_path, served, said):
    write(tmp_path / "a.zarr")
    (tmp_path / "a.zarr" / "0" / "c" / "1" / "0" / "2").unlink()
    image = open_image(f"{served}/a.zarr")
    image.plane({"Z": 0})
    assert said() == ""
    assert not image.plane({"Z": 1})[:8, 16:].any()
    assert "the chunk c/1/0/2 is missing" in said()
    with pytest.raises(ImageError, match=f"{served}/a.zarr: 1 of its 12 chunks"):
        find_images(f"{served}/a.zarr", missing_chunks="refuse")


def test_a_server_that_is_silent_is_not_waited_for(tmp_path, served, monkeypatch):
    monkeypatch.setattr(remote, "WAIT", 0.1)
    with pytest.raises(ImageError, match=r"silent\.zarr.*did not answer in time"):
        open_image(f"{served}/silent.zarr")
    write(tmp_path / "a.zarr", chunk_key_encoding={"name": "v2", "separator": "."})
    chunks = tmp_path / "a.zarr" / "0"
    for chunk in chunks.glob("1.*"):
        chunk.unlink()
    image = open_image(f"{served}/a.zarr")
    assert image.plane({"Z": 0}).shape == (16, 24)
    monkeypatch.setattr(Handler, "translate_path", lambda self, path: Handler.slow.wait(5))
    with pytest.raises(ImageError, match=r"a\.zarr: its values.*did not answer in time"):
        image.plane({"Z": 0})


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("{served}/missing.zarr", "neither a zarr.json"),
        ("{served}/secret.zarr", "403"),
        ("{served}/a.tif", "only Zarr is read"),
        ("http://127.0.0.1:1/a.zarr", "127.0.0.1"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_address(served, address, reason):
    address = address.format(served=served)
    with pytest.raises(ImageError) as caught:
        open_image(address)
    assert address in str(caught.value) and reason in str(caught.value)


def test_a_driver_that_is_not_installed_is_named_with_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(ImageError, match=r"s3fs.*pip install \"ladderscope\[remote\]\""):
        open_image("s3://bucket/a.zarr")
