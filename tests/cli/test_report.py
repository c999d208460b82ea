"""What `report` writes is what stands in the repository, and its sentences are true of the tables."""

import io

import numpy as np
import pytest
from PIL import Image

from ldm_teach.cli import bench, train
from ldm_teach.cli.report import DRAWN, FINDINGS, TITLES, documents, report, rows_of
from ldm_teach.cli.study import STUDIES
from ldm_teach.measuring import tables, training_costs
from ldm_teach.measuring.statistics import share_error
from ldm_teach.measuring.training_costs import TrainingCost
from ldm_teach.models import checkpoint
from ldm_teach.models.conditioning import ClassEncoder
from ldm_teach.paths import CLONE
from ldm_teach.studies import (
    classroom,
    colour_latents,
    comparison,
    compression,
    conditioning,
    guidance,
    latent_against_pixel,
    sampling,
    words_to_pictures,
)
from ldm_teach.studies.latent_against_pixel import after, autoencoder_minutes, distances, multiplications
from ldm_teach.training.recipes.spaces import untrained
from ldm_teach.training.recipes.table import RECIPES


@pytest.mark.parametrize("path", documents(CLONE), ids=str)
def test_a_document_is_what_the_command_writes(path):
    assert (CLONE / path).read_text() == documents(CLONE)[path], "run `python -m ldm_teach report`"


@pytest.mark.parametrize("path", DRAWN, ids=str)
def test_the_curves_are_what_the_command_draws(path):
    drawn, kept = (
        np.asarray(Image.open(io.BytesIO(png)), dtype=float) for png in (DRAWN[path](), (CLONE / path).read_bytes())
    )
    assert (
        drawn.shape == kept.shape and np.abs(drawn - kept).mean() < 1
    )  # of 255: fonts differ by machine, lines do not


def test_report_writes_below_another_root(tmp_path, capsys):
    parts = [f"<!-- {part} -->\nold\n<!-- /{part} -->\nb\n" for part in ("course", "results")]
    (tmp_path / "README.md").write_text("".join(parts))
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "teaching.md").write_text("a\n<!-- slips 03 -->\nold\n<!-- /slips 03 -->\nb\n")
    report(tmp_path)
    guide = (tmp_path / "docs" / "teaching.md").read_text()
    assert guide.startswith("a\n<!-- slips 03 -->\n<details>") and guide.endswith(
        "</details>\n\n<!-- /slips 03 -->\nb\n"
    )
    readme = (tmp_path / "README.md").read_text()
    assert readme.startswith("<!-- course -->\n| ") and readme.endswith("|\n<!-- /results -->\nb\n")
    assert (
        "old" not in readme
        and "|\n<!-- /course -->\nb\n<!-- results -->\n| " in readme
        and (tmp_path / "docs" / "results.md").is_file()
        and all((tmp_path / path).is_file() for path in DRAWN)
    )
    assert len(capsys.readouterr().out.splitlines()) == len(documents(CLONE)) + len(DRAWN)


def test_every_study_has_a_title_and_a_finding():
    assert list(TITLES) == list(FINDINGS) == list(STUDIES)


def test_every_recipe_has_its_cost_and_every_shipped_model_its_line():
    rows, _ = tables.read(TrainingCost, training_costs.PATH)
    assert all(train.cost(name, rows) or recipe.family == "larger" for name, recipe in RECIPES.items())
    text = (CLONE / "data" / "checkpoints" / "README.md").read_text()
    assert all(f"| `{name}` |" in text for name in checkpoint.shipped())


def test_findings_of_sampling():
    rows, _ = rows_of(sampling)
    for model in {row.model for row in rows} - {"real"}:
        of_model = [row for row in rows if row.model == model and row.w is not None]
        (default,) = [row for row in of_model if row.interval is not None]
        assert (default.w, tuple(default.interval)) == ClassEncoder.guidance
        found = sorted((row.w, row.accuracy, row.frechet) for row in of_model if row is not default)
        _, accuracies, distances = zip(*found, strict=True)
        assert list(accuracies) == sorted(accuracies)
        assert list(distances[1:]) == sorted(distances[1:]) and found[1][0] == 0.5
        assert default.frechet < distances[1] and abs(default.accuracy - accuracies[1]) < 0.02


def test_findings_of_compression():
    assert rows_of(compression)[0][1].name == "fashion-autoencoder"
    assert {RECIPES[row.name](True).batches.batch_size for row in rows_of(compression)[0][2:4]} == {32}
    assert 1_875 * 32 == 60_000  # steps of a rung times its batch: every training image once


def test_findings_of_guidance():
    found = guidance.summarize(rows_of(guidance)[0])
    free = {scale: row for (method, scale), row in found.items() if method == "classifier-free"}
    accuracies, recalls = ([row[figure].mean for row in free.values()] for figure in ("accuracy", "recall"))
    assert list(free) == sorted(free) and accuracies == sorted(accuracies) and recalls == sorted(recalls, reverse=True)
    lowest = min(free, key=lambda scale: free[scale]["frechet"].mean)
    gain = free[0.0]["frechet"].mean - free[lowest]["frechet"].mean
    assert lowest == 0.1 and gain < free[0.0]["frechet"].half_width
    none, one = (found["unconditional + classifier", s]["frechet"] for s in (0.0, 1.0))
    assert one.mean - one.half_width < none.mean  # no worse and no better than the interval can tell
    assert all(row["frechet"].mean > 5 for (method, _), row in found.items() if "clean" in method)
    interval, plain = found["classifier-free, interval", 2.0], free[0.5]
    assert interval["accuracy"].mean == pytest.approx(plain["accuracy"].mean, abs=plain["accuracy"].half_width)
    assert interval["frechet"].mean + interval["frechet"].half_width < plain["frechet"].mean


def test_findings_of_conditioning():
    rows = {(row.asked, row.figure, row.w): row.value for row in rows_of(conditioning)[0]}
    best = max(w for asked, _, w in rows if asked in conditioning.CAPTIONS)
    for asked in conditioning.CAPTIONS:
        assert rows[asked, "as asked", best] > rows[asked, "as asked", 0.0]


def test_findings_of_the_comparison():
    rows = {(row.task, row.way, row.seed, row.w): row for row in rows_of(comparison)[0]}
    for (task, way, seed, w), row in rows.items():
        if way == "attention":
            other = rows[task, "concatenation", seed, w]
            better = 1 if task == "shapes-map" else -1  # quality is a share of whole pictures, or a distance
            assert other.adherence > row.adherence and better * other.quality >= better * row.quality
            assert row.steps * row.training_ms < 15 * 60_000


def test_findings_of_the_classroom():
    rows, _ = rows_of(classroom)
    waiting = [row for row in rows if "waiting" in row.what]
    assert len(waiting) == 3 and all(row.cpu < 0.05 * row.seconds and row.own > 20 for row in waiting)
    assert len(rows) == 5 + 16


def test_findings_of_the_colour_latents():
    rows, settings = rows_of(colour_latents)
    least, light, heavy, whole = rows
    assert settings["steps"] == 1_000 and [row.weight for row in rows] == [1e-6, 1e-4, 1e-2, 1.0]
    assert abs(light.psnr - least.psnr) < 0.1 and f"{least.psnr - heavy.psnr:.1f}" == "0.9"
    assert heavy.bits / least.bits == pytest.approx(0.2, abs=0.01) and max(rows, key=lambda row: row.noisy) is heavy
    assert whole.bits < 50 and whole.psnr < least.psnr - 9


def test_findings_of_words_to_pictures():
    rows, _ = rows_of(words_to_pictures)
    best = words_to_pictures.at_the_best_weight(rows)
    pairs, unseen = best["pair never seen"], best["name never seen"]
    error = share_error(pairs["real"].top1, pairs["real"].images)
    assert abs(pairs["samples"].top1 - pairs["real"].top1) < 2 * error
    assert unseen["samples"].top1 < unseen["real"].top1 / 3
    samples = {(row.asked, row.w_style, row.w_words): row for row in rows if row.pictures == "samples"}
    assert all(1 / 3 < row.style < 0.56 and row.copies < 0.04 for row in samples.values())
    assert all(kinds["real"].style > 0.85 for kinds in best.values())
    for asked in words_to_pictures.ASKED:
        assert samples[asked, 3.0, 1.0].style > samples[asked, 1.0, 1.0].style > samples[asked, 1.0, 3.0].style
    for asked in ("trained", "pair never seen"):
        equal = [row for (name, a, b), row in samples.items() if name == asked and a == b]
        assert min(equal, key=lambda row: row.frechet).w_words == 0.5


def test_findings_of_latent_against_pixel():
    rows, settings = rows_of(latent_against_pixel)
    spaces = list(dict.fromkeys(row.space for row in rows))
    found = {space: distances(rows, space) for space in spaces}
    one = {row.space: row for row in rows}
    sizes = [one[space].parameters for space in spaces]
    assert max(sizes) / min(sizes) < 1.025 and len({row.seed for row in rows}) == 3
    short = [0.5, 1.0, 2.0, 4.0]
    for mark in short:  # at equal time: the smaller the latents, the nearer
        means = [found[space][mark].mean for space in spaces]
        assert means == sorted(means, reverse=True)
    assert {m: f"{found['pixels'][m].mean / found['f4'][m].mean:.1f}" for m in (4.0, 30.0)} == {
        4.0: "17.9",
        30.0: "4.5",
    }
    assert all(found["f4"][m].mean < found["pixels"][m].mean for m in found["f4"])
    assert found["f4"][30.0].mean < found["pixels"][60.0].mean / 2
    f4 = found["f4"]
    ahead = {mark: found["pixels-deep"][mark].mean - distance.mean for mark, distance in f4.items()}
    assert all(ahead[mark] > 0 for mark in (*short, 8.0, 15.0)) and abs(ahead[30.0]) < 0.001
    at_4 = {space: found[space][4.0] for space in ("f4", "f8")}
    assert at_4["f8"].mean + at_4["f8"].half_width > at_4["f4"].mean  # not told apart
    images = {space: after(rows, space, "images", 110_208) for space in ("pixels-deep", "f4", "f8", "pixels")}
    assert sorted(images, key=images.get) == ["pixels-deep", "f8", "f4", "pixels"]
    own = autoencoder_minutes("f4")
    for mark, distance in f4.items():
        pixels, deep = (after(rows, space, "minutes", mark + own) for space in ("pixels", "pixels-deep"))
        assert distance.mean < pixels and (mark + own < 10 or abs(distance.mean / deep - 1) < 0.08)
    pixels, deep = (after(rows, space, "minutes", 4 + autoencoder_minutes("f8")) for space in ("pixels", "pixels-deep"))
    assert round(4 + autoencoder_minutes("f8")) == 7 and at_4["f8"].mean + at_4["f8"].half_width < deep < pixels
    assert one["pixels"].memory / one["f4"].memory > 4 and settings["trained_on"].count("H200") == 1


def test_findings_of_the_bench():
    rows = {row.what: row for row in rows_of(bench)[0]}
    over = {name: rows[f"{bench.OVER_PIXEL}{name}"].median for name in ("training", "sampling", "memory")}
    counted = multiplications(untrained("pixels")) / multiplications(untrained("f4"))
    assert f"{counted:.1f}" == "12.7" and over["memory"] < 0.25
    assert all(0.8 * counted < over[name] < counted for name in ("training", "sampling"))
    own, polite = (rows[f"preview beside a training, {way}"] for way in ("OpenMP's own waiting", "GOMP_SPINCOUNT=1000"))
    assert own.high > 10 * polite.high


def test_the_readme_shows_the_preview_and_the_full_picture():
    preview, full = (row for row in rows_of(bench)[0] if row.what.startswith("slider to picture"))
    assert f"{preview.median:.0f} ms while it moves, {full.median:.0f} ms after" in (CLONE / "README.md").read_text()
