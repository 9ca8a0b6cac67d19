"""The objective of HDN: its terms, their scale, gradients and compilation."""

import inspect
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch._dynamo.testing import CompileCounter

from ladderscope.losses import Objective, gaussian_kl, hdn_objective, samplewise

LOG_LIKELIHOOD = -torch.arange(2 * 3 * 2 * 4, dtype=torch.float64).reshape(2, 3, 2, 4)
KL = torch.tensor([[0.0, 4.0], [3.0, 8.0]], dtype=torch.float64)


def test_terms_worked_out_by_hand():
    # 48 elements 0 … 47 have the mean 23.5. Levels: (1 + 3)/2 and (4 + 8)/2 nats over 8 pixels.
    objective = hdn_objective(LOG_LIKELIHOOD, KL)
    assert objective.reconstruction.item() == 23.5
    assert objective.kl.item() == (2 + 6) / 8
    assert objective.loss.item() == 23.5 + 1


def test_by_default_one_nat_a_level_is_free_and_the_weight_is_one():
    explicit = hdn_objective(LOG_LIKELIHOOD, KL, free_bits=1.0, kl_weight=1.0)
    assert hdn_objective(LOG_LIKELIHOOD, KL) == explicit
    assert hdn_objective(LOG_LIKELIHOOD, torch.zeros(2, 4)).kl.item() == 4 / 8


def test_free_bits_are_applied_sample_by_sample():
    assert hdn_objective(LOG_LIKELIHOOD, KL, free_bits=0.0).kl.item() == (1.5 + 6) / 8
    assert hdn_objective(LOG_LIKELIHOOD, KL, free_bits=2.0).kl.item() == (2.5 + 6) / 8


def test_the_kl_term_has_the_weight_in_it():
    half = hdn_objective(LOG_LIKELIHOOD, KL, kl_weight=0.5)
    assert half.kl.item() == 0.5
    assert half.loss.item() == 24
    assert hdn_objective(LOG_LIKELIHOOD, KL, kl_weight=0).loss.item() == 23.5


@pytest.mark.parametrize("space", [(8,), (2, 4), (2, 2, 2)])
@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_count_depth_but_not_channels(space, channels):
    objective = hdn_objective(torch.zeros(2, channels, *space), KL)
    assert objective.kl.item() == (2 + 6) / 8


@given(
    st.integers(1, 4),
    st.floats(0, 10),
    st.floats(0, 10),
    st.integers(0, 2**32 - 1),
)
def test_the_loss_is_the_sum_of_its_terms(levels, free_bits, kl_weight, seed):
    generator = torch.Generator().manual_seed(seed)
    log_likelihood = torch.randn(2, 1, 4, 4, generator=generator)
    kl = 10 * torch.rand(2, levels, generator=generator)
    loss, reconstruction, kl_term = hdn_objective(
        log_likelihood, kl, free_bits=free_bits, kl_weight=kl_weight
    )
    torch.testing.assert_close(loss, reconstruction + kl_term, rtol=0, atol=0)
    torch.testing.assert_close(reconstruction, -log_likelihood.mean())


@given(st.integers(2, 5))
def test_repeating_the_batch_changes_nothing(times):
    once = hdn_objective(LOG_LIKELIHOOD, KL)
    repeated = hdn_objective(LOG_LIKELIHOOD.repeat(times, 1, 1, 1), KL.repeat(times, 1))
    torch.testing.assert_close(repeated.loss, once.loss)


def test_a_weight_given_as_a_tensor_is_as_good_as_a_number():
    weight = torch.tensor(0.25, dtype=torch.float64)
    assert hdn_objective(LOG_LIKELIHOOD, KL, kl_weight=weight) == hdn_objective(
        LOG_LIKELIHOOD, KL, kl_weight=0.25
    )


def test_terms_are_named_scalars():
    objective = hdn_objective(LOG_LIKELIHOOD, KL)
    assert isinstance(objective, Objective)
    assert objective._fields == ("loss", "reconstruction", "kl")
    assert all(term.shape == () for term in objective)


def test_gradcheck_of_every_term():
    log_likelihood = LOG_LIKELIHOOD.clone().requires_grad_()
    kl = KL.clone().requires_grad_()
    weight = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda *arguments: tuple(hdn_objective(*arguments[:2], kl_weight=arguments[2])),
        (log_likelihood, kl, weight),
    )


def test_a_level_under_its_free_bits_has_no_gradient():
    kl = KL.clone().requires_grad_()
    hdn_objective(LOG_LIKELIHOOD, kl).loss.backward()
    assert kl.grad.tolist() == [[0, 1 / 16], [1 / 16, 1 / 16]]


def test_half_precision_gives_float32_terms():
    objective = hdn_objective(LOG_LIKELIHOOD.bfloat16(), KL.half())
    assert [term.dtype for term in objective] == [torch.float32] * 3
    with torch.autocast("cpu", dtype=torch.bfloat16):
        objective = hdn_objective(LOG_LIKELIHOOD.bfloat16(), KL.bfloat16())
    assert [term.dtype for term in objective] == [torch.float32] * 3


def step(q_mean, q_log_variance, log_likelihood, kl_weight):
    zero = torch.zeros(())
    level_kl = samplewise(gaussian_kl(q_mean, q_log_variance, zero, zero))
    kl = torch.stack([level_kl, 2 * level_kl], dim=1)
    return hdn_objective(log_likelihood, kl, kl_weight=kl_weight)


def step_input():
    generator = torch.Generator().manual_seed(0)
    shapes = (2, 3, 4, 4), (2, 3, 4, 4), (2, 1, 8, 8)
    return [torch.randn(shape, generator=generator).requires_grad_() for shape in shapes]


def test_compiled_into_one_graph_it_equals_eager_in_value_and_gradient():
    torch.compiler.reset()
    eager_input, compiled_input = step_input(), step_input()
    expected = step(*eager_input, 0.5)
    found = torch.compile(step, fullgraph=True, backend="aot_eager")(*compiled_input, 0.5)
    torch.testing.assert_close(found, expected)
    expected.loss.backward()
    found.loss.backward()
    for eager, compiled in zip(eager_input, compiled_input, strict=True):
        torch.testing.assert_close(compiled.grad, eager.grad)


def test_a_weight_given_as_a_tensor_changes_without_compiling_anew():
    torch.compiler.reset()
    counter = CompileCounter()
    compiled = torch.compile(step, fullgraph=True, backend=counter)
    inputs = step_input()
    for weight in (0.0, 0.1, 0.2, 1.0):
        found = compiled(*inputs, torch.tensor(weight))
        torch.testing.assert_close(found, step(*inputs, weight))
    assert counter.frame_count == 1


def test_vmap_equals_a_loop():
    log_likelihoods = torch.stack([LOG_LIKELIHOOD, 2 * LOG_LIKELIHOOD])
    kls = torch.stack([KL, 3 * KL])
    mapped = torch.vmap(lambda *arguments: tuple(hdn_objective(*arguments)))(log_likelihoods, kls)
    looped = [hdn_objective(*arguments) for arguments in zip(log_likelihoods, kls, strict=True)]
    for term, expected in zip(mapped, zip(*looped, strict=True), strict=True):
        torch.testing.assert_close(term, torch.stack(expected))


@pytest.mark.parametrize("shape", [(2,), (2, 3), (0, 3, 2, 2), (2, 3, 0, 2)])
def test_a_likelihood_without_pixels_is_refused(shape):
    with pytest.raises(ValueError, match="log_likelihood must have the shape") as refusal:
        inspect.unwrap(hdn_objective)(torch.zeros(shape), KL)
    assert str(shape) in str(refusal.value)


def test_batches_of_different_size_are_refused():
    with pytest.raises(ValueError, match="same number of samples, found 2 and 3"):
        inspect.unwrap(hdn_objective)(LOG_LIKELIHOOD, torch.ones(3, 2))


@pytest.mark.parametrize("free_bits", [-1.0, math.nan])
def test_free_bits_are_checked_here_too(free_bits):
    with pytest.raises(ValueError, match=f"free_bits must be zero or positive, found {free_bits}"):
        hdn_objective(LOG_LIKELIHOOD, KL, free_bits=free_bits)
