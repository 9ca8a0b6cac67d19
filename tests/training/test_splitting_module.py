"""What a splitter minimises: the published objectives, of its network's outputs, in these units."""

import math

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from ladderscope.data import (
    Channels,
    Field,
    MixedBatch,
    MixedPatches,
    Mixing,
    PatchBatch,
    PatchShape,
    validation_mixtures,
)
from ladderscope.images import Statistics
from ladderscope.losses import (
    ConstantKLWeight,
    denoisplit_objective,
    microsplit_objective,
    musplit_objective,
)
from ladderscope.network import LadderVAE
from ladderscope.noise import Gaussian, PoissonGaussian
from ladderscope.training import Budget, DenoisingModule, SplittingModule, train
from ladderscope.training.budget import CosineRate
from ladderscope.training.course import Course
from ladderscope.training.module import Terms

MIXTURE = Statistics(300.0, 40.0)
CHANNELS = (Statistics(120.0, 30.0), Statistics(2000.0, 500.0))
OFFSETS = (100.0, 1500.0)
NOISE = (PoissonGaussian(gain=2.0, intercept=9.0), Gaussian(80.0))
WEIGHT = {"musplit": 0.0, "denoisplit": 1.0, "microsplit": 0.7}


def module(method="microsplit", variance="predicted", *, free_bits=1.0, musplit=0.0, **ladder):
    torch.manual_seed(0)
    outputs = 4 if variance == "predicted" and method != "denoisplit" else 2
    network = LadderVAE(output_channels=outputs, latent_channels=(3, 2), filters=4, **ladder)
    return SplittingModule(
        network,
        MIXTURE,
        CHANNELS,
        OFFSETS,
        () if method == "musplit" else NOISE,
        denoisplit_weight=WEIGHT[method],
        variance=variance,
        free_bits=free_bits,
        musplit_free_bits=musplit,
        kl_weight=ConstantKLWeight(1.0),
    )


def batch(views=1, depth=None, ratio=((1.0, 1.0), (0.5, 1.5), (2.0, 0.7)), side=16):
    draw = np.random.default_rng(0)
    space = (side, side) if depth is None else (depth, side, side)
    target = np.stack(
        [draw.normal(known.mean, known.std, (3, *space)) for known in CHANNELS], axis=1
    )
    observation = draw.normal(MIXTURE.mean, MIXTURE.std, (3, views, *space))
    return MixedBatch(
        *(torch.tensor(np.asarray(part), dtype=torch.float32) for part in (observation, target)),
        torch.tensor(ratio),
    )


def asked(trained, given, kl_weight=0.3):
    """The objective, with noise that can be drawn again."""

    def terms(normalised):
        return trained.network_terms(normalised, torch.Generator().manual_seed(7))

    return trained.objective(given, terms, kl_weight)


def decoded(trained, given):
    """The network's own answer to the normalised mixture, with the same noise."""
    features = trained.network.encode((given.observation - MIXTURE.mean) / MIXTURE.std)
    noise = trained.network.standard_noise(features, torch.Generator().manual_seed(7))
    return trained.network.decode(features, noise)


def nats(found, blind=0):
    """KL of each level, over the whole map and over what lies over the patch; and its elements."""
    whole, inner, elements = [], [], []
    side = found.output.shape[-1]
    for number, (posterior, prior, sample) in enumerate(found.levels, start=1):
        if number <= blind:
            continue
        q, p = (
            Normal(one.mean.double(), (0.5 * one.log_variance.double()).exp())
            for one in (posterior, prior)
        )
        kl = kl_divergence(q, p).expand(sample.shape)
        first = (sample.shape[-1] - side // 2**number) // 2
        middle = slice(first, first + side // 2**number)
        whole.append(kl.flatten(1).sum(1))
        inner.append(kl[..., middle, middle].flatten(1).sum(1))
        elements.append(sample[0].numel())
    return torch.stack(whole, 1), torch.stack(inner, 1), elements


def by_hand(trained, given, found):
    """The log-likelihoods of both methods, in float64, straight from their definitions."""
    column = (-1, *(1,) * (given.target.ndim - 2))
    mean, std, offset = (
        torch.tensor(values, dtype=torch.float64).reshape(column)
        for values in (
            [known.mean for known in CHANNELS],
            [known.std for known in CHANNELS],
            OFFSETS,
        )
    )
    output = found.output.double()
    normalised, raw = output[:, :2], output[:, 2:]
    ratio = given.ratio.double()[..., *(None,) * (given.target.ndim - 2)]
    recorded = (normalised * std + mean - offset) / ratio + offset
    shot = Normal(recorded[:, 0], (2 * recorded[:, 0] + 9).clamp(min=0.4).sqrt())
    read = Normal(recorded[:, 1], 80.0)
    target = given.target.double()
    noise = torch.stack([shot.log_prob(target[:, 0]), read.log_prob(target[:, 1])], dim=1)
    mixed = ((target - offset) * ratio + offset - mean) / std
    if trained.variance == "predicted":
        variance = raw.clamp(min=-10).exp()
    elif trained.variance == "fitted":
        dims = [0, *range(2, target.ndim)]
        variance = (mixed - normalised).square().mean(dims, keepdim=True)
    else:
        variance = torch.tensor(trained.variance)
    gaussian = None if not variance.numel() else Normal(normalised, variance.sqrt()).log_prob(mixed)
    return noise, gaussian


CASES = [
    {},
    {"views": 2},
    {"views": 3},
    {"dimensions": 3},
    {"dimensions": 3, "views": 2},
    {"blind_levels": 1},
    {"blind_levels": 1, "views": 2},
]


@pytest.mark.parametrize("ladder", CASES, ids=str)
@pytest.mark.parametrize("method", WEIGHT)
def test_the_objective_is_the_published_one_of_what_the_network_gives(method, ladder):
    trained = module(method, free_bits=2.0, musplit=0.5, **ladder)
    given = batch(ladder.get("views", 1), depth=3 if ladder.get("dimensions") == 3 else None)
    found = decoded(trained, given)
    whole, inner, elements = nats(found, ladder.get("blind_levels", 0))
    noise, gaussian = by_hand(trained, given, found)
    objective, level_kl = asked(trained, given)
    wanted = {
        "denoisplit": lambda: denoisplit_objective(noise, inner, free_bits=2.0, kl_weight=0.3),
        "musplit": lambda: musplit_objective(
            gaussian, whole, elements, free_bits=0.5, kl_weight=0.3
        ),
        "microsplit": lambda: microsplit_objective(
            noise,
            gaussian,
            inner,
            whole,
            elements,
            denoisplit_weight=0.7,
            denoisplit_free_bits=2.0,
            musplit_free_bits=0.5,
            kl_weight=0.3,
        ),
    }[method]()
    for term, expected in zip(objective, wanted, strict=True):
        assert term.item() == pytest.approx(expected.item(), rel=1e-4)
    torch.testing.assert_close(level_kl.double(), inner, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("variance", ["predicted", "fitted", 1.0, 0.25])
@pytest.mark.parametrize("method", ["musplit", "microsplit"])
def test_the_variance_is_predicted_fitted_or_a_number(method, variance):
    trained, given = module(method, variance), batch()
    found = decoded(trained, given)
    noise, gaussian = by_hand(trained, given, found)
    weight = WEIGHT[method]
    wanted = -(weight * noise.mean() + (1 - weight) * gaussian.mean())
    assert asked(trained, given)[0].reconstruction.item() == pytest.approx(wanted.item(), rel=1e-4)


def test_the_closed_forms_hold_without_our_own_losses():
    trained, given = module("musplit", 1.0), batch()
    found = decoded(trained, given)
    whole, _, elements = nats(found)
    _, gaussian = by_hand(trained, given, found)
    objective, _ = asked(trained, given, kl_weight=0.3)
    kl = 0.3 * np.mean([whole[:, n].mean().item() / elements[n] for n in (0, 1)])
    assert elements == [3 * 8 * 8, 2 * 4 * 4]
    assert objective.kl.item() == pytest.approx(kl, rel=1e-4)
    assert objective.loss.item() == pytest.approx(kl - gaussian.mean().item(), rel=1e-4)
    trained = module("denoisplit", free_bits=0.0)
    found = decoded(trained, given)
    _, inner, _ = nats(found)
    kl = 0.3 * inner.mean(0).sum().item() / 256
    assert asked(trained, given, 0.3)[0].kl.item() == pytest.approx(kl, rel=1e-4)


def answered(trained, given, output):
    """The objective where the network gives this output, and costs no KL."""
    nothing = torch.zeros(len(output), 2)

    def terms(normalised):
        return Terms(output, nothing, nothing, (192, 32))

    return trained.objective(given, terms, 1.0)[0]


def as_mixed(given):
    """The channels as strong as they are in the mixture, normalised: what is to be found."""
    parts = []
    for channel, (known, offset) in enumerate(zip(CHANNELS, OFFSETS, strict=True)):
        ratio = given.ratio[:, channel, None, None]
        strength = (given.target[:, channel] - offset) * ratio + offset
        parts.append((strength - known.mean) / known.std)
    return torch.stack(parts, dim=1)


@pytest.mark.parametrize("method, variance", [("musplit", 1.0), ("denoisplit", 1.0)])
def test_the_best_output_is_the_channel_as_strong_as_it_is_in_the_mixture(
    method, variance, monkeypatch
):
    trained, given = module(method, variance), batch()
    trained.noise_models = (Gaussian(20.0), Gaussian(80.0))
    best = as_mixed(given).requires_grad_()
    objective = answered(trained, given, best)
    (slope,) = torch.autograd.grad(objective.loss, best)
    assert float(slope.abs().max()) < 1e-5
    for change in (torch.ones_like(best), torch.randn_like(best)):
        assert answered(trained, given, best + 0.05 * change).loss > objective.loss


@pytest.mark.parametrize("method", WEIGHT)
@pytest.mark.parametrize("variance", ["predicted", "fitted", 0.5])
def test_slopes_are_those_of_finite_differences(method, variance):
    trained, given = module(method, variance).double(), batch()
    trained.noise_models = (Gaussian(20.0), Gaussian(80.0))
    given = MixedBatch(*(part.double() for part in given))
    outputs = 4 if variance == "predicted" and method != "denoisplit" else 2
    torch.manual_seed(1)
    output = torch.randn(3, outputs, 16, 16, dtype=torch.float64).requires_grad_()
    (slope,) = torch.autograd.grad(answered(trained, given, output).loss, output)
    for seed in range(3):
        direction = torch.randn(
            output.shape, dtype=output.dtype, generator=torch.Generator().manual_seed(seed)
        )
        ahead, behind = (
            answered(trained, given, output.detach() + step * direction).loss
            for step in (1e-4, -1e-4)
        )
        measured = float(ahead - behind) / 2e-4
        # a fitted variance has no slope of its own, and needs none at its optimum
        assert float((slope * direction).sum()) == pytest.approx(measured, rel=1e-4)


def test_a_fitted_variance_is_each_channel_s_mean_squared_error():
    trained, given = module("musplit", "fitted"), batch()
    error = torch.stack([torch.full((3, 16, 16), 0.1), torch.full((3, 16, 16), 3.0)], dim=1)
    objective = answered(trained, given, as_mixed(given) + error)
    wanted = np.mean([0.5 * math.log(2 * math.pi * e**2) + 0.5 for e in (0.1, 3.0)])
    assert float(objective.reconstruction) == pytest.approx(wanted, rel=1e-4)


def test_a_predicted_variance_is_best_where_it_is_the_squared_error():
    trained, given = module("musplit"), batch()
    error = 0.5 * torch.randn(3, 2, 16, 16, generator=torch.Generator().manual_seed(2)).abs() + 0.1
    right = error.square().log()
    losses = [
        float(answered(trained, given, torch.cat([as_mixed(given) + error, right + off], 1)).loss)
        for off in (-0.1, 0.0, 0.1)
    ]
    assert losses[1] < min(losses[0], losses[2])


@pytest.mark.parametrize("method", WEIGHT)
@pytest.mark.parametrize("variance", ["predicted", "fitted"])
def test_outputs_that_are_exact_cost_a_finite_loss(method, variance):
    trained, given = module(method, variance), batch()
    best = as_mixed(given)
    if variance == "predicted" and method != "denoisplit":
        best = torch.cat([best, torch.full_like(best, -1e4)], dim=1)
    best.requires_grad_()
    objective = answered(trained, given, best)
    (slope,) = torch.autograd.grad(objective.loss, best)
    assert torch.isfinite(objective.loss) and torch.isfinite(slope).all()


def test_each_channel_is_judged_by_its_own_noise_model():
    trained, given = module("denoisplit"), batch(ratio=((1.0, 1.0),) * 3)
    better = as_mixed(given)
    likelihoods = []
    for channel, model in enumerate(NOISE):
        target = given.target[:, channel]
        likelihoods.append(model.log_likelihood(target, target).mean())
    found = answered(trained, given, better).reconstruction
    assert float(found) == pytest.approx(-float(sum(likelihoods)) / 2, rel=1e-5)


def test_a_microsplit_is_the_weighted_mean_of_the_others():
    given = batch()
    output = torch.randn(3, 4, 16, 16, generator=torch.Generator().manual_seed(3))
    musplit, microsplit = (
        answered(module(name), given, output) for name in WEIGHT if name[0] == "m"
    )
    denoisplit = answered(module("denoisplit"), given, output[:, :2])
    for terms in zip(microsplit, denoisplit, musplit, strict=True):
        mean, one, other = map(float, terms)
        assert mean == pytest.approx(0.7 * one + 0.3 * other, rel=1e-5)


def test_the_network_is_given_all_views_of_the_mixture_normalised():
    trained, seen = module("musplit", views=2), []

    def spy(normalised):
        seen.append(normalised)
        return trained.network_terms(normalised)

    given = batch(2)
    trained.objective(given, spy, 1.0)
    torch.testing.assert_close(seen[0], (given.observation - 300) / 40)


@pytest.mark.parametrize("views, inner", [(2, [(8, 16), (4, 8)]), (3, [(8, 16), (4, 16)])])
def test_with_views_the_inner_kl_is_that_of_the_centre_of_each_map(views, inner):
    trained, given = module("musplit", views=views), batch(views)
    maps = decoded(trained, given).levels
    sides = [level.sample.shape[-1] for level in maps]
    assert sides == [whole for _, whole in inner]
    terms = trained.network_terms((given.observation - 300) / 40, torch.Generator().manual_seed(7))
    assert terms.latent_elements == (3 * inner[0][1] ** 2, 2 * inner[1][1] ** 2)
    assert (terms.inner_kl < terms.kl).all() and (terms.inner_kl > 0).all()


def test_without_views_there_is_one_kl():
    trained = module("musplit")
    terms = trained.network_terms(batch().observation)
    assert torch.equal(terms.inner_kl, terms.kl)


def test_a_denoiser_pays_for_the_centre_alone_where_it_has_views():
    torch.manual_seed(0)
    network = LadderVAE(latent_channels=(3, 2), filters=4, views=2)
    trained = DenoisingModule(
        network, [Gaussian(5.0)], [MIXTURE], kl_weight=ConstantKLWeight(1.0), free_bits=0.0
    )
    given = batch(2)
    patches = PatchBatch(given.observation, torch.zeros(3, dtype=torch.long))
    found = decoded(trained, given)
    _, inner, _ = nats(found)
    objective, level_kl = asked(trained, patches)
    signal = found.output.double() * 40 + 300
    likelihood = Normal(signal, 5.0).log_prob(given.observation[:, :1].double())
    reconstruction, kl = -likelihood.mean().item(), 0.3 * inner.mean(0).sum().item() / 256
    assert objective.reconstruction.item() == pytest.approx(reconstruction, rel=1e-4)
    assert objective.kl.item() == pytest.approx(kl, rel=1e-4)
    torch.testing.assert_close(level_kl.double(), inner, rtol=1e-3, atol=1e-3)


def test_validation_repeats_to_the_bit_and_moves_no_random_state():
    trained, given = module(), batch()
    before = torch.get_rng_state()
    (one, kl), (other, _) = (trained.validate(given) for _ in range(2))
    assert torch.equal(one.loss, other.loss) and kl.shape == (2,)
    assert torch.equal(torch.get_rng_state(), before)
    assert trained.network.training


@pytest.mark.parametrize("method", WEIGHT)
def test_training_lowers_the_loss_and_repeats_to_the_bit(method):
    rows, columns = np.mgrid[:64, :64]
    pixels = [100 + 30 * np.sin(rows / 3), 2000 + 500 * np.sin(columns / 7)]
    channels = Channels([[Field(one)] for one in pixels])
    mixing = Mixing(OFFSETS, (1.0, 0.1), 300.0, ratios=(0.8, 1.2))
    shape = PatchShape(16, views=2)
    runs = []
    for _ in "ab" if method == "microsplit" else "a":
        trained = module(method, views=2)
        held_out = validation_mixtures(channels, mixing, shape, seed=0)
        before = float(trained.validate(held_out)[0].loss)
        course = Course(Budget(steps=30), CosineRate(3e-2, 3), held_out, validations=5)
        patches = MixedPatches(channels, mixing, shape, 4, seed=0)
        outcome = train(trained, patches, course, seed=0, device="cpu")
        assert outcome.steps == 30 and outcome.skipped == 0
        assert min(line.validation_loss for line in outcome.history) < before - 0.1
        runs.append(trained.weights())
    assert all(torch.equal(runs[0][name], value) for name, value in runs[-1].items())
