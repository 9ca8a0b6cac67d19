"""Much work on a CPU is done by a compiled copy of the network, and little by the network."""

import pytest
import torch

from ladderscope.network import LadderVAE
from ladderscope.prediction import for_work, speed

NETWORK = LadderVAE(latent_channels=(2,), filters=4).eval()


@pytest.fixture
def fused(monkeypatch):
    """Stand-ins for a compiler and for the compiled network; collects which was copied."""
    copied = []

    def copy(network):
        copied.append(network)
        return LadderVAE(latent_channels=(2,), filters=4).eval()

    monkeypatch.setattr(speed, "has_compiler", lambda: True)
    monkeypatch.setattr(speed, "fused", copy)
    return copied


def test_the_amount_of_work_alone_decides(fused):
    assert for_work(NETWORK, speed.COMPILE_FROM - 1) is NETWORK
    assert for_work(NETWORK, speed.COMPILE_FROM) is not NETWORK
    assert fused == [NETWORK]


def test_without_a_compiler_the_network_itself_restores(fused, monkeypatch):
    monkeypatch.setattr(speed, "has_compiler", lambda: False)
    assert for_work(NETWORK, speed.COMPILE_FROM) is NETWORK


def test_on_another_device_the_network_itself_restores(fused):
    elsewhere = LadderVAE(latent_channels=(2,), filters=4).to("meta")
    assert for_work(elsewhere, speed.COMPILE_FROM) is elsewhere


def test_where_compiling_fails_it_says_so_and_the_network_itself_restores(
    fused, monkeypatch, caplog
):
    def fail(network):
        raise RuntimeError("no such instruction\nand a long story")

    monkeypatch.setattr(speed, "fused", fail)
    assert for_work(NETWORK, speed.COMPILE_FROM, torch.bfloat16) is NETWORK
    assert "no such instruction" in caplog.text and "long story" not in caplog.text
