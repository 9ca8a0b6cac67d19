"""A package for the BioImage Model Zoo passes the zoo's own tests, and gives the model back."""

import io
import json
import socket
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ladderscope import load
from ladderscope.files import OutputError
from ladderscope.interop.checkpoint import InteropError
from ladderscope.interop.zoo import export_bioimage, import_bioimage
from ladderscope.interop.zoo_card import Card
from ladderscope.models.architecture import with_variance_head

FIXTURES = Path(__file__).parents[1] / "models" / "fixtures" / "format_2"


@pytest.fixture(scope="module")
def _offline():
    """Refuse every connection, as on a machine without a network."""

    def refuse(*_args, **_options):
        raise AssertionError("something asked for the network")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", refuse)
        patch.setattr(socket, "getaddrinfo", refuse)
        yield


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    """A splitter that predicts error bars, with random weights."""
    splitter = load(FIXTURES / "splitter_microsplit.ladder", device="cpu")
    architecture = with_variance_head(splitter.model.architecture, 1)
    torch.manual_seed(0)
    weights = architecture.build().state_dict() | splitter.model.weights
    model = replace(
        splitter.model,
        architecture=architecture,
        weights=weights,
        channel_names=("DNA", "µ-tubules, α"),
        pixel_size=(0.1, 0.2),
    )
    path = tmp_path_factory.mktemp("zoo") / "my model [2].ladder"
    return type(splitter).from_model(model, device="cpu").save(path)


@pytest.fixture(scope="module")
def package(_offline, model_file):
    pytest.importorskip("onnx", reason='needs pip install "ladderscope[export]"')
    pytest.importorskip("bioimageio.spec", reason='needs pip install "ladderscope[export]"')
    card = Card(authors=("Ada Lovelace",), licence="CC-BY-4.0", tags=("nuclei",))
    return export_bioimage(model_file, model_file.with_name("zoo.zip"), card=card)


def test_it_passes_the_tests_of_the_zoo(package):
    core = pytest.importorskip("bioimageio.core", reason="needs pip install bioimageio.core")
    summary = core.test_model(package)
    assert summary.status == "passed", summary.format_md()
    tested = {detail.name for detail in summary.details if detail.status == "passed"}
    for weights in ("onnx", "torchscript"):
        assert any("Reproduce" in name and f"({weights})" in name for name in tested)


def test_the_package_describes_the_model(package, model_file):
    spec = pytest.importorskip("bioimageio.spec")
    described = spec.load_model_description(package)
    assert described.license == "CC-BY-4.0" and described.authors[0].name == "Ada Lovelace"
    assert {"nuclei", "image-restoration", "2d"} <= {*described.tags}
    assert described.cite[0].doi and described.documentation and described.covers
    (image,), (mean, std) = described.inputs, described.outputs
    assert mean.axes[1].channel_names == ["DNA", "µ-tubules, α"]
    y, x = image.axes[2:]
    model = load(model_file, device="cpu").model
    assert (y.scale, x.scale, y.unit) == (0.1, 0.2, "micrometer")
    assert y.size.step == 2 ** len(model.architecture.latent_channels)
    assert std.axes[2].halo >= model.settings.tile_margin and y.size.min > 2 * std.axes[2].halo
    with zipfile.ZipFile(package) as archive:
        expected = np.load(io.BytesIO(archive.read("std.npy")))
    assert expected.shape[:2] == (1, 2) and (expected > 0).all()


def test_the_model_comes_back_byte_for_byte(package, model_file, tmp_path):
    back = import_bioimage(package, tmp_path / "back.ladder")
    assert back.read_bytes() == model_file.read_bytes()
    with pytest.raises(OutputError):
        import_bioimage(package, back)


def test_an_existing_package_is_kept(package, model_file):
    before = package.read_bytes()
    with pytest.raises(OutputError):
        export_bioimage(model_file, package)
    assert package.read_bytes() == before


def test_a_card_that_the_zoo_refuses_leaves_no_file(package, model_file, tmp_path):
    with pytest.raises(InteropError, match="no such licence"):
        export_bioimage(model_file, tmp_path / "a.zip", card=Card(licence="no such licence"))
    assert not list(tmp_path.iterdir())


def test_a_missing_package_is_named_with_the_extra(model_file, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(InteropError, match=r"ladderscope\[export\]"):
        export_bioimage(model_file, tmp_path / "a.zip")
    assert not list(tmp_path.iterdir())


def written(path, **members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "."), content)
    return path


@pytest.mark.parametrize(
    "members, found",
    [
        ({"rdf__yaml": "name: Another U-Net\n", "weights__pt": b"x"}, "Another U-Net.*weights.pt"),
        ({"photo__png": b"x"}, "photo.png.*no rdf.yaml"),
        ({"rdf__yaml": "name: a\n", "model__ladder": b"not a model"}, "model.ladder"),
    ],
)
def test_a_file_that_is_not_ours_is_refused_with_what_it_holds(tmp_path, members, found):
    path = written(tmp_path / "other.zip", **members)
    with pytest.raises(InteropError, match=f"other.zip.*{found}"):
        import_bioimage(path, tmp_path / "a.ladder")
    assert not (tmp_path / "a.ladder").exists()


def test_a_file_that_is_no_zip_or_is_missing_is_named(tmp_path):
    (tmp_path / "a.zip").write_text(json.dumps("no zip"))
    for name in ("a.zip", "nowhere.zip"):
        with pytest.raises(InteropError, match=name):
            import_bioimage(tmp_path / name, tmp_path / "a.ladder")
