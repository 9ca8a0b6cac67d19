"""KL divergence of two diagonal Gaussians: its values, gradients, estimate and reductions."""

import inspect
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributions import Normal, kl_divergence

from ladderscope.losses import (
    channelwise,
    gaussian_kl,
    gaussian_kl_one_sample,
    restricted,
    samplewise,
    spatial,
)


def random_gaussians(*shape, count=4, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(shape, generator=generator, dtype=dtype) for _ in range(count)]


def normal(mean, log_variance):
    return Normal(mean, (0.5 * log_variance).exp())


means = st.floats(-100, 100)
log_variances = st.floats(-20, 20)


@pytest.mark.parametrize(
    ("q_mean", "q_variance", "p_mean", "p_variance", "expected"),
    [
        (0.0, 1.0, 0.0, 1.0, 0.0),
        (3.0, 1.0, 0.0, 1.0, 4.5),
        (0.0, 1.0, 3.0, 1.0, 4.5),
        (0.0, math.e, 0.0, 1.0, (math.e - 2) / 2),
        (0.0, 1.0, 0.0, math.e, 1 / (2 * math.e)),
        (1.0, 4.0, 3.0, 2.0, (math.log(2) - math.log(4) + (4 + 4) / 2 - 1) / 2),
    ],
)
def test_values_worked_out_by_hand(q_mean, q_variance, p_mean, p_variance, expected):
    q_mean, q_variance, p_mean, p_variance = torch.tensor([q_mean, q_variance, p_mean, p_variance])
    kl = gaussian_kl(q_mean, q_variance.log(), p_mean, p_variance.log())
    assert kl.item() == pytest.approx(expected)


@given(means, log_variances, means, log_variances)
def test_it_agrees_with_torch_distributions(q_mean, q_log_variance, p_mean, p_log_variance):
    parameters = torch.tensor([q_mean, q_log_variance, p_mean, p_log_variance], dtype=torch.float64)
    expected = kl_divergence(normal(*parameters[:2]), normal(*parameters[2:]))
    torch.testing.assert_close(gaussian_kl(*parameters), expected, rtol=1e-9, atol=1e-12)


@given(means, log_variances, means, log_variances)
def test_it_is_not_negative(q_mean, q_log_variance, p_mean, p_log_variance):
    parameters = torch.tensor([q_mean, q_log_variance, p_mean, p_log_variance])
    assert gaussian_kl(*parameters).item() >= -1e-6


@given(means, log_variances)
def test_it_is_zero_for_equal_gaussians(mean, log_variance):
    mean, log_variance = torch.tensor([mean, log_variance])
    assert gaussian_kl(mean, log_variance, mean, log_variance).item() == 0


def test_nearly_equal_gaussians_keep_their_digits_in_float32():
    zero, log_ratio = torch.zeros(()), torch.tensor(1e-3)
    assert gaussian_kl(zero, log_ratio, zero, zero).item() == pytest.approx(1e-6 / 4, rel=1e-3)


def test_extreme_variances_do_not_overflow():
    zero, extreme = torch.zeros(()), torch.tensor(160.0)
    for log_variance in (extreme, -extreme):
        assert gaussian_kl(zero, log_variance, zero, log_variance).item() == 0
        assert gaussian_kl_one_sample(zero, zero, log_variance, zero, log_variance).item() == 0
    assert gaussian_kl(zero, -extreme, zero, zero).item() == pytest.approx(79.5)
    assert gaussian_kl(zero, zero, zero, extreme).item() == pytest.approx(79.5)


def test_the_sample_estimate_agrees_with_torch_distributions():
    sample, q_mean, q_log_variance, p_mean, p_log_variance = random_gaussians(2, 3, 4, count=5)
    q, p = normal(q_mean, q_log_variance), normal(p_mean, p_log_variance)
    estimate = gaussian_kl_one_sample(sample, q_mean, q_log_variance, p_mean, p_log_variance)
    torch.testing.assert_close(estimate, q.log_prob(sample) - p.log_prob(sample))


def test_the_mean_of_sample_estimates_converges_to_the_analytic_value():
    q_mean, q_log_variance, p_mean, p_log_variance = random_gaussians(5)
    generator = torch.Generator().manual_seed(1)
    noise = torch.randn(200_000, 5, generator=generator, dtype=torch.float64)
    samples = q_mean + (0.5 * q_log_variance).exp() * noise
    estimates = gaussian_kl_one_sample(samples, q_mean, q_log_variance, p_mean, p_log_variance)
    standard_error = estimates.std(dim=0) / math.sqrt(len(estimates))
    analytic = gaussian_kl(q_mean, q_log_variance, p_mean, p_log_variance)
    assert ((estimates.mean(dim=0) - analytic).abs() < 4 * standard_error).all()
    assert (standard_error < 0.02).all()


def test_gradcheck_in_all_arguments():
    arguments = [each.requires_grad_() for each in random_gaussians(2, 3)]
    assert torch.autograd.gradcheck(gaussian_kl, arguments)


def test_gradcheck_of_the_sample_estimate_in_all_arguments():
    arguments = [each.requires_grad_() for each in random_gaussians(2, 3, count=5)]
    assert torch.autograd.gradcheck(gaussian_kl_one_sample, arguments)


def test_a_prior_for_all_positions_is_broadcast():
    q_mean, q_log_variance = random_gaussians(2, 3, 4, 5, count=2)
    p_mean, p_log_variance = random_gaussians(3, 1, 1, count=2)
    expanded = [each.expand(2, 3, 4, 5) for each in (p_mean, p_log_variance)]
    kl = gaussian_kl(q_mean, q_log_variance, p_mean, p_log_variance)
    torch.testing.assert_close(kl, gaussian_kl(q_mean, q_log_variance, *expanded))
    estimate = gaussian_kl_one_sample(q_mean, q_mean, q_log_variance, p_mean, p_log_variance)
    torch.testing.assert_close(
        estimate, gaussian_kl_one_sample(q_mean, q_mean, q_log_variance, *expanded)
    )


@pytest.mark.parametrize(
    ("given_as", "computed_in"),
    [
        (torch.float16, torch.float32),
        (torch.bfloat16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
def test_precision_is_float32_at_least(given_as, computed_in):
    arguments = random_gaussians(2, 3, 4, count=5, dtype=given_as)
    assert gaussian_kl(*arguments[1:]).dtype == computed_in
    assert gaussian_kl_one_sample(*arguments).dtype == computed_in
    for reduction in (samplewise, channelwise, spatial):
        assert reduction(arguments[0]).dtype == computed_in


def test_half_precision_input_is_widened_before_anything_is_computed():
    halves = random_gaussians(50, count=5, dtype=torch.bfloat16)
    floats = [each.float() for each in halves]
    torch.testing.assert_close(gaussian_kl(*halves[1:]), gaussian_kl(*floats[1:]), rtol=0, atol=0)
    torch.testing.assert_close(
        gaussian_kl_one_sample(*halves), gaussian_kl_one_sample(*floats), rtol=0, atol=0
    )


def test_autocast_does_not_lower_the_precision():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mean = torch.eye(4) @ torch.ones(4, 4)
        kl = gaussian_kl(mean, mean, torch.zeros(4, 4), torch.zeros(4, 4))
    assert mean.dtype == torch.bfloat16
    assert kl.dtype == torch.float32


def test_vmap_equals_a_batch():
    arguments = random_gaussians(3, 2, 4)
    torch.testing.assert_close(torch.vmap(gaussian_kl)(*arguments), gaussian_kl(*arguments))
    kl = random_gaussians(3, 2, 4, 6, 6, count=1)[0]
    torch.testing.assert_close(
        torch.vmap(lambda kl: samplewise(restricted(kl, (2, 4))))(kl),
        kl[..., 2:4, 1:5].sum(dim=(2, 3, 4)),
    )


KL = torch.arange(2 * 3 * 4 * 6, dtype=torch.float64).reshape(2, 3, 4, 6)


def test_reductions_sum_what_they_do_not_keep():
    torch.testing.assert_close(samplewise(KL), torch.stack([KL[0].sum(), KL[1].sum()]))
    assert channelwise(KL)[1, 2] == KL[1, 2].sum()
    assert channelwise(KL).shape == (2, 3)
    torch.testing.assert_close(spatial(KL), KL[:, 0] + KL[:, 1] + KL[:, 2])


@pytest.mark.parametrize("space", [(), (5,), (4, 6), (2, 4, 6)])
def test_reductions_take_any_number_of_axes_in_space(space):
    kl = torch.ones(2, 3, *space)
    size = math.prod(space)
    assert samplewise(kl).tolist() == [3 * size] * 2
    assert channelwise(kl).tolist() == [[size] * 3] * 2
    assert spatial(kl).shape == (2, *space)
    assert (spatial(kl) == 3).all()


@given(st.integers(1, 3), st.integers(1, 3), st.lists(st.integers(1, 4), max_size=3), st.randoms())
def test_every_reduction_has_the_same_total(batch, channels, space, random):
    generator = torch.Generator().manual_seed(random.randrange(2**32))
    kl = torch.rand(batch, channels, *space, generator=generator, dtype=torch.float64)
    for reduction in (samplewise, channelwise, spatial):
        torch.testing.assert_close(reduction(kl).sum(), kl.sum())


def test_restricted_keeps_the_centre_of_the_last_axes():
    torch.testing.assert_close(restricted(KL, (2, 4)), KL[:, :, 1:3, 1:5], rtol=0, atol=0)
    volume = KL.reshape(2, 3, 2, 2, 6)
    torch.testing.assert_close(restricted(volume, (2, 2)), volume[:, :, :, :, 2:4], rtol=0, atol=0)
    torch.testing.assert_close(restricted(volume, (2, 2, 6)), volume, rtol=0, atol=0)


def test_restricted_to_the_whole_map_changes_nothing():
    torch.testing.assert_close(restricted(KL, (4, 6)), KL, rtol=0, atol=0)


@given(st.integers(1, 6), st.integers(0, 3), st.integers(1, 6), st.integers(0, 3))
def test_restricted_leaves_equal_margins_on_both_sides(height, top, width, left):
    kl = torch.zeros(1, 1, height + 2 * top, width + 2 * left)
    kl[..., top : top + height, left : left + width] = 1
    centre = restricted(kl, (height, width))
    assert centre.shape == (1, 1, height, width)
    assert (centre == 1).all()


def test_only_the_centre_has_a_gradient_when_restricted():
    kl = KL.clone().requires_grad_()
    samplewise(restricted(kl, (2, 2))).sum().backward()
    expected = torch.zeros_like(KL)
    expected[:, :, 1:3, 2:4] = 1
    torch.testing.assert_close(kl.grad, expected)


@pytest.mark.parametrize("size", [(6, 6), (4, 8), (0, 2), (-2, 2)])
def test_a_size_outside_the_map_is_refused(size):
    with pytest.raises(ValueError, match=r"between 1 and .*\(4, 6\), found") as refusal:
        restricted(KL, size)
    assert str(size) in str(refusal.value)


@pytest.mark.parametrize("size", [(3, 6), (4, 3)])
def test_an_odd_margin_is_refused(size):
    with pytest.raises(ValueError, match=r"even.*\(4, 6\)") as refusal:
        restricted(KL, size)
    assert str(size) in str(refusal.value)


@pytest.mark.parametrize("size", [(), (2, 4, 6)])
def test_a_size_for_more_axes_than_there_are_is_refused(size):
    with pytest.raises(ValueError, match=r"1 to 2 .*spatial axes") as refusal:
        restricted(KL, size)
    assert str(size) in str(refusal.value)


@pytest.mark.parametrize(
    "reduction", [samplewise, channelwise, spatial, lambda kl: inspect.unwrap(restricted)(kl, (1,))]
)
def test_a_kl_without_channels_is_refused(reduction):
    with pytest.raises(ValueError, match=r"shape \(batch, channels, \*space\), found \(4,\)"):
        inspect.unwrap(reduction)(torch.ones(4))
