"""An exported ONNX file computes what predict(samples=0) does, for images of any size."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ladderscope import load
from ladderscope.evaluation.calibration import Calibration
from ladderscope.files import OutputError
from ladderscope.interop.checkpoint import InteropError
from ladderscope.interop.onnx_file import export_onnx
from ladderscope.interop.recorded import one_pass_of, recorded
from ladderscope.models.architecture import with_variance_head
from ladderscope.models.interval_record import intervals_recorded

onnx = pytest.importorskip("onnx", reason='needs pip install "ladderscope[export]"')
onnxruntime = pytest.importorskip("onnxruntime", reason="needs pip install onnxruntime")

FIXTURES = Path(__file__).parents[1] / "models" / "fixtures" / "format_2"
CALIBRATION = Calibration((2.0, 5.0), (3.0, 3.5), (50.0, 90.0), (1.2, 0.8), (0.7, 1, 1.8, 2.1, 3))


@pytest.fixture(scope="module")
def with_error_bars():
    """A denoiser that predicts a calibrated error bar, with random weights."""
    denoiser = load(FIXTURES / "denoiser.ladder", device="cpu")
    architecture = with_variance_head(denoiser.model.architecture, 1)
    torch.manual_seed(0)
    weights = architecture.build().state_dict() | denoiser.model.weights
    model = replace(
        denoiser.model, architecture=architecture, weights=weights, calibration=(CALIBRATION,)
    )
    return type(denoiser).from_model(model, device="cpu")


@pytest.fixture(scope="module")
def exported(with_error_bars, tmp_path_factory):
    return export_onnx(with_error_bars, tmp_path_factory.mktemp("onnx") / "nuclei.onnx")


@pytest.fixture(scope="module")
def session(exported):
    return opened(exported)


def opened(path):
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def assert_alike(session, restorer, shape):
    """Compare the file with PyTorch, to 1e-4 of the standard deviation of the training images."""
    one_pass = one_pass_of(restorer)
    statistics = restorer.model.statistics
    noise = np.random.default_rng(sum(shape)).normal(0, 1.5, shape)
    image = (statistics[0].mean + statistics[0].std * noise).astype(np.float32)
    with torch.no_grad():
        expected = one_pass(torch.from_numpy(image))
    found = session.run(None, {"image": image})
    unit = min(one.std for one in statistics)
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        assert abs(one - other.numpy()).max() < 1e-4 * unit


@settings(max_examples=8)
@given(st.integers(1, 3), st.integers(1, 70), st.integers(1, 70))
def test_any_size_is_restored_as_in_pytorch(session, with_error_bars, batch, height, width):
    assert_alike(session, with_error_bars, (batch, 1, height, width))


@pytest.mark.parametrize(
    "name, shape",
    [
        ("denoiser_channels", (2, 2, 33, 20)),
        ("denoiser_3d", (1, 1, 5, 19, 22)),
        ("careamics_denoiser", (1, 1, 41, 70)),
        ("splitter_microsplit", (3, 1, 30, 47)),
    ],
)
def test_models_of_other_kinds(name, shape, tmp_path):
    restorer = load(FIXTURES / f"{name}.ladder", device="cpu")
    session = opened(export_onnx(restorer, tmp_path / "model.onnx"))
    assert_alike(session, restorer, shape)


def test_the_recording_for_torch_restores_any_size_too(with_error_bars):
    one_pass = one_pass_of(with_error_bars)
    script = recorded(one_pass)
    for shape in [(1, 1, 41, 30), (2, 1, 64, 33), (1, 1, 1, 5)]:
        image = torch.rand(shape) * 100
        with torch.no_grad():
            assert all(map(torch.equal, script(image), one_pass(image)))


def test_the_file_says_what_goes_in_and_what_comes_out(session, with_error_bars):
    assert [one.name for one in session.get_outputs()] == ["mean", "std"]
    assert session.get_inputs()[0].shape == ["batch", 1, "y", "x"]
    about = session.get_modelmeta().custom_metadata_map
    assert about["kind"] == "denoiser" and "grey levels" in about["units"]
    (factor,) = intervals_recorded(about["intervals"])
    assert factor(0.9) == pytest.approx(1.8)


def test_a_missing_package_is_named_with_the_extra(with_error_bars, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(InteropError, match=r"ladderscope\[export\]"):
        export_onnx(with_error_bars, tmp_path / "a.onnx")
    assert not list(tmp_path.iterdir())


def test_an_existing_file_is_kept(with_error_bars, exported):
    before = exported.read_bytes()
    with pytest.raises(OutputError):
        export_onnx(with_error_bars, exported)
    assert exported.read_bytes() == before
