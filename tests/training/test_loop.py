import ast
import copy
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ldm_teach.models import checkpoint
from ldm_teach.theory.tensors import Share
from ldm_teach.training.batches import Batches
from ldm_teach.training.device import make_accelerator
from ldm_teach.training.loop import backward, constant, cosine_decay, fit, linear_decay, update_average
from ldm_teach.training.losses import (
    diffusion_loss,
)
from tests.helpers import latents, make_tiny_model, seeded, training, weights

ROOT = Path(__file__).parents[2]


def test_a_linear_regression_is_learned():
    """|W x - y|^2 has a known minimum; the loop must find it."""
    x = torch.randn(256, 3, generator=seeded())
    want = torch.tensor([[1.0, -2.0, 0.5]])
    model = nn.Linear(3, 1, bias=False)
    loss = lambda model, batch, generator: F.mse_loss(model(batch[0]), batch[1])
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
    assert constant(0) == constant(0.5) == constant(1) == 1


@pytest.mark.parametrize(
    "settings, words",
    [
        (dict(num_steps=0), "num_steps is 0; want an int of at least 1"),
        (dict(save_every=0), "save_every is 0; want an int of at least 1"),
        (dict(warmup_steps=-1), "warmup_steps is -1; want a number from 0"),
        (dict(learning_rate=0.0), "learning_rate is 0.0; want a number above 0"),
        (dict(resume=True), "resume is True but directory is None"),
        (dict(device="tpu"), "device is 'tpu'; this machine has"),
    ],
)
def test_bad_arguments(settings, words):
    model = make_tiny_model()
    loss, batches = diffusion_loss(model.schedule, drop=0.1), Batches(*latents(), batch_size=8)
    with pytest.raises(ValueError, match=words):
        list(fit(model, loss, batches, **dict(num_steps=1, device="cpu") | settings))


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


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_a_training_step_with_mixed_precision_on_a_gpu():
    model, average, steps = training(device="cuda", num_steps=5)
    losses = [float(step.loss) for step in steps]
    assert all(loss == loss for loss in losses) and next(model.unet.parameters()).is_cuda and weights(average).is_cuda


def test_bfloat16_on_a_cpu_follows_float32_and_is_no_other_training_resumed(tmp_path):
    plain = [float(step.loss) for step in training(num_steps=5)[2]]
    rounded = [float(step.loss) for step in training(num_steps=5, mixed_precision="bf16", directory=tmp_path)[2]]
    assert rounded != plain and rounded == pytest.approx(plain, rel=0.02)  # 8 bits of mantissa: 0.4 % each rounding
    with pytest.raises(ValueError, match="mixed_precision"):
        next(training(num_steps=6, directory=tmp_path, resume=True)[2])


def losses_of(steps) -> list[float]:
    return [float(step.loss) for step in steps]


RANKS = f"""
import sys; sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from tests.helpers import training, weights
from accelerate import Accelerator
folder = Path(sys.argv[1])
resumed = dict(directory=folder / "a", resume=True)
for name, settings in dict(whole={{}}, parts=dict(accumulate=2), resumed=resumed).items():
    model, average, steps = training(**settings)
    losses = [float(step.loss) for step in steps]
    rank = Accelerator(cpu=True).process_index
    (folder / f"{{name}}-{{rank}}").write_text(f"{{losses}} {{weights(average).tolist()}}")
"""


@pytest.mark.slow
def test_two_processes_train_as_one_does(tmp_path):
    """Two gloo ranks of half a batch each: the losses of one process and its average, also in parts, and resumed.

    The tolerance is that of the order of sums in float32, grown over twelve steps.
    """
    _, average, steps = training()
    want, trained = losses_of(steps), weights(average)
    begun = training(directory=tmp_path / "a")[2]
    assert [next(begun).step for _ in range(6)][-1] == 6
    begun.close()
    script = tmp_path / "ranks.py"
    script.write_text(RANKS)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", str(script)]
    env = dict(os.environ, OMP_NUM_THREADS="1", ACCELERATE_USE_CPU="true")
    done = subprocess.run([*command, str(tmp_path)], capture_output=True, text=True, env=env, timeout=300)
    assert done.returncode == 0, done.stderr
    for name, first in dict(whole=0, parts=0, resumed=6).items():
        ranks = [(tmp_path / f"{name}-{rank}").read_text() for rank in range(2)]
        assert ranks[0] == ranks[1]
        losses, found = (ast.literal_eval(f"[{part}]") for part in ranks[0].strip("[]").split("] ["))
        assert losses == pytest.approx(want[first:], abs=1e-5) and len(losses) == 12 - first
        torch.testing.assert_close(torch.tensor(found), trained, rtol=0, atol=1e-5)


@pytest.mark.parametrize("accumulate", [2, 8])
def test_a_batch_in_parts_is_the_batch(accumulate):
    _, average, steps = training()
    want, trained = losses_of(steps), weights(average)
    _, average, steps = training(accumulate=accumulate)
    assert losses_of(steps) == pytest.approx(want, abs=1e-5)
    torch.testing.assert_close(weights(average), trained, rtol=0, atol=1e-5)


def test_the_gradients_of_the_parts_add_up_to_that_of_the_batch():
    """Asked of the gradient itself: AdamW would not notice a factor."""
    model, columns, accelerator = make_tiny_model(), latents(8), make_accelerator(torch.device("cpu"))
    loss, gradients = diffusion_loss(model.schedule, drop=0.2), []
    for count in (1, 4):
        model.zero_grad()
        for index in range(count):
            part = tuple(column.chunk(count)[index] for column in columns)
            backward(accelerator, loss, model, part, Share(seeded(1), index, count), count)
        gradients.append(torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]))
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-6)


def test_a_batch_that_cannot_be_shared_out_is_refused():
    words = r"batch_size of 8; want a multiple of 3, which is processes \(1\) times accumulate \(3\)"
    with pytest.raises(ValueError, match=words):
        next(training(accumulate=3)[2])


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_ends_the_training_before_it_does_harm(tmp_path, bad):
    model, columns = make_tiny_model(), latents()
    average, loss, seen = copy.deepcopy(model), diffusion_loss(model.schedule, drop=0.2), []

    def spoiled(model, batch, generator):
        seen.append((weights(model), weights(average)))
        return loss(model, batch, generator) * (bad if len(seen) == 4 else 1)

    settings = dict(num_steps=9, average=average, device="cpu", directory=tmp_path, save_every=3)
    with pytest.raises(FloatingPointError, match=f"the loss is {bad} at step 4; nothing of this step is kept. Try a"):
        list(fit(model, spoiled, Batches(*columns, batch_size=8), **settings))
    assert torch.equal(weights(model), seen[3][0]) and torch.equal(weights(average), seen[3][1])
    assert checkpoint.header(tmp_path)["config"]["step"] == 3


def test_a_row_that_is_not_a_number_and_a_rate_that_is_far_too_large_save_nothing_of_it(tmp_path):
    columns = latents()
    columns[0][5] = torch.nan
    model = make_tiny_model()
    loss = diffusion_loss(model.schedule, drop=0.2)
    with pytest.raises(FloatingPointError, match="look for numbers in the data that are not finite"):
        list(fit(model, loss, Batches(*columns, batch_size=8), num_steps=20, device="cpu", directory=tmp_path / "a"))
    with pytest.raises(FloatingPointError, match="try a smaller learning rate|Try a learning rate"):
        list(training(num_steps=40, learning_rate=1e30, warmup_steps=0, directory=tmp_path / "b", save_every=1)[2])
    for folder in ("a", "b"):
        if (tmp_path / folder / "model.json").is_file():
            assert not checkpoint.not_finite(checkpoint.read_tensors(tmp_path / folder, "training")[1])


def test_training_and_loading_leave_torchs_own_generator_alone(tmp_path):
    _, average, steps = training(num_steps=3)
    state = torch.get_rng_state()
    list(steps)
    average.save(tmp_path)
    type(average).load(tmp_path)
    assert torch.equal(torch.get_rng_state(), state)
