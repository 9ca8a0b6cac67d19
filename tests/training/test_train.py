"""A training run: its budget, what it skips, how it stops, and that it can go on."""

import math
import os
import signal
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from ladderscope.data import (
    Field,
    PatchBatch,
    PatchShape,
    TrainingPatches,
    hold_out,
    validation_batch,
)
from ladderscope.images import Statistics
from ladderscope.interruption import stopping_gently
from ladderscope.losses import ConstantKLWeight
from ladderscope.machine import make_compile_cache
from ladderscope.network import LadderVAE
from ladderscope.noise import Gaussian
from ladderscope.training import Budget, DenoisingModule, TrainingError, train
from ladderscope.training.budget import CosineRate, PlateauRate
from ladderscope.training.course import Course

NOISY = np.random.default_rng(0).normal(100, 5, (2, 48, 48)) + np.mgrid[:48, :48][0]
HELD_OUT = hold_out([Field(NOISY[0]), Field(NOISY[1], channel=1)], 8, seed=0)


class Patches(TrainingPatches):
    """Training patches of which some batches are not numbers, or come with a Ctrl-C."""

    def __init__(self, broken=(), interrupt_at=(), by=signal.SIGINT):
        super().__init__(HELD_OUT.training, PatchShape(8), 4, seed=0)
        self.broken, self.interrupt_at, self.by = broken, interrupt_at, by

    def __getitem__(self, number):
        if number in self.interrupt_at:
            signal.raise_signal(self.by)
        batch = super().__getitem__(number)
        if number in self.broken:
            return batch._replace(observation=torch.full_like(batch.observation, math.nan))
        return batch


def module(**arguments):
    torch.manual_seed(0)
    network = LadderVAE(latent_channels=(2, 2), filters=4, **arguments)
    return DenoisingModule(
        network,
        [Gaussian(5.0), Gaussian(6.0)],
        [Statistics(120.0, 15.0), Statistics(121.0, 14.0)],
        kl_weight=ConstantKLWeight(1.0),
    )


class WatchedCourse(Course):
    """A course that copies the weights after every step."""

    def note(self, module):
        self.seen = [*getattr(self, "seen", []), module.weights()]
        super().note(module)


def course(steps=20, *, rate=None, kind=Course, minutes=None, **arguments):
    return kind(
        Budget(minutes=minutes, steps=None if minutes else steps),
        rate or CosineRate(1e-2, 3),
        validation_batch(HELD_OUT.validation, PatchShape(8), seed=0),
        **({"validations": 5, "fingerprint": "these images"} | arguments),
    )


def run(trained, its_course, patches=None, **arguments):
    with stopping_gently() as should_stop:
        return train(
            trained,
            patches or Patches(),
            its_course,
            seed=0,
            device="cpu",
            **({"should_stop": should_stop} | arguments),
        )


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def uninterrupted():
    trained = module()
    outcome = run(trained, course())
    return trained, outcome


def test_a_budget_of_steps_is_spent_to_the_step(uninterrupted):
    trained, outcome = uninterrupted
    assert outcome.steps == trained.steps_done == 20
    assert (outcome.skipped, outcome.interrupted, outcome.compiled) == (0, False, False)


def test_the_history_has_a_line_a_validation(uninterrupted):
    _, outcome = uninterrupted
    assert [line.step for line in outcome.history] == [4, 8, 12, 16, 20]
    for line in outcome.history:
        assert line.loss == pytest.approx(line.reconstruction + line.kl, rel=1e-5)
        assert line.validation_loss == pytest.approx(
            line.validation_reconstruction + line.validation_kl, rel=1e-5
        )
        assert len(line.level_kl) == 2 and min(line.level_kl) >= 0


def test_training_lowers_the_loss(uninterrupted):
    _, outcome = uninterrupted
    assert outcome.history[-1].validation_loss < outcome.history[0].validation_loss


def test_the_same_seed_gives_the_same_weights_to_the_bit(uninterrupted):
    again = module()
    run(again, course())
    assert same(again.weights(), uninterrupted[0].weights())


def test_another_seed_gives_other_weights(uninterrupted):
    other = module()
    train(other, Patches(), course(), seed=1, device="cpu")
    assert not same(other.weights(), uninterrupted[0].weights())


def test_the_global_random_state_is_left_as_it_was():
    trained = module()
    torch.manual_seed(7)
    before, numpys = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    run(trained, course(4))
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(np.random.get_state()[1], numpys)  # noqa: NPY002


def test_the_global_random_state_does_not_matter(uninterrupted):
    again = module()
    torch.manual_seed(99)
    run(again, course())
    assert same(again.weights(), uninterrupted[0].weights())


CLUSTERS = {
    "SLURM_NTASKS": "4",
    "SLURM_JOB_NAME": "denoise",
    "SLURM_JOB_ID": "1",
    "SLURM_PROCID": "3",
    "SLURM_LOCALID": "3",
    "SLURM_NODELIST": "n[1-4]",
    "LSB_JOBID": "1",
    "LSB_DJOB_RANKFILE": "nowhere",
    "JSM_NAMESPACE_SIZE": "4",
    "JSM_NAMESPACE_RANK": "2",
    "TORCHELASTIC_RUN_ID": "1",
    "KUBERNETES_PORT": "tcp://127.0.0.1:443",
    "WORLD_SIZE": "4",
    "RANK": "2",
    "LOCAL_RANK": "2",
    "NODE_RANK": "1",
    "MASTER_ADDR": "nowhere",
    "MASTER_PORT": "29500",
    "OMPI_COMM_WORLD_SIZE": "4",
    "PMI_SIZE": "4",
}
WITHOUT_VALUES = dict.fromkeys(CLUSTERS, "")


@pytest.mark.parametrize("cluster", [CLUSTERS, WITHOUT_VALUES], ids=["real", "empty"])
def test_a_cluster_changes_nothing(tmp_path, monkeypatch, uninterrupted, cluster):
    for name, value in cluster.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hpc_ckpt_1.ckpt").write_bytes(b"of somebody else")
    handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
    seen = {}

    class Watching(Patches):
        def __getitem__(self, number):
            seen.update({one: signal.getsignal(one) for one in handlers})
            return super().__getitem__(number)

    trained = module()
    run(trained, course(), Watching())
    assert same(trained.weights(), uninterrupted[0].weights())
    assert [path.name for path in tmp_path.iterdir()] == ["hpc_ckpt_1.ckpt"]
    ours = {"SIGINT", "SIGTERM", "SIGHUP"}
    assert {number.name for number in handlers if seen[number] != handlers[number]} <= ours


def test_two_trainings_at_a_time_end_as_each_alone(uninterrupted):
    both = [module(), module()]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda trained: run(trained, course()), both))
    for trained in both:
        assert same(trained.weights(), uninterrupted[0].weights())


def test_the_clock_starts_with_the_training():
    its_course = course(2)
    its_course._started -= 1000  # waited for another training
    assert run(module(), its_course).seconds < 1000


def test_where_gradients_are_off_training_turns_them_on(uninterrupted):
    trained = module()
    with torch.no_grad():
        run(trained, course())
    assert same(trained.weights(), uninterrupted[0].weights())


def test_the_handler_of_ctrl_c_is_put_back():
    before = signal.getsignal(signal.SIGINT)
    run(module(), course(2))
    assert signal.getsignal(signal.SIGINT) is before


def test_the_weights_of_the_best_validations_in_a_row_are_kept():
    class Late(PlateauRate):
        """A rate that goes uphill in the second half."""

        def __call__(self, step, fraction):
            return 1e-2 if fraction < 0.5 else -1e-2

    trained, its_course = module(), course(validations=20, kind=WatchedCourse, rate=Late(1.0))
    outcome = run(trained, its_course)
    losses = [line.validation_loss for line in outcome.history]
    means = [np.mean(losses[max(0, end - 5) : end]) for end in range(1, len(losses) + 1)]
    best = int(np.argmin(means))
    assert np.argmin(losses) < best < len(losses) - 1
    assert outcome.best_step == outcome.history[best].step
    assert same(trained.weights(), its_course.seen[outcome.best_step - 1])


def test_one_lucky_validation_decides_nothing():
    trained, its_course = module(), course(validations=20)
    validate, calls = trained.validate, []

    def lucky_once(batch):
        objective, kl = validate(batch)
        calls.append(1)
        return objective._replace(loss=objective.loss - 0.5 * (len(calls) == 12)), kl

    trained.validate = lucky_once
    outcome = run(trained, its_course)
    losses = [line.validation_loss for line in outcome.history]
    assert np.argmin(losses) == 11
    assert outcome.best_step != outcome.history[11].step


def test_a_plateau_ends_training_before_its_budget():
    class Stalled(PlateauRate):
        def exhausted(self):
            return len(self._losses) >= 2

    outcome = run(module(), course(rate=Stalled(1e-3)))
    assert outcome.steps == 8
    assert not outcome.interrupted


def test_a_budget_shorter_than_a_step_is_one_step():
    assert run(module(), course(minutes=1e-9)).steps == 1


def test_a_budget_of_minutes_ends():
    outcome = run(module(), course(minutes=0.02))
    assert outcome.seconds >= 1.2
    assert outcome.steps >= 1 and not outcome.interrupted
    assert outcome.history[-1].step == outcome.steps


@pytest.mark.parametrize("arguments", [{}, {"batch_norm": True}])
def test_a_batch_that_is_not_finite_is_skipped_counted_and_leaves_no_trace(arguments):
    its_course = course(10, kind=WatchedCourse)
    trained = module(**arguments)
    outcome = run(trained, its_course, Patches(broken={3, 7}))
    assert (outcome.steps, outcome.skipped) == (10, 2)
    for broken in (3, 7):
        before, after = its_course.seen[broken - 1], its_course.seen[broken]
        parameters = dict(trained.network.named_parameters())
        assert same(
            {name: before[name] for name in parameters}, {name: after[name] for name in parameters}
        )
        assert all(torch.isfinite(value).all() for value in after.values())
    assert all(math.isfinite(line.loss) for line in outcome.history)


def test_a_gradient_that_is_not_finite_is_skipped_too(monkeypatch):
    trained = module()
    objective = trained.objective

    def steep(*arguments):
        found, kl = objective(*arguments)
        # 0, but the derivative of a root is not finite there
        rooted = (found.reconstruction - found.reconstruction.detach()).sqrt()
        return found._replace(loss=found.loss + rooted), kl

    monkeypatch.setattr(trained, "objective", steep)
    its_course = course(2, kind=WatchedCourse)
    before = trained.weights()
    outcome = run(trained, its_course)
    assert outcome.skipped == 2
    assert same(its_course.seen[-1], before)


def test_a_loss_that_stays_not_finite_stops_with_advice():
    with pytest.raises(TrainingError, match=r"20 batches in a row.*noise model.*learning rate"):
        run(module(), course(200), Patches(broken=range(5, 200)))


def test_a_run_in_which_no_validation_was_finite_is_an_error_with_advice():
    its_course = course(3)
    its_course.validation = PatchBatch(
        torch.full_like(its_course.validation.observation, math.nan), its_course.validation.channel
    )
    with pytest.raises(TrainingError, match="noise model"):
        run(module(), its_course)


def test_the_best_step_is_found_beside_a_validation_that_was_not_finite():
    trained, its_course = module(), course()
    validate, calls = trained.validate, []

    def first_is_nan(batch):
        objective, kl = validate(batch)
        calls.append(1)
        return (
            objective._replace(loss=objective.loss * math.nan) if len(calls) == 1 else objective
        ), kl

    trained.validate = first_is_nan
    outcome = run(trained, its_course)
    finite = [line for line in outcome.history if math.isfinite(line.validation_loss)]
    losses = [line.validation_loss for line in finite]
    assert losses == sorted(losses, reverse=True)
    assert outcome.best_step == finite[-1].step


def interrupted(path, at, by=signal.SIGINT):
    trained = module()
    outcome = run(trained, course(state_file=path), Patches(interrupt_at={at}, by=by))
    assert outcome.interrupted
    return trained, outcome


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_training_and_keeps_the_best_weights(tmp_path, by):
    trained, outcome = interrupted(tmp_path / "state", 10, by)
    assert outcome.steps == 11
    assert outcome.history[-1].step == outcome.steps
    assert outcome.best_step in [line.step for line in outcome.history]
    assert all(torch.isfinite(value).all() for value in trained.weights().values())


def test_a_second_ctrl_c_aborts():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        run(module(), course(), Pressed())
    assert signal.getsignal(signal.SIGINT) is before


class Pressed(Patches):
    """Ctrl-C twice before one batch."""

    def __getitem__(self, number):
        if number == 6:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
        return super().__getitem__(number)


@pytest.mark.parametrize("at", [1, 6, 9, 18])
def test_a_resumed_training_ends_with_the_weights_of_an_uninterrupted_one(
    tmp_path, uninterrupted, at
):
    path = tmp_path / "state"
    interrupted(path, at)
    trained = module()
    torch.manual_seed(1234)
    outcome = run(trained, course(state_file=path), resume=True)
    assert outcome.steps == 20 and not outcome.interrupted
    assert outcome.best_step == uninterrupted[1].best_step
    assert same(trained.weights(), uninterrupted[0].weights())


def test_a_training_may_be_interrupted_twice(tmp_path, uninterrupted):
    path = tmp_path / "state"
    interrupted(path, 5)
    outcome = run(module(), course(state_file=path), Patches(interrupt_at={13}), resume=True)
    assert outcome.interrupted and 5 < outcome.steps < 20
    trained = module()
    run(trained, course(state_file=path), resume=True)
    assert same(trained.weights(), uninterrupted[0].weights())


def test_skipped_batches_are_counted_across_an_interruption(tmp_path):
    path = tmp_path / "state"
    run(module(), course(state_file=path), Patches(broken={2}, interrupt_at={8}))
    outcome = run(module(), course(state_file=path), Patches(broken={15}), resume=True)
    assert outcome.skipped == 2


def test_time_spent_before_an_interruption_counts(tmp_path):
    path = tmp_path / "state"
    _, before = interrupted(path, 10)
    state = torch.load(path, weights_only=True)
    state["seconds"] = 1000.0
    torch.save(state, path)
    outcome = run(module(), course(state_file=path), resume=True)
    assert outcome.seconds > 1000
    assert outcome.history[-1].seconds > 1000 > before.seconds


def test_the_state_holds_no_code(tmp_path):
    path = tmp_path / "state"
    interrupted(path, 10)
    state = torch.load(path, weights_only=True)
    assert {"network", "optimizer", "random", "step", "history"} <= state.keys()


def test_a_complete_training_that_is_resumed_takes_no_step_more(tmp_path, uninterrupted):
    path = tmp_path / "state"
    run(module(), course(state_file=path))
    trained, its_course = module(), course(state_file=path, kind=WatchedCourse)
    outcome = run(trained, its_course, resume=True)
    assert outcome.steps == 20 and not hasattr(its_course, "seen")
    assert same(trained.weights(), uninterrupted[0].weights())


@pytest.mark.parametrize(
    "content", [b"", b"not a state", b"PK\x03\x04 half a zip"], ids=["empty", "text", "cut"]
)
def test_a_damaged_state_is_refused_by_name(tmp_path, content):
    path = tmp_path / "state"
    path.write_bytes(content)
    with pytest.raises(TrainingError, match="damaged") as error:
        run(module(), course(state_file=path), resume=True)
    assert str(path) in str(error.value)
    assert path.read_bytes() == content


def test_a_state_cut_short_is_refused(tmp_path):
    path = tmp_path / "state"
    interrupted(path, 10)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(TrainingError, match="damaged"):
        run(module(), course(state_file=path), resume=True)


@pytest.mark.parametrize("foreign", [{"some": "dict"}, [1, 2], torch.zeros(3)], ids=str)
def test_another_file_of_torch_is_refused(tmp_path, foreign):
    path = tmp_path / "state"
    torch.save(foreign, path)
    with pytest.raises(TrainingError, match=str(path)):
        run(module(), course(state_file=path), resume=True)


def test_a_state_whose_loading_would_run_code_is_refused_unrun(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    path = tmp_path / "state"
    torch.save({"fingerprint": "these images", "network": Trap()}, path)
    with pytest.raises(TrainingError, match="damaged"):
        run(module(), course(state_file=path), resume=True)
    assert not (tmp_path / "sprung").exists()


def test_a_state_of_other_settings_or_images_is_refused_and_kept(tmp_path):
    path = tmp_path / "state"
    interrupted(path, 10)
    with pytest.raises(TrainingError, match="other settings or other images"):
        run(module(), course(state_file=path, fingerprint="others"), resume=True)
    assert path.exists()


def test_a_state_of_another_version_is_refused_and_kept(tmp_path):
    path = tmp_path / "state"
    interrupted(path, 10)
    state = torch.load(path, weights_only=True)
    del state["format"], state["best_step"]
    torch.save(state, path)
    with pytest.raises(TrainingError, match="another version") as error:
        run(module(), course(state_file=path), resume=True)
    assert str(path) in str(error.value)
    assert path.exists()


def test_nothing_to_resume_is_an_error(tmp_path):
    with pytest.raises(TrainingError, match="nothing to resume"):
        run(module(), course(state_file=tmp_path / "state"), resume=True)


def test_validation_repeats_to_the_bit_and_moves_no_random_state():
    trained = module()
    batch = validation_batch(HELD_OUT.validation, PatchShape(8), seed=0)
    before = torch.get_rng_state()
    first, second = (trained.validate(batch)[0] for _ in range(2))
    assert torch.equal(first.loss, second.loss)
    assert torch.equal(torch.get_rng_state(), before)
    assert trained.network.training


def test_each_channel_is_judged_by_its_own_noise_model_and_statistics():
    batch = validation_batch(HELD_OUT.validation, PatchShape(8), seed=0)
    parts = [
        PatchBatch(batch.observation[batch.channel == c], batch.channel[batch.channel == c])
        for c in (0, 1)
    ]
    signal_ = torch.full_like(batch.observation, 110.0)
    together = module()._log_likelihood(batch, signal_).mean()
    apart = [
        Gaussian(sigma).log_likelihood(part.observation, torch.tensor(110.0)).mean()
        for sigma, part in zip((5.0, 6.0), parts, strict=True)
    ]
    shares = [len(part.channel) / len(batch.channel) for part in parts]
    assert 0 < shares[0] < 1
    torch.testing.assert_close(together, shares[0] * apart[0] + shares[1] * apart[1])


def test_the_patches_are_handed_to_the_network_normalised():
    seen = []
    trained = module()

    def spy(normalised):
        seen.append(normalised)
        return trained.network_terms(normalised)

    batch = PatchBatch(torch.full((2, 1, 8, 8), 135.0), torch.tensor([0, 1]))
    trained.objective(batch, spy, 1.0)
    assert seen[0].amax(dim=(1, 2, 3)).tolist() == [1.0, 1.0]


def test_compiled_training_learns_what_eager_training_does(uninterrupted):
    _, eager = uninterrupted
    outcome = run(module(), course(), compile_network=True)
    assert outcome.compiled and outcome.steps == 20
    # The latents' noise is drawn by another generator: the same distribution, other numbers.
    gain = eager.history[0].validation_loss - eager.history[-1].validation_loss
    assert outcome.history[-1].validation_loss == pytest.approx(
        eager.history[-1].validation_loss, abs=0.5 * gain
    )


def test_compiled_training_repeats_to_the_bit():
    first, second = (module(), module())
    for trained in (first, second):
        assert run(trained, course(6), compile_network=True).compiled
    assert all(
        torch.equal(first.weights()[name], value) for name, value in second.weights().items()
    )


def test_a_compile_cache_that_cannot_be_written_to_is_replaced(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    unusable = str(tmp_path / "file" / "cache")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", unusable)
    make_compile_cache()
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] != unusable
    assert os.access(os.environ["TORCHINDUCTOR_CACHE_DIR"], os.W_OK)


def test_a_compile_cache_that_can_be_written_to_is_kept(tmp_path, monkeypatch):
    usable = str(tmp_path / "cache")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", usable)
    make_compile_cache()
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == usable


class Unbacked(torch.autograd.Function):
    """Compiled code whose backward pass fails."""

    @staticmethod
    def forward(ctx, values):
        return values.clone()

    @staticmethod
    def backward(ctx, slope):
        raise OSError("no backward")


def refusing(*_, **__):
    raise PermissionError("no compile")


def failing_forward(terms, **_):
    def fail(_):
        raise RuntimeError("no forward\nwith much advice")

    return fail


def failing_backward(terms, **_):
    def fail(normalised):
        found = terms(normalised)
        return found._replace(output=Unbacked.apply(found.output))

    return fail


@pytest.mark.parametrize(
    "broken, why",
    [(refusing, "compile"), (failing_forward, "forward"), (failing_backward, "backward")],
)
def test_where_compiling_fails_training_goes_on_without(monkeypatch, caplog, broken, why):
    monkeypatch.setattr(torch, "compile", broken)
    trained = module()
    outcome = run(trained, course(4), compile_network=True)
    assert f"without it: no {why}" in caplog.text and "advice" not in caplog.text
    assert outcome.steps == 4 and not outcome.compiled and outcome.skipped == 0


def test_a_complete_state_trains_no_further(tmp_path, uninterrupted):
    state = tmp_path / "state"
    run(module(), course(state_file=state))
    trained = module()
    outcome = run(trained, course(state_file=state), resume=True)
    assert outcome.steps == 20 and not outcome.interrupted
    assert same(trained.weights(), uninterrupted[0].weights())


def test_a_run_that_diverges_late_keeps_the_best_model(caplog):
    its_course = course(steps=60)
    trained = module()
    outcome = run(trained, its_course, Patches(broken=range(30, 60)))
    assert outcome.diverged and outcome.steps == 50 and not outcome.interrupted
    assert "the best model so far is kept" in caplog.text
    assert same(trained.weights(), its_course.best_weights)


def test_validation_leaves_the_random_state_alone():
    trained = module()
    before = torch.get_rng_state()
    one, _ = trained.validate(validation_batch(HELD_OUT.validation, PatchShape(8), seed=0))
    other, _ = trained.validate(validation_batch(HELD_OUT.validation, PatchShape(8), seed=0))
    assert torch.equal(torch.get_rng_state(), before) and one.loss == other.loss


def test_the_kl_is_that_of_the_levels_that_see_the_image():
    trained = module(blind_levels=1)
    trained.free_bits = 1e6  # so that each level that counts costs as much
    objective, level_kl = trained.validate(course().validation)
    assert level_kl.shape == (1,)
    assert float(objective.kl) == pytest.approx(1e6 / 8**2)
    outcome = run(trained, course(4))
    assert all(len(line.level_kl) == 1 for line in outcome.history)


def test_training_with_blind_levels_lowers_the_loss():
    trained = module(blind_levels=1)
    outcome = run(trained, course())
    assert outcome.skipped == 0
    assert outcome.history[-1].validation_loss < outcome.history[0].validation_loss
