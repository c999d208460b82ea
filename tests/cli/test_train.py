import pytest

from ldm_teach.cli import main as cli
from ldm_teach.cli import train
from ldm_teach.measuring import tables
from ldm_teach.measuring.training_costs import TrainingCost
from ldm_teach.models import checkpoint
from ldm_teach.models.latent_diffusion import LatentDiffusion
from ldm_teach.training.batches import Batches
from ldm_teach.training.loop import FitSettings
from ldm_teach.training.losses import diffusion_loss
from ldm_teach.training.recipes.recipe import Recipe, Training
from tests.helpers import latents, make_tiny_model


def tiny_recipe(quick: bool = False) -> Training:
    model = make_tiny_model()
    batches = Batches(*latents(), batch_size=8)
    return Training(model, diffusion_loss(model.schedule, drop=0.2), batches, FitSettings(num_steps=3 if quick else 6))


@pytest.fixture
def tiny(monkeypatch, tmp_path):
    monkeypatch.setitem(train.RECIPES, "tiny", Recipe(tiny_recipe, "latent", "00"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_train_saves_the_averaged_model_and_resumes(tiny, capsys):
    cli.main(["train", "tiny", "--quick", "--device", "cpu"])
    assert "saved runs/tiny-quick after" in capsys.readouterr().out
    assert LatentDiffusion.load(tiny / "runs" / "tiny-quick").sample([0, 1], num_steps=2).shape == (2, 1, 12, 12)
    assert checkpoint.header(tiny / "runs" / "tiny-quick" / "state")["config"]["step"] == 3
    cli.main(["train", "tiny", "--quick", "--resume", "--out", str(tiny / "out")])
    assert (tiny / "out" / "model.json").is_file()


def test_a_kept_training_is_shipped_with_its_family_and_its_cost(tiny, monkeypatch):
    monkeypatch.setattr(train, "CHECKPOINTS", tiny / "checkpoints")
    monkeypatch.setattr(train, "PATH", tiny / "training.json")
    tables.keep([TrainingCost("tiny", 99.0), TrainingCost("other-*", 1.0, 2.0, 1)], {}, tiny / "training.json")
    cli.main(["train", "tiny", "--keep", "--device", "cpu"])
    LatentDiffusion.load(tiny / "checkpoints" / "latent" / "tiny")
    rows, _ = tables.read(TrainingCost, tiny / "training.json")
    assert [row.name for row in rows] == ["tiny", "other-*"] and 0 <= rows[0].cpu_minutes < 1
    assert train.cost("other-2", rows) == "1 to 2 (one thread)" and train.cost("unknown", rows) == ""
    with pytest.raises(SystemExit, match="keep is for a recipe from its start"):
        cli.main(["train", "tiny", "--keep", "--quick"])


def test_the_precision_is_that_of_the_command_line(tiny, capsys):
    cli.main(["train", "tiny", "--quick", "--device", "cpu", "--mixed-precision", "bf16"])
    state = checkpoint.header(tiny / "runs" / "tiny-quick" / "state")
    assert state["config"]["settings"]["mixed_precision"] == "bf16"


def test_a_batch_of_another_size_and_in_parts(tiny, capsys):
    cli.main(["train", "tiny", "--quick", "--device", "cpu", "--batch-size", "12", "--accumulate", "3"])
    assert checkpoint.header(tiny / "runs" / "tiny-quick" / "state")["config"]["settings"]["batch_size"] == 12
    with pytest.raises(SystemExit, match=r"batch_size of 8; want a multiple of 3, which is processes \(1\) times"):
        cli.main(["train", "tiny", "--device", "cpu", "--accumulate", "3"])
