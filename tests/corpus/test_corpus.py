"""Every hostile file is refused, in words and by name, before it costs time or memory."""

import sys
import tracemalloc
from pathlib import Path

import pytest

from ladderscope import load
from ladderscope.cli.info import info
from ladderscope.cli.setup import read_config
from ladderscope.errors import LadderscopeError
from ladderscope.interop.careamics import InteropError, build_lvae, load_lvae
from ladderscope.models import ModelFileError
from ladderscope.noise import NoiseError, load_noise_model

sys.path.insert(0, str(Path(__file__).parent))

import write as corpus

MOST_BYTES = 40_000_000  # of what Python itself allocates; the bombs would take more

OPENED_BY = {
    ".ladder": (load, ModelFileError),
    ".json": (load_noise_model, NoiseError),
    ".npz": (load_noise_model, NoiseError),
    ".yaml": (read_config, LadderscopeError),
    ".yml": (build_lvae, InteropError),
    ".ckpt": (lambda path: load_lvae(path, corpus.NETWORK), InteropError),
    ".pth": (lambda path: load_lvae(path, corpus.NETWORK), InteropError),
    ".safetensors": (lambda path: load_lvae(path, corpus.NETWORK), InteropError),
}


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    corpus.write(folder)
    return folder


@pytest.mark.parametrize("suffix", OPENED_BY)
def test_every_file_is_refused_by_name(hostile, suffix):
    opened, error = OPENED_BY[suffix]
    paths = sorted(hostile.glob(f"*{suffix}"))
    assert len(paths) >= 2
    for path in paths:
        with pytest.raises(error) as refusal:
            opened(path)
        message = str(refusal.value)
        assert path.name in message, message
        assert len(message) < 2000, path.name
        assert message.replace("\n", "").isprintable(), path.name


def test_info_refuses_the_same_models(hostile):
    for path in sorted(hostile.glob("[a-h]*.ladder")):
        with pytest.raises(ModelFileError):
            info(path)


@pytest.mark.parametrize(
    "name",
    [
        "bomb of deflate.ladder",
        "bomb of bzip2.ladder",
        "bomb of weights.ladder",
        "bomb unknown.ladder",
        "bomb that lies.ladder",
        "lzma.ladder",
        "many members.ladder",
        "many lists.ladder",
        "bomb.npz",
        "shape of 10 to the 12.npz",
        "packed.ckpt",
        "bytearray of 1.5 GB.ckpt",
    ],
)
def test_no_bomb_is_unpacked(hostile, name):
    opened, error = OPENED_BY[Path(name).suffix]
    tracemalloc.start()
    try:
        with pytest.raises(error):
            opened(hostile / name)
        assert tracemalloc.get_traced_memory()[1] < MOST_BYTES
    finally:
        tracemalloc.stop()


def test_the_same_files_are_written_again(hostile, tmp_path):
    for name, content in corpus.networks().items():
        assert (hostile / f"{name}.yml").read_text() == content
    assert corpus.with_twins() == (hostile / "twins.ladder").read_bytes()
