"""The objectives of the four methods: their terms, their scale, gradients and compilation."""

import inspect
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch._dynamo.testing import CompileCounter

from ladderscope.losses import (
    Objective,
    denoisplit_objective,
    gaussian_kl,
    gaussian_log_likelihood,
    hdn_objective,
    kl_term,
    microsplit_objective,
    musplit_objective,
    restricted,
    samplewise,
)

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


@pytest.mark.parametrize(
    ("elements", "over_levels", "expected"),
    [
        (8, torch.sum, (2 + 6) / 8),
        (8, torch.mean, (2 + 6) / 16),
        ((2, 4), torch.sum, 2 / 2 + 6 / 4),
        ((2, 4), torch.mean, (2 / 2 + 6 / 4) / 2),
    ],
)
def test_both_rescalings_and_both_aggregations_of_the_kl(elements, over_levels, expected):
    # With free bits of 1 the levels are (1 + 3)/2 and (4 + 8)/2 nats.
    assert kl_term(KL, elements, over_levels, free_bits=1.0).item() == expected


def test_without_levels_nothing_is_added():
    none = torch.zeros(2, 0, dtype=torch.float64)
    assert hdn_objective(LOG_LIKELIHOOD, none).loss.item() == 23.5


@given(st.integers(1, 4), st.integers(1, 4), st.floats(0, 3), st.integers(0, 2**32 - 1))
def test_the_order_is_free_bits_batch_rescaling_levels(batch, levels, free_bits, seed):
    generator = torch.Generator().manual_seed(seed)
    kl = 4 * torch.rand(batch, levels, generator=generator, dtype=torch.float64)
    counts = torch.randint(1, 9, (levels,), generator=generator)
    floored = kl.clamp(min=free_bits if free_bits >= 1e-6 else -math.inf)
    by_hand = sum(floored[:, level].mean() / counts[level] for level in range(levels)) / levels
    found = kl_term(kl, counts.tolist(), torch.mean, free_bits=free_bits)
    torch.testing.assert_close(found, by_hand)


def test_musplit_worked_out_by_hand():
    # Levels of 1.5 and 6 nats, without free bits, over 2 and 4 elements; the mean of the two.
    objective = musplit_objective(LOG_LIKELIHOOD, KL, (2, 4))
    assert objective.reconstruction.item() == 23.5
    assert objective.kl.item() == (0.75 + 1.5) / 2
    assert objective.loss.item() == 23.5 + 1.125
    assert musplit_objective(LOG_LIKELIHOOD, KL, (2, 4), kl_weight=0.5).kl.item() == 1.125 / 2
    assert musplit_objective(LOG_LIKELIHOOD, KL, (2, 4), free_bits=1.0).kl.item() == 1.25


def test_a_level_of_musplit_counts_the_same_however_large_its_map():
    per_element = torch.tensor([0.5, 0.25])
    for sides in [(32, 16), (8, 2), (1, 1)]:
        elements = [3 * side**2 for side in sides]
        kl = (per_element * torch.tensor(elements)).expand(2, 2)
        objective = musplit_objective(LOG_LIKELIHOOD, kl, elements)
        torch.testing.assert_close(objective.kl, torch.tensor(0.375))


def test_musplit_counts_depth_once():
    plane = torch.rand(2, 3, 4, 4, dtype=torch.float64)
    volume = plane.unsqueeze(2).expand(2, 3, 5, 4, 4)
    found, expected = (
        musplit_objective(LOG_LIKELIHOOD, samplewise(kl).unsqueeze(1), [kl[0].numel()]).kl
        for kl in (volume, plane)
    )
    torch.testing.assert_close(found, expected)


def test_denoisplit_is_hdn_of_the_channels():
    for options in ({}, {"free_bits": 2.0, "kl_weight": 0.3}):
        assert denoisplit_objective(LOG_LIKELIHOOD, KL, **options) == hdn_objective(
            LOG_LIKELIHOOD, KL, **options
        )


def test_the_kl_of_the_centre_costs_less_but_is_shared_out_among_the_same_pixels():
    # Level 1 of a patch of 8×8 pixels: the patch covers 4×4 of a map of 8×8.
    element_kl = torch.ones(1, 3, 8, 8)
    log_likelihood = torch.zeros(1, 2, 8, 8)
    whole = samplewise(element_kl).unsqueeze(1)
    centre = samplewise(restricted(element_kl, (4, 4))).unsqueeze(1)
    assert denoisplit_objective(log_likelihood, whole).kl.item() == 3 * 64 / 64
    assert denoisplit_objective(log_likelihood, centre).kl.item() == 3 * 16 / 64


DECODER_LOG_LIKELIHOOD = LOG_LIKELIHOOD.flip(0) / 3
RESTRICTED_KL = KL / 2
MICROSPLIT_INPUT = (LOG_LIKELIHOOD, DECODER_LOG_LIKELIHOOD, RESTRICTED_KL, KL, (2, 4))


@pytest.mark.parametrize("kl_weight", [0, 0.3, 1])
def test_microsplit_at_the_ends_is_denoisplit_and_musplit(kl_weight):
    first, second = (
        microsplit_objective(*MICROSPLIT_INPUT, denoisplit_weight=weight, kl_weight=kl_weight)
        for weight in (1, 0)
    )
    assert first == denoisplit_objective(LOG_LIKELIHOOD, RESTRICTED_KL, kl_weight=kl_weight)
    assert second == musplit_objective(DECODER_LOG_LIKELIHOOD, KL, (2, 4), kl_weight=kl_weight)


@given(st.floats(0, 1), st.floats(0, 3), st.floats(0, 3), st.floats(0, 2))
def test_microsplit_is_the_weighted_sum_term_by_term(weight, first_bits, second_bits, kl_weight):
    found = microsplit_objective(
        *MICROSPLIT_INPUT,
        denoisplit_weight=weight,
        denoisplit_free_bits=first_bits,
        musplit_free_bits=second_bits,
        kl_weight=kl_weight,
    )
    first = denoisplit_objective(
        LOG_LIKELIHOOD, RESTRICTED_KL, free_bits=first_bits, kl_weight=kl_weight
    )
    second = musplit_objective(
        DECODER_LOG_LIKELIHOOD, KL, (2, 4), free_bits=second_bits, kl_weight=kl_weight
    )
    for term, one, other in zip(found, first, second, strict=True):
        torch.testing.assert_close(term, weight * one + (1 - weight) * other)


def test_microsplit_by_default_is_nine_parts_denoisplit_and_one_part_musplit():
    explicit = microsplit_objective(
        *MICROSPLIT_INPUT,
        denoisplit_weight=0.9,
        musplit_weight=1 - 0.9,
        denoisplit_free_bits=1.0,
        musplit_free_bits=0.0,
        kl_weight=1.0,
    )
    assert microsplit_objective(*MICROSPLIT_INPUT) == explicit


def test_the_two_weights_of_microsplit_need_not_add_up_to_one():
    found = microsplit_objective(*MICROSPLIT_INPUT, denoisplit_weight=2, musplit_weight=3)
    first = denoisplit_objective(LOG_LIKELIHOOD, RESTRICTED_KL)
    second = musplit_objective(DECODER_LOG_LIKELIHOOD, KL, (2, 4))
    for term, one, other in zip(found, first, second, strict=True):
        torch.testing.assert_close(term, 2 * one + 3 * other)


def test_gradcheck_of_musplit_and_microsplit():
    tensors = [each.clone().requires_grad_() for each in MICROSPLIT_INPUT[:4]]
    weight = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda likelihood, kl, w: tuple(musplit_objective(likelihood, kl, (2, 4), kl_weight=w)),
        (tensors[1], tensors[3], weight),
    )
    assert torch.autograd.gradcheck(
        lambda *arguments: tuple(
            microsplit_objective(*arguments[:4], (2, 4), kl_weight=arguments[4])
        ),
        (*tensors, weight),
    )


def test_half_precision_gives_float32_terms_of_every_method():
    likelihoods = LOG_LIKELIHOOD.bfloat16(), DECODER_LOG_LIKELIHOOD.half()
    kls = RESTRICTED_KL.bfloat16(), KL.half()
    for autocast in (False, True):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
            for objective in (
                musplit_objective(likelihoods[1], kls[1], (2, 4)),
                denoisplit_objective(likelihoods[0], kls[0]),
                microsplit_objective(*likelihoods, *kls, (2, 4)),
            ):
                assert [term.dtype for term in objective] == [torch.float32] * 3


def microsplit_step(q_mean, q_log_variance, mean, log_variance, target, kl_weight):
    zero = torch.zeros(())
    kl = gaussian_kl(q_mean, q_log_variance, zero, zero)
    whole, centre = samplewise(kl), samplewise(restricted(kl, (2, 2)))
    elements = [q_mean[0].numel(), 2 * q_mean[0].numel()]
    return microsplit_objective(
        gaussian_log_likelihood(target, mean, -1.0),
        gaussian_log_likelihood(target, mean, log_variance),
        torch.stack([centre, 2 * centre], dim=1),
        torch.stack([whole, 2 * whole], dim=1),
        elements,
        kl_weight=kl_weight,
    )


def microsplit_step_input(side=4):
    generator = torch.Generator().manual_seed(0)
    shapes = [(2, 3, side, side)] * 2 + [(2, 2, 2 * side, 2 * side)] * 3
    return [torch.randn(shape, generator=generator).requires_grad_() for shape in shapes]


def test_microsplit_compiled_into_one_graph_equals_eager_at_every_size():
    torch.compiler.reset()
    compiled = torch.compile(microsplit_step, fullgraph=True, backend="aot_eager")
    for side, weight in ((4, torch.tensor(0.5)), (6, torch.tensor(0.7))):
        eager_input, compiled_input = microsplit_step_input(side), microsplit_step_input(side)
        expected = microsplit_step(*eager_input, weight)
        found = compiled(*compiled_input, weight)
        torch.testing.assert_close(found, expected)
        expected.loss.backward()
        found.loss.backward()
        for eager, other in zip(eager_input, compiled_input, strict=True):
            torch.testing.assert_close(other.grad, eager.grad)


def test_vmap_of_microsplit_equals_a_loop():
    stacked = [torch.stack([each, 2 * each]) for each in MICROSPLIT_INPUT[:4]]
    mapped = torch.vmap(lambda *tensors: tuple(microsplit_objective(*tensors, (2, 4))))(*stacked)
    looped = [microsplit_objective(*each, (2, 4)) for each in zip(*stacked, strict=True)]
    for term, expected in zip(mapped, zip(*looped, strict=True), strict=True):
        torch.testing.assert_close(term, torch.stack(expected))


@pytest.mark.parametrize("elements", [(2,), (2, 4, 8), (2, 0), (-2, 4), ()])
def test_elements_that_are_not_one_positive_number_a_level_are_refused(elements):
    with pytest.raises(ValueError, match="each of 2 levels, found") as refusal:
        musplit_objective(LOG_LIKELIHOOD, KL, elements)
    assert str(elements) in str(refusal.value)
    with pytest.raises(ValueError, match="one positive number"):
        kl_term(KL, 0, torch.sum, free_bits=0.0)


@pytest.mark.parametrize(
    "weights", [(-0.1, None), (1.1, None), (0.5, -1), (math.nan, None), (0.5, math.inf)]
)
def test_weights_below_zero_or_without_limit_are_refused(weights):
    with pytest.raises(ValueError, match="zero or positive and finite"):
        microsplit_objective(
            *MICROSPLIT_INPUT, denoisplit_weight=weights[0], musplit_weight=weights[1]
        )


def test_musplit_refuses_the_kl_of_another_batch():
    with pytest.raises(ValueError, match="same number of samples, found 2 and 3"):
        inspect.unwrap(musplit_objective)(LOG_LIKELIHOOD, torch.ones(3, 2), (2, 4))


@pytest.mark.parametrize("free_bits", [-1.0, math.nan])
def test_every_method_checks_its_free_bits(free_bits):
    with pytest.raises(ValueError, match="free_bits must be zero or positive"):
        musplit_objective(LOG_LIKELIHOOD, KL, (2, 4), free_bits=free_bits)
    for name in ("denoisplit_free_bits", "musplit_free_bits"):
        with pytest.raises(ValueError, match="free_bits must be zero or positive"):
            microsplit_objective(*MICROSPLIT_INPUT, **{name: free_bits})
