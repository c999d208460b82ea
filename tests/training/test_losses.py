import copy

import pytest
import torch

from ldm_teach.data.emoji import as_images
from ldm_teach.models.autoencoder import DiagonalGaussian, KLAutoencoder
from ldm_teach.models.classifier import ImageClassifier
from ldm_teach.models.critic import CriticizedAutoencoder, PatchCritic
from ldm_teach.models.picture_judge import PictureJudge
from ldm_teach.models.vector_quantization import Codes, VQAutoencoder
from ldm_teach.theory.parameterization import v_from_eps
from ldm_teach.theory.schedule import NoiseSchedule
from ldm_teach.theory.tensors import Share, draw
from ldm_teach.training.batches import Batches
from ldm_teach.training.loop import constant, fit, update_average
from ldm_teach.training.losses import (
    adaptive_weight,
    adversarial_loss,
    autoencoder_loss,
    captioned,
    classification_loss,
    codebook_loss,
    cut,
    diffusion_loss,
    edge_distance,
    hinge_loss,
    jitter,
    judgement_loss,
    kl_per_element,
    kl_per_image,
    mirrored,
    noisy_classification_loss,
    of_bytes,
    on_images,
    perceptual_distance,
    reconstruction_loss,
    score_matching_loss,
    spread_timesteps,
)
from tests.helpers import latents, make_prompt_encoder, make_tiny_model, seeded, weights


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


def score_of_standard_noise(x, sigma):
    return -x / (1 + sigma[:, None] ** 2)


SCHEDULE = NoiseSchedule.cosine()


def say(names: torch.Tensor, styles: torch.Tensor, generator) -> list[str]:
    """A caption of the style and, as the draw has it, one of two words of the name: "ink: red heart" """
    first = draw(torch.rand, names.shape, torch.zeros(()), generator) < 0.5
    words = [("red", "blue"), ("blue", "heart"), ("heart", "red")]
    pairs = zip(names.tolist(), styles.tolist(), first.tolist(), strict=True)
    return [f"{('oil', 'ink')[style]}: {words[name][one]}" for name, style, one in pairs]


def prompted_batch(n: int = 12) -> tuple[torch.Tensor, ...]:
    """Posterior moments, names and styles."""
    return *latents(n), torch.arange(n) % 2


IN_SHARES = {
    "captioned": (
        captioned(diffusion_loss(SCHEDULE, drop=0.3), say, drop_style=0.2, drop_words=0.3),
        make_tiny_model(make_encoder=make_prompt_encoder),
        prompted_batch(),
    ),
    "jitter": (lambda model, batch, generator: jitter(batch[0], generator).square().mean(), None, latents(12)),
    "cut": (lambda model, batch, generator: cut(batch[0], generator).square().mean(), None, latents(12)),
    "diffusion": (diffusion_loss(SCHEDULE, drop=0.3), make_tiny_model(), latents(12)),
    "noisy classification": (
        noisy_classification_loss(SCHEDULE),
        lambda z_t, t: z_t.flatten(1)[:, :3] + t[:, None] / 1000,
        latents(12),
    ),
    "score matching": (score_matching_loss([0.1, 1.0, 5.0]), score_of_standard_noise, (latents(12)[0].flatten(1),)),
    "mirrored": (mirrored(lambda model, batch, generator: batch[0].cumsum(-1).square().mean()), None, latents(12)),
    "autoencoder": (
        autoencoder_loss(None, regularizer=kl_per_element, weight=0.1, perceptual_weight=0),
        make_tiny_model().autoencoder,
        (torch.rand(12, 1, 12, 12, generator=seeded()),),
    ),
}


@torch.no_grad()
@pytest.mark.parametrize("name", IN_SHARES)
@pytest.mark.parametrize("count", [2, 3])
def test_a_loss_is_the_mean_of_those_of_the_shares_of_its_batch(name, count):
    loss, model, batch = IN_SHARES[name]
    whole = loss(model, batch, seeded(7))
    parts = [
        loss(model, tuple(column.chunk(count)[index] for column in batch), Share(seeded(7), index, count))
        for index in range(count)
    ]
    torch.testing.assert_close(torch.stack(parts).mean(), whole, rtol=1e-5, atol=1e-6)
    same = [loss(model, tuple(column.chunk(count)[index] for column in batch), seeded(7)) for index in range(count)]
    assert abs(float(torch.stack(same).mean() - whole)) > 1e-4  # had each drawn for itself


def test_the_condition_is_dropped_at_the_stated_rate():
    model, n, p = make_tiny_model(), 20_000, 0.15
    seen = []
    silent = lambda z_t, t, condition, dropped: seen.append(dropped) or z_t
    diffusion_loss(model.schedule, drop=p)(silent, latents(n), seeded())
    assert abs(float(seen[0].double().mean()) - p) < 4 * (p * (1 - p) / n) ** 0.5


def test_denoising_score_matching_is_explicit_score_matching_up_to_a_constant():
    """For any s, E sigma^2 |s + eps / sigma|^2 less that of the true score is E sigma^2 |s - true|^2 (Vincent 2011).

    On N(0, 1.5^2) at sigma = 0.8, where the true score is -x / (1.5^2 + 0.8^2); both sides from the same draws.
    """
    sigma, variance, n = 0.8, 1.5**2 + 0.8**2, 400_000
    x0 = 1.5 * torch.randn(n, 1, dtype=torch.float64, generator=seeded(1))
    loss = score_matching_loss([sigma])
    true = lambda x, sigma: -x / variance
    other = lambda x, sigma: x.tanh() - 0.1
    left = loss(other, (x0,), seeded(2)) - loss(true, (x0,), seeded(2))
    generator = seeded(2)
    torch.randint(1, (n,), generator=generator)
    eps = torch.randn(n, 1, dtype=torch.float64, generator=generator)
    x = x0 + sigma * eps
    right = (sigma * (other(x, sigma) - true(x, sigma))).square()
    cross = 2 * sigma * (other(x, sigma) - true(x, sigma)) * (sigma * true(x, sigma) + eps)  # of mean zero
    assert abs(float(left - right.mean())) < 4 * float(cross.std()) / n**0.5
    assert float(right.mean()) > 40 * float(cross.std()) / n**0.5


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


def test_mirrored_turns_half_of_the_images_and_keeps_the_labels():
    x, y, seen = torch.arange(6.0).reshape(1, 1, 2, 3).repeat(1000, 1, 1, 1), torch.arange(1000), []
    mirrored(lambda model, batch, generator: seen.extend(batch))(None, (x, y), seeded())
    turned = (seen[0] == x.flip(-1)).all(dim=(1, 2, 3))
    assert ((seen[0] == x).all(dim=(1, 2, 3)) ^ turned).all() and torch.equal(seen[1], y)
    assert abs(int(turned.sum()) - 500) < 4 * 250**0.5


def test_classification_loss_of_a_uniform_classifier_is_log_k():
    uniform = lambda x: torch.zeros(len(x), 10)
    batch = torch.zeros(4, 1, 28, 28), torch.arange(4)
    assert float(classification_loss(uniform, batch, None)) == pytest.approx(2.302585, abs=1e-5)


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
        for _ in fit(model, adversarial(critic_start=3), batches, device="cpu", **settings):
            pass
        return model

    whole = run(num_steps=6)
    steps = fit(criticized(), adversarial(critic_start=3), Batches(x, batch_size=8), num_steps=6, device="cpu",
                directory=tmp_path / "s", save_every=2)  # fmt: skip
    for _ in range(3):
        next(steps)
    steps.close()
    resumed = run(num_steps=6, directory=tmp_path / "s", resume=True)
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


def test_images_encoded_in_the_step_give_the_loss_of_their_moments():
    model = make_tiny_model()
    x, y = torch.rand(6, 1, 12, 12, generator=seeded()) * 2 - 1, torch.arange(6) % 3
    posterior, loss = model.autoencoder.encode(x), diffusion_loss(model.schedule, drop=0.2)
    moments = model.standardize(posterior.mean), posterior.std / model.latent_std
    assert torch.equal(on_images(loss)(model, (x, y), seeded(1)), loss(model, (*moments, y), seeded(1)))
    on_images(loss)(model, (x, y), seeded()).backward()
    assert all(p.grad is None for p in model.autoencoder.parameters()) and model.encoder.null.grad is not None


def test_captions_are_drawn_in_the_step_and_dropped_in_part_at_the_stated_rates():
    model, n, rates = make_tiny_model(make_encoder=make_prompt_encoder), 20_000, dict(drop_style=0.1, drop_words=0.2)
    batch, seen = prompted_batch(n), []
    loss = captioned(lambda model, batch, generator: seen.append(batch[2]) or batch[0].mean(), say, **rates)
    loss(model, batch, seeded(1))
    loss(model, batch, seeded(2))
    first, second = seen
    assert not torch.equal(first, second) and not first[:, 2].any()
    no_style, no_words = first[:, 0] == 0, first[:, 1] == 0
    for found, p in ((no_style, 0.1), (no_words, 0.2)):
        assert abs(float(found.double().mean()) - p) < 4 * (p * (1 - p) / n) ** 0.5
    assert not (no_style & no_words).any()
    assert torch.equal(first[~no_style, 0], 1 + batch[3][~no_style])
    allowed = torch.tensor([[1, 2], [2, 3], [3, 1]])[batch[2]]  # the words of each name
    assert (allowed == first[:, 1:2]).any(1)[~no_words].all()


def test_a_captioned_training_resumes_to_the_very_weights_of_one_that_was_not_stopped(tmp_path):
    def steps(num_steps, **settings):
        model = make_tiny_model(make_encoder=make_prompt_encoder)
        loss = captioned(diffusion_loss(model.schedule, drop=0.1), say, drop_style=0.2, drop_words=0.2)
        batches = Batches(*prompted_batch(32), batch_size=8)
        for _ in fit(model, loss, batches, num_steps=num_steps, decay=constant, device="cpu", **settings):
            pass
        return weights(model)

    whole, half = steps(6), steps(3, directory=tmp_path)
    assert not torch.equal(half, whole)
    assert torch.equal(steps(6, directory=tmp_path, resume=True), whole)


def test_images_of_bytes_are_what_they_mean():
    x = torch.tensor([[[[0, 255]]]], dtype=torch.uint8)
    assert of_bytes(lambda model, batch, generator: batch[0])(None, (x, x), None).tolist() == [[[[-1.0, 1.0]]]]
    assert torch.equal(of_bytes(lambda model, batch, generator: batch[0])(None, (x,), None), as_images(x))


def test_jittered_images_move_on_white_and_stay_as_they_are_without_room():
    x = torch.ones(200, 1, 16, 16)
    x[:, :, 6:10, 6:10] = -1
    moved = jitter(x, seeded(), shift=0.2, zoom=0.2)
    assert float(moved[:, :, 0, 0].min()) == 1
    dark = (1 - moved).flatten(1).sum(1)  # 32 where nothing is enlarged: area goes with the square of the zoom
    assert 20 < float(dark.min()) < 26 and 42 < float(dark.max()) < 52
    rows = (1 - moved).sum((1, 3))  # (B, H)
    centres = (rows * torch.arange(16)).sum(1) / rows.sum(1)
    assert float(centres.min()) < 5.5 and float(centres.max()) > 9.5
    torch.testing.assert_close(jitter(x, seeded(), shift=0, zoom=0), x)


def test_a_cut_is_a_part_of_its_image_anywhere_in_it():
    places = torch.arange(8.0)[:, None] * 10 + torch.arange(12.0)  # each pixel says its row and its column
    parts = cut(places.expand(500, 2, 8, 12), seeded(), share=0.5)
    assert parts.shape == (500, 2, 4, 6)
    corner = parts[:, :, :1, :1]
    torch.testing.assert_close(parts, corner + places[:4, :6])
    assert set((corner[:, 0, 0, 0] // 10).tolist()) == {0, 1, 2, 3, 4}
    assert set((corner[:, 0, 0, 0] % 10).tolist()) == {0, 1, 2, 3, 4, 5, 6}


def test_edges_cost_what_they_lack_and_a_shift_in_brightness_nothing():
    x = torch.zeros(1, 1, 4, 4)
    x[..., 2:] = 1  # a step of height 1 between two columns: 4 of 12 differences to the right
    assert float(edge_distance(x, x + 0.5)) == 0
    torch.testing.assert_close(edge_distance(x, torch.zeros_like(x)), torch.tensor(1 / 3))


def test_reconstruction_loss_adds_absolute_and_edge_errors():
    x, y = (torch.rand(2, 1, 8, 8, generator=seeded(seed)) for seed in (1, 2))
    plain, loss = reconstruction_loss(None, 0), reconstruction_loss(None, 0, absolute_weight=0.1, edge_weight=0.2)
    torch.testing.assert_close(loss(x, y), plain(x, y) + 0.1 * (x - y).abs().mean() + 0.2 * edge_distance(x, y))


def test_judgement_loss_of_a_judge_that_knows_nothing_is_the_sum_of_three_logs():
    silent = lambda x, styled: (torch.zeros(2, 7), torch.zeros(2, 5), torch.zeros(2, 3))
    labels = torch.tensor([0, 1])
    value = judgement_loss(silent, (torch.zeros(2, 3, 8, 8), labels, labels, labels), None)
    torch.testing.assert_close(value, torch.tensor(7.0 * 5 * 3).log())


def test_a_judge_learns_names_styles_and_groups_together():
    model = PictureJudge(4, 2, 2, 1, (4, 4, 4, 4), (4, 4, 4, 4), 4)
    loss = judgement_loss(
        model, (torch.rand(2, 1, 16, 16, generator=seeded()), *torch.tensor([[0, 3], [0, 1], [1, 0]])), None
    )
    loss.backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())
