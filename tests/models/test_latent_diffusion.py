import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from ldm_teach.models.conditioning import ClassEncoder
from ldm_teach.models.latent_diffusion import LatentDiffusion
from ldm_teach.models.pixels import Pixels
from ldm_teach.models.unet import UNet
from ldm_teach.models.vector_quantization import VQAutoencoder
from ldm_teach.theory.editing import image_to_image, inpainting
from ldm_teach.theory.guidance import autoguidance, classifier_free_guidance, on_interval
from ldm_teach.theory.samplers import ddim, ddpm, dpm_solver, final
from ldm_teach.theory.schedule import NoiseSchedule
from tests.helpers import make_tiny_model, seeded, to_fake_gpu

LABELS = torch.tensor([0, 1, 2, 1])


def points(model: LatentDiffusion):
    return torch.randn(4, *model.autoencoder.latent_shape, generator=seeded(1)), torch.tensor([5, 300, 700, 999])


@torch.no_grad()
@pytest.mark.parametrize("w", [-1.0, 0.0, 0.7, 3.0])
def test_one_call_on_both_branches_is_guidance_of_two_denoisers(tiny_model, w):
    z_t, t = points(tiny_model)
    conditional, unconditional = tiny_model.denoiser(LABELS, w=0.0), tiny_model.denoiser(None)
    want = classifier_free_guidance(conditional, unconditional, w)(z_t, t)
    torch.testing.assert_close(tiny_model.denoiser(LABELS, w=w)(z_t, t), want, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_a_weight_for_each_sample(tiny_model):
    z_t, t = points(tiny_model)
    w = torch.tensor([-1.0, 0.0, 1.0, 4.0])
    together = tiny_model.denoiser(LABELS, w=w)(z_t, t)
    for i in range(4):
        alone = tiny_model.denoiser(LABELS[i : i + 1], w=float(w[i]))(z_t[i : i + 1], t[i : i + 1])
        torch.testing.assert_close(together[i : i + 1], alone, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_guided_denoiser_calls_the_network_once(tiny_model):
    batches = []
    tiny_model.unet.register_forward_pre_hook(lambda module, arguments: batches.append(len(arguments[0])))
    z_t, t = points(tiny_model)
    for w in (2.0, 0.0):
        tiny_model.denoiser(LABELS, w=w)(z_t, t)
    assert batches == [8, 4]


@torch.no_grad()
def test_guidance_on_an_interval_is_the_law_and_costs_one_branch_outside(tiny_model):
    z_t, t = points(tiny_model)  # t = 5, 300, 700, 999
    guided, plain = tiny_model.denoiser(LABELS, w=3.0), tiny_model.denoiser(LABELS)
    limited = tiny_model.denoiser(LABELS, w=3.0, interval=(300, 700))
    torch.testing.assert_close(limited(z_t, t), on_interval(guided, plain, 300, 700)(z_t, t), rtol=1e-4, atol=1e-5)
    assert torch.equal(limited(z_t, t)[1:3], guided(z_t, t)[1:3])
    batches = []
    tiny_model.unet.register_forward_pre_hook(lambda module, arguments: batches.append(len(arguments[0])))
    for k in (299, 300, 700, 701):
        limited(z_t, torch.full((4,), k))
    assert batches == [4, 8, 8, 4]
    everywhere = tiny_model.sample(LABELS, w=4.0, interval=(0, 999), num_steps=5, generator=seeded())
    assert torch.equal(everywhere, tiny_model.sample(LABELS, w=4.0, num_steps=5, generator=seeded()))
    limited_too = tiny_model.sample(LABELS, w=4.0, interval=(300, 700), num_steps=5, generator=seeded())
    assert torch.equal(
        limited_too,
        tiny_model.draw(tiny_model.denoiser(LABELS, w=4.0, interval=(300, 700)), 4, num_steps=5, generator=seeded()),
    )


def test_without_a_weight_the_guidance_is_that_recommended_for_the_condition(tiny_model):
    w, interval = ClassEncoder.guidance

    def sample(**guidance):
        return tiny_model.sample(LABELS, num_steps=5, generator=seeded(), **guidance)

    assert interval is not None and torch.equal(sample(), sample(w=w, interval=interval))
    assert torch.equal(sample(interval=(0, 400)), sample(w=w, interval=(0, 400)))
    assert not torch.allclose(sample(), sample(w=w)) and not torch.allclose(sample(), sample(w=0.0))


def test_dropping_the_condition_is_the_null_condition(tiny_model):
    z_t, t = points(tiny_model)
    dropped = tiny_model(z_t, t, LABELS, torch.ones(4, dtype=torch.bool))
    torch.testing.assert_close(dropped, tiny_model.unet(z_t, t, tiny_model.encoder.null.expand(4, -1, -1)))
    kept = tiny_model(z_t, t, LABELS, torch.zeros(4, dtype=torch.bool))
    torch.testing.assert_close(kept, tiny_model(z_t, t, LABELS))
    assert not torch.allclose(dropped, kept)


def test_sample_is_reproducible_and_within_range(tiny_model):
    x = tiny_model.sample(LABELS, w=1.0, num_steps=4, generator=seeded())
    assert x.shape == (4, 1, 12, 12) and x.dtype == torch.float32 and not x.requires_grad
    assert x.min() >= -1 and x.max() <= 1
    assert torch.equal(x, tiny_model.sample(LABELS, w=1.0, num_steps=4, generator=seeded()))
    assert not torch.equal(x, tiny_model.sample(LABELS, w=1.0, num_steps=4, generator=seeded(1)))
    assert tiny_model.sample(None, batch_size=2, num_steps=2).shape == (2, 1, 12, 12)
    assert tiny_model.sample([0, 1], num_steps=2, sampler=ddpm).shape == (2, 1, 12, 12)


def test_encode_and_decode_undo_the_standardization(tiny_model):
    x = torch.rand(2, 1, 12, 12, generator=seeded()) * 2 - 1
    with torch.no_grad():
        z = tiny_model.autoencoder.encode(x).mean
        torch.testing.assert_close(tiny_model.encode(x) * 1.5 + 0.1, z, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(
            tiny_model.decode(tiny_model.encode(x)), tiny_model.autoencoder.decode(z).clamp(-1, 1)
        )


def test_measured_latents_have_mean_zero_and_variance_one(tiny_model):
    mean = torch.randn(500, 2, 4, 4, generator=seeded()) * torch.tensor([2.0, 0.5])[:, None, None] + 3
    std = 0.1 + torch.rand(500, 2, 4, 4, generator=seeded(1))
    tiny_model.measure_latents(mean, std)
    z = tiny_model.standardize(mean + std * torch.randn(mean.shape, generator=seeded(2)))
    n = 500 * 16  # numbers for each channel: mean and variance within 4 standard errors
    assert (z.mean((0, 2, 3)).abs() < 4 / n**0.5).all()
    assert ((z.var((0, 2, 3)) - 1).abs() < 4 * (2 / n) ** 0.5).all()


def test_save_and_load_keep_the_samples(tiny_model, tmp_path):
    tiny_model.save(tmp_path)
    loaded = LatentDiffusion.load(tmp_path)
    assert torch.equal(loaded.schedule.alpha_bar, tiny_model.schedule.alpha_bar)
    ours, theirs = (m.sample(LABELS, num_steps=3, generator=seeded()) for m in (tiny_model, loaded))
    assert (ours - theirs).abs().mean() < 0.02  # half precision on disk


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda m: m.sample([0, 5]), r"condition holds labels \[0, 5\]; want classes from 0 to 2"),
        (lambda m: m.sample(None), "batch_size is None; want an int of at least 1"),
        (
            lambda m: m.sample([0], interval=(700, 300)),
            r"interval is \(700, 300\); want two timesteps, the first not after",
        ),
        (lambda m: m.sample([0], interval=300), "interval is 300; want 2 ints"),
        (lambda m: m.sample([0], num_steps=0), "num_steps is 0; want an int from 1 to 1000"),
        (lambda m: m.sample([0, 1], w=torch.zeros(3)), r"w is a float32 tensor of shape \(3,\)"),
        (lambda m: LatentDiffusion(m.autoencoder, UNet(channels=4), m.encoder, m.schedule), "unet has 4 channels"),
        (
            lambda m: LatentDiffusion(m.autoencoder, m.unet, ClassEncoder(token_width=16), m.schedule),
            "tokens of width 8",
        ),
    ],
)
def test_bad_arguments(tiny_model, call, words):
    with pytest.raises(ValueError, match=words):
        call(tiny_model)


@pytest.mark.parametrize("w, interval", [(0.0, None), (1.5, None), (1.5, (300, 700))])
def test_a_sampling_run_on_a_fake_gpu_mixes_no_devices_and_reads_nothing_back(tiny_model, w, interval):
    """FakeTensorMode makes CUDA tensors without a GPU: a CPU operand, .item() or a branch on a value is an error."""
    with FakeTensorMode(allow_non_fake_inputs=True):
        to_fake_gpu(tiny_model)
        labels = torch.zeros(4, dtype=torch.int64, device="cuda")
        for sampler in (ddim, ddpm):
            x = tiny_model.sample(labels, w=w, interval=interval, num_steps=3, sampler=sampler)
            assert x.device.type == "cuda" and x.shape == (4, 1, 12, 12)


def on_codes(model: LatentDiffusion) -> LatentDiffusion:
    """The same model on the latents of a VQ autoencoder."""
    autoencoder = VQAutoencoder(num_codes=16, image_size=(12, 12), latent_channels=2, widths=(16, 16), depths=(1, 1))
    return LatentDiffusion(autoencoder, model.unet, model.encoder, model.schedule).eval()


def test_a_model_on_codes_is_saved_with_its_kind_and_decodes_through_the_codebook(tiny_model, tmp_path):
    model = on_codes(tiny_model)
    model.save(tmp_path)
    loaded = LatentDiffusion.load(tmp_path)
    assert type(loaded.autoencoder) is VQAutoencoder
    z = torch.randn(3, 2, 4, 4, generator=seeded())
    codes = loaded.autoencoder.quantize(z).quantized  # the scale of this model is 1
    assert torch.equal(loaded.decode(z), loaded.decode(codes))
    mixed = loaded.sample([0, 1, 2], num_steps=2, generator=seeded())
    assert mixed.shape == (3, 1, 12, 12) and mixed.isfinite().all()


def test_a_model_on_codes_samples_on_a_fake_gpu(tiny_model):
    model = on_codes(tiny_model)
    with FakeTensorMode(allow_non_fake_inputs=True):
        to_fake_gpu(model)
        x = model.sample(torch.zeros(4, dtype=torch.int64, device="cuda"), num_steps=2)
        assert x.device.type == "cuda" and x.shape == (4, 1, 12, 12)


def test_the_fake_gpu_notices_a_tensor_on_the_cpu(tiny_model):
    with FakeTensorMode(allow_non_fake_inputs=True), pytest.raises(RuntimeError, match="device"):
        to_fake_gpu(tiny_model)
        tiny_model._buffers["latent_std"] = torch.ones(2, 1, 1, device="cpu")
        tiny_model.sample(torch.zeros(4, dtype=torch.int64, device="cuda"), num_steps=2)


def test_the_schedule_follows_its_input():
    """What the fake mode misses: a CPU table indexed on another device. `meta` stands for that device."""
    x, t = torch.zeros(2, 3, device="meta"), torch.zeros(2, dtype=torch.int64, device="meta")
    assert NoiseSchedule.linear().at(t, x).device.type == "meta"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_samples_on_a_gpu_equal_those_on_the_cpu():
    """The noise comes from a CPU generator, so only rounding differs."""
    model = make_tiny_model()
    cpu = model.sample(LABELS, num_steps=5, generator=seeded())
    gpu = model.cuda().sample(LABELS, num_steps=5, generator=seeded())
    assert (cpu - gpu.cpu()).abs().mean() < 1e-2


def test_a_batch_size_that_is_not_that_of_the_condition_is_refused(tiny_model):
    assert len(tiny_model.sample(LABELS, num_steps=1, batch_size=len(LABELS))) == len(LABELS)
    with pytest.raises(ValueError, match=f"batch_size is 7; want {len(LABELS)}, one for each entry of condition"):
        tiny_model.sample(LABELS, num_steps=1, batch_size=7)


@pytest.mark.parametrize("w", [float("nan"), float("inf")])
def test_a_weight_that_is_not_finite_is_refused(tiny_model, w):
    with pytest.raises(ValueError, match=f"w is {w}; want a finite number"):
        tiny_model.sample(LABELS, w=w, num_steps=1)


@pytest.mark.parametrize("sampler", [ddim, ddpm])
def test_one_image_of_a_batch_can_be_drawn_again_alone(tiny_model, sampler):
    settings = dict(w=1.5, num_steps=6, sampler=sampler)
    together = tiny_model.sample(LABELS, generator=[seeded(i) for i in range(4)], **settings)
    alone = tiny_model.sample(LABELS[3:], generator=[seeded(3)], **settings)
    torch.testing.assert_close(alone, together[3:], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(alone, tiny_model.sample(LABELS[3:], generator=seeded(3), **settings), rtol=0, atol=0)
    other = tiny_model.sample(LABELS[3:], generator=[seeded(4)], **settings)
    assert (other - alone).abs().max() > 1e-2


def test_the_same_noise_can_be_given(tiny_model):
    x_T = tiny_model.noise(4, seeded(2))
    given = tiny_model.sample(LABELS, num_steps=3, x_T=x_T)
    assert torch.equal(given, tiny_model.sample(LABELS, num_steps=3, generator=seeded(2)))
    assert not torch.equal(given, tiny_model.sample(LABELS, num_steps=3, x_T=tiny_model.noise(4, seeded(3))))
    unconditional = tiny_model.sample(num_steps=3, x_T=x_T)
    assert torch.equal(unconditional, tiny_model.sample(num_steps=3, batch_size=4, generator=seeded(2)))
    part = tiny_model.sample(LABELS[1:3], num_steps=3, x_T=x_T[1:3])
    torch.testing.assert_close(part, given[1:3], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "settings, words",
    [
        (dict(generator=[seeded()]), "generator is a list of 1; want 4, one for each row"),
        (dict(x_T=torch.zeros(3, 2, 4, 4)), r"x_T is .* \(3, 2, 4, 4\); want floating-point of shape \(4, 2, 4, 4\)"),
        (dict(x_T=torch.zeros(4, 2, 4, 4).double()), "x_T is a float64 .*; want float32"),
        (dict(x_T=torch.zeros(4, 2, 4, 4), generator=[seeded()]), "generator is a list of 1; want 4"),
    ],
)
def test_noise_and_generators_must_fit_the_batch(tiny_model, settings, words):
    with pytest.raises(ValueError, match=words):
        tiny_model.sample(LABELS, num_steps=2, **settings)
    with pytest.raises(ValueError, match=words):
        tiny_model.sample(num_steps=2, batch_size=4, **settings)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_a_seed_gives_the_same_noise_in_every_precision(tiny_model, dtype):
    """Halves are too coarse for a walk: their noise is that in float32."""
    want = tiny_model.noise(3, seeded())
    model = tiny_model.to(dtype)
    found = model.noise(3, seeded())
    assert found.dtype == torch.promote_types(dtype, torch.float32) and torch.equal(found, want.to(found.dtype))
    assert torch.equal(want, torch.randn(3, 2, 4, 4, generator=seeded()))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_samples_in_other_precisions_are_near_those_in_float32(tiny_model, dtype):
    want = tiny_model.sample(LABELS, num_steps=4, generator=seeded())
    found = tiny_model.to(dtype).sample(LABELS, num_steps=4, generator=seeded())
    assert found.dtype == dtype and (found.float() - want).abs().mean() < 0.05
    given = tiny_model.sample(LABELS, num_steps=4, x_T=tiny_model.noise(4, seeded()).to(dtype))
    assert given.dtype == dtype and (given.float() - want).abs().mean() < 0.05


@pytest.mark.slow
def test_weights_in_bfloat16_draw_what_those_in_float32_draw():
    """On a real model: once they drew other pictures, as an eps of 8 bits says nothing of x_0 at the first steps."""
    model, prompts = LatentDiffusion.load("emoji"), ["noto: cat face", "twemoji: red heart"]
    want = model.sample(prompts, w=2.0, num_steps=8, generator=seeded())
    image = model.bfloat16().sample(prompts, w=2.0, num_steps=8, generator=seeded())
    again = model.edit(image, prompts, w=2.0, strength=0.5, num_steps=8, generator=seeded())
    assert image.dtype == again.dtype == torch.bfloat16
    assert (image.float() - want).square().mean().sqrt() < 0.03 * want.std()
    assert (model.decode(model.encode(image)).float() - want).square().mean().sqrt() < 0.06 * want.std()


@torch.no_grad()
def test_a_negative_condition_takes_the_place_of_the_null_one(tiny_model):
    z_t, t = points(tiny_model)
    conditional, negative = tiny_model.denoiser(LABELS), tiny_model.denoiser([2, 2, 0, 0])
    want = classifier_free_guidance(conditional, negative, 2.0)(z_t, t)
    found = tiny_model.denoiser(LABELS, w=2.0, negative=[2, 2, 0, 0])(z_t, t)
    torch.testing.assert_close(found, want, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(found, tiny_model.denoiser(LABELS, w=2.0)(z_t, t))
    one_for_all = tiny_model.denoiser(LABELS, w=2.0, negative=[2])(z_t, t)
    assert torch.equal(one_for_all, tiny_model.denoiser(LABELS, w=2.0, negative=[2, 2, 2, 2])(z_t, t))
    settings = dict(num_steps=3, interval=(300, 700))
    drawn = tiny_model.sample(LABELS, w=2.0, negative=[2], generator=seeded(), **settings)
    assert not torch.allclose(drawn, tiny_model.sample(LABELS, w=2.0, generator=seeded(), **settings))
    same = tiny_model.sample(LABELS, w=2.0, negative=LABELS, generator=seeded(), **settings)  # away from itself: no way
    torch.testing.assert_close(
        same, tiny_model.sample(LABELS, w=0.0, num_steps=3, generator=seeded()), rtol=1e-4, atol=1e-4
    )


@torch.no_grad()
@pytest.mark.parametrize("condition", [LABELS, None])
def test_a_weaker_model_guides_with_the_same_condition(tiny_model, condition):
    weak = make_tiny_model(seed=1)
    z_t, t = points(tiny_model)  # t = 5, 300, 700, 999
    strong, plain = tiny_model.denoiser(condition), weak.denoiser(condition)
    guided = autoguidance(strong, plain, 1.5)
    found = tiny_model.denoiser(condition, w=1.5, weaker=weak)(z_t, t)
    torch.testing.assert_close(found, guided(z_t, t))
    limited = tiny_model.denoiser(condition, w=1.5, weaker=weak, interval=(300, 700))(z_t, t)
    torch.testing.assert_close(limited, on_interval(guided, strong, 300, 700)(z_t, t))
    unconditional = tiny_model.denoiser(condition, w=1.5, weaker=weak.denoiser())(z_t, t)
    torch.testing.assert_close(unconditional, autoguidance(strong, weak.denoiser(), 1.5)(z_t, t))
    drawn = tiny_model.sample(condition, w=1.5, weaker=weak, num_steps=3, x_T=z_t)
    want = tiny_model.draw(tiny_model.denoiser(condition, w=1.5, weaker=weak), 4, num_steps=3, x_T=z_t)
    assert torch.equal(drawn, want)


def test_editing_is_sampling_from_a_start_partway(tiny_model):
    x = torch.rand(4, 1, 12, 12, generator=seeded()) * 2 - 1
    z, eps = tiny_model.encode(x), tiny_model.noise(4, seeded(1))
    start = image_to_image(z, eps, tiny_model.schedule, 0.5, 10)
    for sampler in (ddim, dpm_solver):
        want = tiny_model.decode(final(sampler(tiny_model.denoiser(LABELS, w=2.0), *start)))
        found = tiny_model.edit(x, LABELS, strength=0.5, w=2.0, num_steps=10, sampler=sampler, generator=seeded(1))
        torch.testing.assert_close(found, want.detach())
    w, interval = ClassEncoder.guidance
    recommended = tiny_model.edit(x, LABELS, generator=seeded())
    assert torch.equal(recommended, tiny_model.edit(x, LABELS, w=w, interval=interval, generator=seeded()))
    assert tiny_model.edit(x, num_steps=2).shape == x.shape
    faint = tiny_model.edit(x, LABELS, strength=0.001, num_steps=20, generator=seeded())
    assert (faint - tiny_model.decode(z)).abs().mean() < 0.01  # next to nothing is noised, next to nothing changes
    each = [seeded(k) for k in range(4)]
    together = tiny_model.edit(x, LABELS, sampler=ddpm, num_steps=4, generator=each)
    alone = tiny_model.edit(x[2:3], LABELS[2:3], sampler=ddpm, num_steps=4, generator=seeded(2))
    torch.testing.assert_close(alone, together[2:3], rtol=1e-4, atol=1e-4)


def test_inpainting_keeps_every_pixel_outside_the_mask(tiny_model):
    x = torch.rand(4, 1, 12, 12, generator=seeded()) * 2 - 1
    mask = torch.zeros(12, 12, dtype=torch.bool)
    mask[2:7, 3:9] = True
    settings = dict(num_steps=3, resampling=2, w=1.0)
    found = tiny_model.inpaint(x, mask, LABELS, generator=seeded(), **settings)
    assert torch.equal(found[..., ~mask], x[..., ~mask])
    assert (found - x)[..., mask].abs().mean() > 0.1
    assert torch.equal(found, tiny_model.inpaint(x, mask.expand(4, 12, 12), LABELS, generator=seeded(), **settings))
    arrow = inpainting(
        tiny_model.denoiser(LABELS, w=1.0), tiny_model.schedule, tiny_model.encode(x), tiny_model.latent_mask(mask)
    )
    generator = seeded()
    x_T = tiny_model.noise(4, generator)
    with torch.no_grad():
        z = final(ddpm(arrow, tiny_model.schedule, x_T, 3, resampling=2, generator=generator))
    assert torch.equal(found[..., mask], tiny_model.decode(z)[..., mask])
    nothing = tiny_model.inpaint(x, torch.zeros_like(mask), LABELS, **settings)
    assert torch.equal(nothing, x)


def test_a_latent_is_free_where_the_mask_has_one_of_its_pixels(tiny_model):
    """12x12 pixels are grown to 16x16 at the bottom and on the right: 4x4 latents, of which the last show no pixel."""
    mask = torch.zeros(2, 12, 12, dtype=torch.bool)
    mask[0, 4, 3] = True  # one pixel, of row 1 and column 0 of the latents
    mask[1, 11, 11] = True  # the last one, which is repeated in what is grown
    free = tiny_model.latent_mask(mask)
    assert free.shape == (2, 1, 4, 4)
    assert free[0, 0].nonzero().tolist() == [[1, 0]]
    assert free[1, 0].nonzero().tolist() == [[2, 2], [2, 3], [3, 2], [3, 3]]
    assert tiny_model.latent_mask(mask[0]).shape == (1, 1, 4, 4)


def test_a_model_of_pixels_inpaints_pixel_by_pixel(tiny_model):
    model = LatentDiffusion(Pixels((12, 12)), UNet(channels=1, widths=(8, 8), heads=(0, 1), token_width=8),
                            tiny_model.encoder, tiny_model.schedule).eval()  # fmt: skip
    mask = torch.rand(2, 12, 12, generator=seeded()) > 0.5
    assert torch.equal(model.latent_mask(mask), mask[:, None])
    x = torch.zeros(2, 1, 12, 12)
    assert torch.equal(model.inpaint(x, mask, [0, 1], num_steps=2)[~mask[:, None]], x[~mask[:, None]])


def test_an_inverted_image_is_drawn_again(tiny_model):
    """Relative error of the latents, with as many steps: the law of `ddim_inversion`, here on a network."""
    x = torch.rand(4, 1, 12, 12, generator=seeded()) * 2 - 1
    x_T = tiny_model.invert(x, LABELS, num_steps=20)
    drawn = tiny_model.sample(LABELS, w=0.0, x_T=x_T, sampler=ddim, num_steps=20)
    want = tiny_model.decode(tiny_model.encode(x))
    assert (drawn - want).norm() / want.norm() < 0.01


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda m, x: m.sample([0, 1], negative=[7]), r"negative: condition holds labels \[7\]"),
        (lambda m, x: m.sample([0, 1, 2], negative=[1, 2]), "negative has 2 entries; want 1 or 3, as condition has"),
        (lambda m, x: m.sample(None, negative=[1], batch_size=1), "negative takes the place of the null condition"),
        (lambda m, x: m.sample([0], negative=[1], weaker=m), "negative takes .*; want it with a condition and without"),
        (lambda m, x: m.sample([0], weaker=3), r"weaker is 3; want a function of \(z_t, t\), or a LatentDiffusion"),
        (lambda m, x: m.sample([0], weaker=shifted(m)), "weaker has latent_mean .*; want .*standardized as ours"),
        (lambda m, x: m.sample([0], weaker=on_pixels(m)), r"weaker has latents \(2, 12, 12\).*; want \(2, 4, 4\)"),
        (lambda m, x: m.edit(x, [0, 1], strength=0), "strength is 0; want a number above 0"),
        (lambda m, x: m.edit(x[:, :, :5], [0, 1]), r"images is .*; want floating-point of shape \(B, 1, 12, 12\)"),
        (lambda m, x: m.edit(x[:0]), "images has shape .*; want one image or more"),
        (lambda m, x: m.edit(x, [0]), "condition has 1 entries and x has 2 rows"),
        (lambda m, x: m.inpaint(x, torch.ones(12, 12), [0, 1]), "mask is a float32 .*; want bool of shape"),
        (lambda m, x: m.inpaint(x, torch.ones(3, 12, 12).bool(), [0, 1]), r"mask is .*; want bool that broadcasts"),
        (lambda m, x: m.inpaint(x, torch.ones(12, 12).bool(), [0, 1], resampling=0), "resampling is 0; want an int"),
        (lambda m, x: m.invert(x, looks=0), "looks is 0; want an int"),
    ],
)
def test_bad_edits(tiny_model, call, words):
    with pytest.raises(ValueError, match=words):
        call(tiny_model, torch.zeros(2, 1, 12, 12))


def shifted(model: LatentDiffusion) -> LatentDiffusion:
    """The same model whose latents are standardized otherwise."""
    other = make_tiny_model()
    other.latent_mean += 1.0
    return other


def on_pixels(model: LatentDiffusion) -> LatentDiffusion:
    return LatentDiffusion(Pixels((12, 12), 2), model.unet, model.encoder, model.schedule)


def test_edits_on_a_fake_gpu_mix_no_devices_and_read_nothing_back(tiny_model):
    """But for `edit`, which cuts the schedule: a table on the CPU, whose part has no values in the fake mode."""
    mask = torch.zeros(12, 12, dtype=torch.bool)  # on the CPU, as a file or a hand gives it
    with FakeTensorMode(allow_non_fake_inputs=True):
        to_fake_gpu(tiny_model)
        x = torch.zeros(2, 1, 12, 12, device="cuda")
        labels = torch.zeros(2, dtype=torch.int64, device="cuda")
        settings = dict(w=1.5, negative=labels, num_steps=3)
        found = tiny_model.inpaint(x, mask, labels, **settings)
        assert found.device.type == "cuda" and found.shape == x.shape
        assert tiny_model.invert(x, labels, num_steps=2).device.type == "cuda"
