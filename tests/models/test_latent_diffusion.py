import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from ldm_teach.models.conditioning import ClassEncoder
from ldm_teach.models.latent_diffusion import LatentDiffusion
from ldm_teach.models.unet import UNet
from ldm_teach.models.vector_quantization import VQAutoencoder
from ldm_teach.theory.guidance import classifier_free_guidance, on_interval
from ldm_teach.theory.samplers import ddim, ddpm
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
    want = tiny_model.noise(3, seeded())
    model = tiny_model.to(dtype)
    found = model.noise(3, seeded())
    assert found.dtype == dtype and torch.equal(found, want.to(dtype))
    assert torch.equal(want, torch.randn(3, 2, 4, 4, generator=seeded()))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_samples_in_other_precisions_are_near_those_in_float32(tiny_model, dtype):
    want = tiny_model.sample(LABELS, num_steps=4, generator=seeded())
    found = tiny_model.to(dtype).sample(LABELS, num_steps=4, generator=seeded())
    assert found.dtype == dtype and (found.float() - want).abs().mean() < 0.05
