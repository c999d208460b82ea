import copy
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ldm_teach.models import checkpoint
from ldm_teach.models.autoencoder import Codes, DiagonalGaussian, KLAutoencoder, VQAutoencoder
from ldm_teach.models.classifier import ImageClassifier
from ldm_teach.models.critic import CriticizedAutoencoder, PatchCritic
from ldm_teach.models.score_network import ScoreNetwork
from ldm_teach.practice import recipes
from ldm_teach.practice.data import Batches
from ldm_teach.practice.losses import (
    adaptive_weight,
    adversarial_loss,
    autoencoder_loss,
    classification_loss,
    codebook_loss,
    diffusion_loss,
    hinge_loss,
    kl_per_element,
    kl_per_image,
    mirrored,
    noisy_classification_loss,
    perceptual_distance,
    score_matching_loss,
    spread_timesteps,
)
from ldm_teach.practice.training import choose_device, cosine_decay, fit, linear_decay, update_average
from ldm_teach.theory.parameterization import v_from_eps
from ldm_teach.theory.schedule import NoiseSchedule
from tests.conftest import make_tiny_model

ROOT = Path(__file__).parents[2]
AUTOENCODER_RECIPES = recipes.LADDER | recipes.SHARPNESS | recipes.RATES


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def latents(n: int = 64) -> tuple[torch.Tensor, ...]:
    return torch.randn(n, 2, 4, 4, generator=seeded()), torch.full((n, 2, 4, 4), 0.1), torch.arange(n) % 3


def training(**settings):
    """A tiny latent diffusion training: (model, average, generator of steps)."""
    model = make_tiny_model()
    average = copy.deepcopy(model)
    loss = diffusion_loss(model.schedule, drop=0.2)
    batches = Batches(*latents(), batch_size=8)
    return model, average, fit(model, loss, batches, average=average, device="cpu", **dict(num_steps=12) | settings)


def weights(module: nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in module.parameters()])


def test_a_linear_regression_is_learned():
    """|W x - y|^2 has a known minimum; the loop must find it."""
    x = torch.randn(256, 3, generator=seeded())
    want = torch.tensor([[1.0, -2.0, 0.5]])
    model = nn.Linear(3, 1, bias=False)
    loss = lambda model, batch, generator: F.mse_loss(model(batch[0]), batch[1])  # noqa: E731
    steps = list(
        fit(
            model,
            loss,
            Batches(x, x @ want.T, batch_size=32),
            num_steps=400,
            learning_rate=0.05,
            weight_decay=0,
            device="cpu",
        )
    )
    assert [step.step for step in steps] == list(range(1, 401)) and steps[-1].images_per_second > 0
    torch.testing.assert_close(model.weight.detach(), want, rtol=0, atol=1e-2)


def test_the_autoencoder_is_frozen_and_the_rest_learns():
    model, average, steps = training()
    before, frozen = weights(model.unet), weights(model.autoencoder)
    list(steps)
    assert torch.equal(weights(model.autoencoder), frozen)
    assert not torch.equal(weights(model.unet), before)
    assert not torch.equal(weights(average.unet), weights(model.unet)) and not torch.equal(
        weights(average.unet), before
    )


def test_average_is_its_recursion():
    model, average = nn.Linear(2, 2), nn.Linear(2, 2)
    before = average.weight.detach().clone()
    update_average(average, model, step=3, decay=0.999)  # (1 + 3) / (10 + 3) < 0.999
    torch.testing.assert_close(average.weight.detach(), 4 / 13 * before + 9 / 13 * model.weight.detach())
    before = average.weight.detach().clone()
    update_average(average, model, step=10**6, decay=0.9)
    torch.testing.assert_close(average.weight.detach(), 0.9 * before + 0.1 * model.weight.detach())


def test_average_copies_buffers():
    model, average = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    model.running_mean.fill_(3.0)
    update_average(average, model, step=3, decay=0.999)
    assert torch.equal(average.running_mean, model.running_mean)


def test_decays_go_from_one_to_zero():
    for decay in (linear_decay, cosine_decay):
        assert decay(0) == 1 and decay(0.5) == pytest.approx(0.5) and decay(1) == pytest.approx(0)


@pytest.mark.parametrize("stop", [5, 6])  # in the middle of an epoch of 8 batches
def test_resume_gives_the_very_weights_of_an_uninterrupted_run(tmp_path, stop):
    whole, whole_average, steps = training()
    losses = [float(step.loss) for step in steps]
    _, _, steps = training(directory=tmp_path, save_every=stop)
    for step in steps:
        if step.step == stop + 1:  # one step past the checkpoint is lost, as by a kill
            steps.close()
            break
    resumed, resumed_average, steps = training(directory=tmp_path, resume=True)
    assert [float(step.loss) for step in steps] == losses[stop:]
    assert torch.equal(weights(resumed), weights(whole))
    assert torch.equal(weights(resumed_average), weights(whole_average))
    assert len(list(tmp_path.glob("*.safetensors"))) == 1


@pytest.fixture(scope="module")
def uninterrupted() -> torch.Tensor:
    model, average, steps = training(num_steps=100)
    list(steps)
    return torch.cat([weights(model), weights(average)])


SCRIPT = """
import sys
from tests.practice.test_training import training
for step in training(num_steps=100, save_every=10, directory=sys.argv[1])[2]:
    print(step.step, flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda n: n.name)
def test_a_killed_training_resumes_to_the_same_weights(tmp_path, number, uninterrupted):
    """SIGKILL loses what came after the last checkpoint; SIGTERM and Ctrl-C save first. All end at the same bits."""
    command = [sys.executable, "-c", SCRIPT, str(tmp_path)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for line in process.stdout:
        if int(line) == 23:
            process.send_signal(number)
            break
    process.communicate()
    saved = checkpoint.header(tmp_path)["config"]["step"]
    assert 20 <= saved < 100 and (saved >= 23 or number == signal.SIGKILL)
    assert process.returncode in {signal.SIGKILL: (-9,), signal.SIGTERM: (143,), signal.SIGINT: (1, 130, -2)}[number]
    model, average, steps = training(num_steps=100, directory=tmp_path, resume=True)
    assert len(list(steps)) == 100 - saved
    assert torch.equal(torch.cat([weights(model), weights(average)]), uninterrupted)


def test_resume_refuses_another_model_and_an_empty_directory(tmp_path):
    _, _, steps = training(directory=tmp_path / "a", num_steps=1)
    list(steps)
    model = nn.Linear(3, 3)
    loss = lambda model, batch, generator: model(batch[0]).sum()  # noqa: E731
    batches = Batches(torch.zeros(4, 3), batch_size=2)
    with pytest.raises(ValueError, match="do not fit: weight is missing"):
        list(fit(model, loss, batches, num_steps=2, device="cpu", directory=tmp_path / "a", resume=True))
    with pytest.raises(FileNotFoundError, match="no checkpoint in"):
        list(fit(model, loss, batches, num_steps=2, device="cpu", directory=tmp_path / "b", resume=True))


@pytest.mark.parametrize(
    "settings, words",
    [
        (dict(num_steps=0), "num_steps, save_every and warmup_steps are 0, 1000 and 100; want at least 1, 1 and 0"),
        (dict(resume=True), "resume is True but directory is None"),
        (dict(device="tpu"), "device is 'tpu'; this machine has"),
    ],
)
def test_bad_arguments(settings, words):
    model = make_tiny_model()
    loss, batches = diffusion_loss(model.schedule, drop=0.1), Batches(*latents(), batch_size=8)
    with pytest.raises(ValueError, match=words):
        list(fit(model, loss, batches, **dict(num_steps=1, device="cpu") | settings))


def test_a_second_training_may_want_another_precision():
    """Accelerate keeps one state a process, which must not outlive a training."""
    for mixed_precision in ("no", "bf16", "no"):
        model, _, steps = training(mixed_precision=mixed_precision, num_steps=2)
        assert all(step.loss.isfinite() and step.loss.dtype == torch.float32 for step in steps)
        assert all(p.dtype == torch.float32 for p in model.parameters())


def test_device_is_the_first_there_is():
    assert choose_device("cpu").type == "cpu"
    assert choose_device().type == (
        "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    )


def test_diffusion_loss_is_its_formula():
    """At drop = 1 and with a model that answers 0 the loss is E |v|^2, recomputed here from the same draws."""
    model = make_tiny_model()
    mean, std, y = latents(512)
    seen = {}

    def silent(z_t, t, condition, dropped):
        seen.update(z_t=z_t, t=t, dropped=dropped)
        return torch.zeros_like(z_t)

    value = diffusion_loss(model.schedule, drop=1.0)(silent, (mean, std, y), seeded(5))
    generator = seeded(5)
    eps, z0 = torch.randn(mean.shape, generator=generator), mean + std * torch.randn(mean.shape, generator=generator)
    alpha_bar = model.schedule.at(seen["t"], z0)
    z_t = alpha_bar.sqrt().float() * z0 + (1 - alpha_bar).sqrt().float() * eps
    torch.testing.assert_close(seen["z_t"], z_t)
    v = alpha_bar.sqrt().float() * eps - (1 - alpha_bar).sqrt().float() * z0
    torch.testing.assert_close(value, v.square().mean(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(v_from_eps(z_t, eps, alpha_bar), v, rtol=1e-2, atol=2e-2)
    assert seen["dropped"].all()
    assert seen["t"].min() <= 2 and set(seen["t"].sort().values.diff().tolist()) == {1, 2}  # evenly over 0..999


def test_the_condition_is_dropped_at_the_stated_rate():
    model, n, p = make_tiny_model(), 20_000, 0.15
    seen = []
    silent = lambda z_t, t, condition, dropped: seen.append(dropped) or z_t  # noqa: E731
    diffusion_loss(model.schedule, drop=p)(silent, latents(n), seeded())
    assert abs(float(seen[0].double().mean()) - p) < 4 * (p * (1 - p) / n) ** 0.5


def test_denoising_score_matching_is_explicit_score_matching_up_to_a_constant():
    """For any s, E sigma^2 |s + eps / sigma|^2 less that of the true score is E sigma^2 |s - true|^2 (Vincent 2011).

    On N(0, 1.5^2) at sigma = 0.8, where the true score is -x / (1.5^2 + 0.8^2); both sides from the same draws.
    """
    sigma, variance, n = 0.8, 1.5**2 + 0.8**2, 400_000
    x0 = 1.5 * torch.randn(n, 1, dtype=torch.float64, generator=seeded(1))
    loss = score_matching_loss([sigma])
    true = lambda x, sigma: -x / variance  # noqa: E731
    other = lambda x, sigma: x.tanh() - 0.1  # noqa: E731
    left = loss(other, (x0,), seeded(2)) - loss(true, (x0,), seeded(2))
    generator = seeded(2)
    torch.randint(1, (n,), generator=generator)
    eps = torch.randn(n, 1, dtype=torch.float64, generator=generator)
    x = x0 + sigma * eps
    right = (sigma * (other(x, sigma) - true(x, sigma))).square()
    cross = 2 * sigma * (other(x, sigma) - true(x, sigma)) * (sigma * true(x, sigma) + eps)  # of mean zero
    assert abs(float(left - right.mean())) < 4 * float(cross.std()) / n**0.5
    assert float(right.mean()) > 40 * float(cross.std()) / n**0.5


def test_score_network_learns_the_score_of_a_gaussian():
    """In 600 steps, to 5 % of its mean square, at both ends of the ladder."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = ScoreNetwork(width=64)
    average = copy.deepcopy(network)
    x0 = 0.5 * torch.randn(10_000, 2, generator=seeded(1)) + 1
    settings = dict(num_steps=600, learning_rate=5e-3, average=average, average_decay=0.99, device="cpu")
    for _ in fit(network, score_matching_loss([2.0, 0.2]), Batches(x0, batch_size=256), **settings):
        pass
    for sigma in (2.0, 0.2):
        x = 1 + (0.25 + sigma**2) ** 0.5 * torch.randn(1000, 2, generator=seeded(2))
        true = -(x - 1) / (0.25 + sigma**2)
        error = (average(x, torch.full((1000,), sigma)) - true).square().mean() / true.square().mean()
        assert error < 0.05
    with pytest.raises(ValueError, match=r"want \(B, d\) and \(B,\)"):
        network(x, torch.ones(3))


def test_autoencoder_loss_adds_its_terms():
    autoencoder, eyes = make_tiny_model().autoencoder, ImageClassifier(widths=(4, 4, 4))
    x = torch.rand(4, 1, 12, 12, generator=seeded()) * 2 - 1
    values = [
        autoencoder_loss(eyes, regularizer=kl_per_element, weight=k, perceptual_weight=p)(autoencoder, (x,), seeded(1))
        for k, p in ((0, 0), (1, 0), (0, 1))
    ]
    reconstruction, posterior = autoencoder(x, seeded(1))
    torch.testing.assert_close(values[0], (reconstruction - x).square().mean())
    torch.testing.assert_close(values[1] - values[0], posterior.kl().mean(), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(
        values[2] - values[0], perceptual_distance(eyes, reconstruction, x), rtol=1e-3, atol=1e-4
    )
    assert perceptual_distance(eyes, x, x) == 0 < perceptual_distance(eyes, x, -x)


def meta_loss(model, batch, generator):
    return diffusion_loss(model.schedule, drop=0.2)(model, batch, generator)


def test_a_training_step_on_meta_reads_nothing_back():
    """On the meta device .item() and most mixing with the CPU are errors: here in a whole step."""
    model = make_tiny_model().train()
    schedule, model.schedule = model.schedule, None
    model, average = model.to("meta"), copy.deepcopy(model).to("meta")
    model.schedule = schedule
    batch = tuple(b[:8].to("meta") for b in latents())
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], 1e-3)
    value = meta_loss(model, batch, None)
    value.backward()
    nn.utils.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], 1.0)
    optimizer.step()
    update_average(average, model, 0, 0.999)
    assert value.device.type == "meta"
    with pytest.raises(RuntimeError, match=r"cannot be called on meta tensors"):
        value.item()


def test_mirrored_turns_half_of_the_images_and_keeps_the_labels():
    x, y, seen = torch.arange(6.0).reshape(1, 1, 2, 3).repeat(1000, 1, 1, 1), torch.arange(1000), []
    mirrored(lambda model, batch, generator: seen.extend(batch))(None, (x, y), seeded())
    turned = (seen[0] == x.flip(-1)).all(dim=(1, 2, 3))
    assert ((seen[0] == x).all(dim=(1, 2, 3)) ^ turned).all() and torch.equal(seen[1], y)
    assert abs(int(turned.sum()) - 500) < 4 * 250**0.5


def test_classification_loss_of_a_uniform_classifier_is_log_k():
    uniform = lambda x: torch.zeros(len(x), 10)  # noqa: E731
    batch = torch.zeros(4, 1, 28, 28), torch.arange(4)
    assert float(classification_loss(uniform, batch, None)) == pytest.approx(2.302585, abs=1e-5)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_both_stages_train_quickly_on_a_gpu():
    """What notebook 08 does, with `--quick`."""
    first = recipes.fashion_autoencoder(quick=True)
    losses = [float(step.loss) for step in first.fit(device="cuda")]
    assert losses[-1] < losses[0] / 5
    second = recipes.fashion_class(quick=True, autoencoder=first.average.cpu())
    losses = [float(step.loss) for step in second.fit(device="cuda")]
    assert sum(losses[-20:]) / 20 < 0.8 * losses[0]
    assert second.average.sample([0, 1], w=2.0, num_steps=4).is_cuda


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_a_training_step_with_mixed_precision_on_a_gpu():
    model, average, steps = training(device="cuda", num_steps=5)
    losses = [float(step.loss) for step in steps]
    assert all(loss == loss for loss in losses) and next(model.unet.parameters()).is_cuda and weights(average).is_cuda


def test_two_processes_train_one_model(tmp_path):
    """Two gloo ranks: different batches, the same weights after each step."""
    script = tmp_path / "ranks.py"
    script.write_text(
        textwrap.dedent(f"""
        import sys; sys.path.insert(0, {str(ROOT)!r})
        from pathlib import Path
        from tests.practice.test_training import training, weights
        from accelerate import Accelerator
        model, average, steps = training(num_steps=3)
        losses = [float(step.loss) for step in steps]
        rank = Accelerator(cpu=True).process_index
        Path({str(tmp_path)!r}, f"rank{{rank}}").write_text(f"{{losses}} {{weights(model).sum().item()!r}}")
        """)
    )
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", str(script)]
    env = dict(os.environ, OMP_NUM_THREADS="1", ACCELERATE_USE_CPU="true")
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=300)
    assert done.returncode == 0, done.stderr
    ranks = [(tmp_path / f"rank{i}").read_text().rsplit(" ", 1) for i in range(2)]
    assert ranks[0][0] != ranks[1][0] and ranks[0][1] == ranks[1][1]


def test_the_two_conventions_of_the_kl_penalty():
    """Nats an image are the sum, nats an element the mean: they differ by the number of elements."""
    posterior = DiagonalGaussian(torch.full((3, 2, 4, 4), 1.0), torch.ones(3, 2, 4, 4))  # 1/2 nat each
    assert float(kl_per_element(posterior)) == pytest.approx(0.5)
    assert float(kl_per_image(posterior)) == pytest.approx(0.5 * 32)


def test_codebook_loss_moves_codes_and_holds_latents():
    z = torch.randn(2, 3, 4, 4, generator=seeded(), requires_grad=True)
    quantized = (z.detach() + 0.5).requires_grad_()
    loss = codebook_loss(Codes(z, quantized, torch.zeros(2, 4, 4, dtype=torch.int64)), commitment=0.25)
    assert float(loss.detach()) == pytest.approx(1.25 * 0.25)
    to_latent, to_code = torch.autograd.grad(loss, (z, quantized))
    torch.testing.assert_close(to_code, torch.full_like(z, 2 * 0.5 / z.numel()))
    torch.testing.assert_close(to_latent, -0.25 * to_code)


def criticized() -> CriticizedAutoencoder:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        autoencoder = KLAutoencoder(image_size=(12, 12), latent_channels=2, widths=(8, 8), depths=(1, 1))
        return CriticizedAutoencoder(autoencoder, PatchCritic(width=8))


def adversarial(**settings):
    defaults = dict(regularizer=kl_per_element, weight=1e-3, perceptual_weight=0, critic_weight=0.5, critic_start=0)
    return adversarial_loss(None, **defaults | settings)


def test_hinge_loss_is_zero_past_the_margins():
    real, fake = torch.tensor([2.0, 0.0]), torch.tensor([-3.0, 0.5])
    assert float(hinge_loss(real, fake)) == pytest.approx((1 / 2 + 1.5 / 2) / 2)
    assert float(hinge_loss(torch.tensor([1.0]), torch.tensor([-1.0]))) == 0


def test_adaptive_weight_makes_two_pulls_equal():
    layer = torch.randn(3, 4, generator=seeded(), requires_grad=True)
    a, b = layer.square().sum(), 10 * layer.sin().sum()
    weight = adaptive_weight(a, b, layer)
    pull = [torch.autograd.grad(loss, layer, retain_graph=True)[0].norm() for loss in (a, weight * b)]
    assert float(pull[0]) == pytest.approx(float(pull[1]), rel=1e-4)
    assert float(adaptive_weight(1e9 * a, 0 * b, layer)) == pytest.approx(1e4)


@pytest.mark.parametrize("critic_weight", [0.0, 0.5])
def test_the_critic_and_the_autoencoder_have_gradients_of_their_own_loss_only(critic_weight):
    """The critic's gradient is that of the hinge loss; with no critic weight the autoencoder's is the plain one."""
    model, x = criticized().train(), torch.rand(4, 1, 12, 12, generator=seeded()) * 2 - 1
    adversarial(critic_weight=critic_weight)(model, (x,), seeded()).backward()
    ours = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    model.zero_grad()
    autoencoder_loss(None, regularizer=kl_per_element, weight=1e-3, perceptual_weight=0)(
        model.autoencoder, (x,), seeded()
    ).backward()
    reconstruction = model.autoencoder(x, seeded())[0].detach()
    hinge_loss(model.critic(x), model.critic(reconstruction)).backward()
    for name, parameter in model.named_parameters():
        if critic_weight == 0 or name.startswith("critic"):
            torch.testing.assert_close(ours[name], parameter.grad, msg=name)


def test_the_critic_is_heard_from_its_start_on_and_wants_higher_scores():
    model, x = criticized().train(), torch.rand(4, 1, 12, 12, generator=seeded()) * 2 - 1
    with torch.no_grad():
        model.autoencoder.decoder[-2].weight.normal_(generator=seeded())

    def gradient(**settings) -> torch.Tensor:
        model.zero_grad()
        loss = adversarial(**settings)(model, (x,), seeded())
        loss.backward()
        return model.last_layer.grad.clone()

    assert int(model.steps) == 0
    silent = gradient(critic_start=1)
    assert int(model.steps) == 1
    heard = gradient(critic_start=1)
    assert torch.equal(silent, gradient(critic_start=100))
    fooled = model(x, seeded()).fooled.mean()
    up = torch.autograd.grad(fooled, model.last_layer)[0]
    pull = heard - silent
    torch.testing.assert_close(pull / pull.norm(), -up / up.norm(), rtol=0, atol=1e-4)


def test_an_adversarial_training_resumes_and_saves_the_autoencoder_alone(tmp_path):
    x = torch.rand(32, 1, 12, 12, generator=seeded()) * 2 - 1

    def run(**settings) -> CriticizedAutoencoder:
        model = criticized()
        batches = Batches(x, batch_size=8)
        for _ in fit(model, adversarial(critic_start=3), batches, device="cpu", directory=tmp_path / "s", **settings):
            pass
        return model

    whole = run(num_steps=6)
    steps = fit(criticized(), adversarial(critic_start=3), Batches(x, batch_size=8), num_steps=6, device="cpu",
                directory=tmp_path / "s", save_every=2)  # fmt: skip
    for _ in range(3):
        next(steps)
    steps.close()
    resumed = run(num_steps=6, resume=True)
    assert torch.equal(weights(whole), weights(resumed)) and int(resumed.steps) == 6
    resumed.save(tmp_path / "a")
    KLAutoencoder.load(tmp_path / "a")


def test_an_adversarial_step_on_codes_reads_nothing_back_on_meta():
    autoencoder = VQAutoencoder(num_codes=16, image_size=(12, 12), latent_channels=2, widths=(8, 8), depths=(1, 1))
    model = CriticizedAutoencoder(autoencoder, PatchCritic(width=8)).to("meta").train()
    average = copy.deepcopy(model)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    loss = adversarial(regularizer=codebook_loss, weight=1.0)
    value = loss(model, (torch.zeros(4, 1, 12, 12, device="meta"),), None)
    value.backward()
    optimizer.step()
    update_average(average, model, 0, 0.999)
    assert value.device.type == "meta"


@pytest.mark.parametrize("name", AUTOENCODER_RECIPES)
def test_every_autoencoder_recipe_takes_a_step(name):
    training = AUTOENCODER_RECIPES[name](quick=True)
    step = next(training.fit(device="cpu"))
    assert step.loss.isfinite() and training.num_steps == 200
    assert training.batches.batch_size == 32


def test_timesteps_of_a_batch_are_spread_evenly_and_each_is_uniform():
    t = torch.stack([spread_timesteps(8, 100, seeded(i), torch.device("cpu")) for i in range(4000)])  # (N, 8)
    assert ((t[:, 1:] - t[:, :-1]) % 100 - 12.5).abs().max() <= 0.5
    mean, error = t[:, 3].double().mean(), 100 / 12**0.5 / 4000**0.5
    assert t.min() == 0 and t.max() == 99 and abs(mean - 49.5) < 4 * error


def test_noisy_classification_loss_is_cross_entropy_at_its_noise_level():
    """A classifier that scores one pixel of z_t: the loss by hand from the same draws; one step means t = 0 alone."""
    schedule, seen = NoiseSchedule.cosine(), []

    def model(z_t, t):
        seen.append((z_t, t))
        return torch.stack([z_t[:, 0, 0, 0], -z_t[:, 0, 0, 0]], dim=1)

    mean, y = torch.randn(6, 2, 4, 4, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 0, 1, 0, 1])
    batch = (mean, torch.full_like(mean, 0.1), y)
    value = noisy_classification_loss(schedule)(model, batch, torch.Generator().manual_seed(1))
    (z_t, t) = seen.pop()
    score = z_t[:, 0, 0, 0] * (1 - 2 * y)
    torch.testing.assert_close(value, torch.log1p(torch.exp(-2 * score)).mean())
    generator = torch.Generator().manual_seed(1)
    eps = torch.randn(mean.shape, generator=generator)
    assert len(t.unique()) == 6
    alpha_bar = schedule.at(t, mean).float()
    z0 = (z_t - (1 - alpha_bar).sqrt() * eps) / alpha_bar.sqrt()
    quiet = alpha_bar.flatten() > 0.1
    assert (z0 - mean)[quiet].std() == pytest.approx(0.1, rel=0.2)
    noisy_classification_loss(schedule, num_steps=1)(model, batch, generator)
    z_t, t = seen.pop()
    assert (t == 0).all() and (z_t - mean).abs().max() < 1
