"""Free bits: the two orders of floor and mean, the gradient, and where it may be called from."""

import inspect
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ladderscope.losses import free_bits_kl

# The annotations are checked before the body when jaxtyping's import hook is on; the errors for
# input that contradicts them are those that a user without the hook gets.
unchecked_free_bits_kl = inspect.unwrap(free_bits_kl)

nats = st.floats(min_value=0, max_value=1e4)


@st.composite
def kl_tables(draw):
    levels = draw(st.integers(1, 4))
    rows = st.lists(nats, min_size=levels, max_size=levels)
    return torch.tensor(draw(st.lists(rows, min_size=1, max_size=6)), dtype=torch.float64)


KL = torch.tensor([[0.0, 0.5, 4.0], [1.0, 3.5, 6.0]])


@pytest.mark.parametrize(
    ("free_bits", "batch_average", "expected"),
    [
        (0.0, False, [0.5, 2.0, 5.0]),
        (0.0, True, [0.5, 2.0, 5.0]),
        (1.0, False, [1.0, 2.25, 5.0]),
        (1.0, True, [1.0, 2.0, 5.0]),
        (5.0, False, [5.0, 5.0, 5.5]),
        (5.0, True, [5.0, 5.0, 5.0]),
    ],
)
def test_values_worked_out_by_hand(free_bits, batch_average, expected):
    assert free_bits_kl(KL, free_bits, batch_average).tolist() == expected


def test_arguments_keep_their_positions_and_defaults():
    parameters = inspect.signature(unchecked_free_bits_kl).parameters
    assert list(parameters) == ["kl", "free_bits", "batch_average", "eps"]
    assert parameters["batch_average"].default is False
    assert parameters["eps"].default == 1e-6


def test_free_bits_below_eps_set_no_floor():
    kl = torch.zeros(2, 1)
    assert free_bits_kl(kl, 0.9e-6).item() == 0
    assert free_bits_kl(kl, 1.1e-6).item() == pytest.approx(1.1e-6)
    assert free_bits_kl(kl, 0.5, eps=0.6).item() == 0
    assert free_bits_kl(kl, 0.5, eps=0.5).item() == 0.5


def test_an_integer_is_as_good_as_a_float():
    torch.testing.assert_close(free_bits_kl(KL, 1), free_bits_kl(KL, 1.0))


def test_nan_is_not_hidden_by_the_floor():
    kl = torch.tensor([[math.nan], [0.0]])
    assert free_bits_kl(kl, 1.0).isnan().all()
    assert free_bits_kl(kl, 1.0, batch_average=True).isnan().all()


@given(kl_tables(), nats)
def test_a_floor_per_sample_is_never_below_a_floor_of_the_mean(kl, free_bits):
    per_sample = free_bits_kl(kl, free_bits, batch_average=False)
    of_mean = free_bits_kl(kl, free_bits, batch_average=True)
    assert (per_sample >= of_mean - 1e-12 * of_mean).all()


@given(kl_tables(), st.booleans())
def test_no_free_bits_is_the_mean(kl, batch_average):
    torch.testing.assert_close(free_bits_kl(kl, 0.0, batch_average), kl.mean(dim=0))


@given(kl_tables(), nats, nats, st.booleans())
def test_more_free_bits_never_cost_less(kl, one, other, batch_average):
    fewer = free_bits_kl(kl, min(one, other), batch_average)
    more = free_bits_kl(kl, max(one, other), batch_average)
    assert (more >= fewer - 1e-12 * fewer).all()


@given(kl_tables(), st.floats(min_value=1e-6, max_value=1e4), st.booleans())
def test_no_level_costs_less_than_its_free_bits(kl, free_bits, batch_average):
    assert (free_bits_kl(kl, free_bits, batch_average) >= free_bits * (1 - 1e-12)).all()


def test_gradient_is_zero_where_the_floor_acts_on_a_sample():
    kl = KL.clone().requires_grad_()
    free_bits_kl(kl, 2.0).sum().backward()
    assert kl.grad.tolist() == [[0.0, 0.0, 0.5], [0.0, 0.5, 0.5]]


def test_gradient_is_zero_where_the_floor_acts_on_the_mean():
    kl = KL.clone().requires_grad_()
    free_bits_kl(kl, 3.0, batch_average=True).sum().backward()
    assert kl.grad.tolist() == [[0.0, 0.0, 0.5], [0.0, 0.0, 0.5]]


@pytest.mark.parametrize("batch_average", [False, True])
@pytest.mark.parametrize("free_bits", [0.0, 3.0])
def test_gradcheck(free_bits, batch_average):
    kl = KL.double().requires_grad_()
    assert torch.autograd.gradcheck(lambda kl: free_bits_kl(kl, free_bits, batch_average), kl)


@pytest.mark.parametrize(
    ("given_as", "computed_in"),
    [
        (torch.float16, torch.float32),
        (torch.bfloat16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
@pytest.mark.parametrize("free_bits", [0.0, 1.0])
def test_precision_is_float32_at_least(given_as, computed_in, free_bits):
    assert free_bits_kl(KL.to(given_as), free_bits).dtype == computed_in


def test_a_half_precision_batch_is_averaged_without_overflow():
    kl = torch.full((4, 1), 60_000.0, dtype=torch.float16)
    assert free_bits_kl(kl, 1.0).item() == 60_000 - 60_000 % 32


def test_autocast_does_not_lower_the_precision():
    weight = torch.full((3, 2), 1.0 + 2**-7)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        kl = torch.ones(257, 3) @ weight
        result = free_bits_kl(kl, 1.0)
    assert kl.dtype == torch.bfloat16
    assert result.dtype == torch.float32
    torch.testing.assert_close(result, kl.float().mean(dim=0))


def test_compiled_by_inductor_into_one_graph_it_equals_eager():
    torch.compiler.reset()
    compiled = torch.compile(free_bits_kl, fullgraph=True, backend="inductor")
    torch.testing.assert_close(compiled(KL, 2.0), free_bits_kl(KL, 2.0))


@pytest.mark.parametrize("batch_average", [False, True])
def test_compiled_gradient_equals_eager(batch_average):
    torch.compiler.reset()
    compiled = torch.compile(free_bits_kl, fullgraph=True, backend="aot_eager")
    eager_kl, compiled_kl = KL.clone().requires_grad_(), KL.clone().requires_grad_()
    free_bits_kl(eager_kl, 2.0, batch_average).sum().backward()
    compiled(compiled_kl, 2.0, batch_average).sum().backward()
    torch.testing.assert_close(compiled_kl.grad, eager_kl.grad)


@pytest.mark.parametrize("batch_average", [False, True])
def test_vmap_equals_a_loop(batch_average):
    stack = torch.stack([KL, 2 * KL, 3 * KL])
    mapped = torch.vmap(lambda kl: free_bits_kl(kl, 2.0, batch_average))(stack)
    looped = torch.stack([free_bits_kl(kl, 2.0, batch_average) for kl in stack])
    torch.testing.assert_close(mapped, looped)


@pytest.mark.parametrize("shape", [(), (3,), (2, 3, 1)])
def test_kl_of_another_rank_is_refused(shape):
    with pytest.raises(ValueError, match=r"shape \(batch, levels\), found \(") as refusal:
        unchecked_free_bits_kl(torch.ones(shape), 1.0)
    assert str(shape) in str(refusal.value)


def test_an_empty_batch_is_refused():
    with pytest.raises(ValueError, match=r"at least one sample, found the shape \(0, 3\)"):
        free_bits_kl(torch.ones(0, 3), 1.0)


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.complex64])
def test_kl_that_is_not_floating_point_is_refused(dtype):
    with pytest.raises(ValueError, match=f"must be floating point, found {dtype}"):
        unchecked_free_bits_kl(torch.ones(2, 3, dtype=dtype), 1.0)


@pytest.mark.parametrize("free_bits", [-1.0, -1e-9, math.nan, -math.inf])
def test_negative_or_nan_free_bits_are_refused(free_bits):
    with pytest.raises(ValueError, match=f"zero or positive, found {free_bits}"):
        free_bits_kl(KL, free_bits)
