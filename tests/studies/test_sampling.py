"""The study of the class-conditional models, on few samples."""

import pytest

from ldm_teach.models.conditioning import ClassEncoder
from ldm_teach.studies.sampling import Row, run, table

pytestmark = pytest.mark.slow


def test_real_images_reconstructions_and_samples_are_judged():
    rows = list(run(["fashion-class"], weights=(0.0, 2.0), num_samples=200, num_steps=4))
    assert [(row.model, row.images, row.w) for row in rows] == [
        ("real", "training set", None),
        ("fashion-class", "reconstructed", None),
        ("fashion-class", "samples", 0.0),
        ("fashion-class", "samples", 2.0),
        ("fashion-class", "samples", ClassEncoder.guidance.w),
    ]
    real, decoded, plain, guided, recommended = rows
    assert recommended.interval == ClassEncoder.guidance.interval and plain.interval is None
    assert recommended.frechet < guided.frechet
    assert 0 < real.frechet < min(plain.frechet, guided.frechet) and 28 < decoded.psnr < 31
    assert plain.accuracy < guided.accuracy and all(row.accuracy_error > 0 for row in rows)


def test_a_wrong_name_ends_before_anything_is_measured():
    with pytest.raises(FileNotFoundError, match="no checkpoint 'nowhere'"):
        next(run(["fashion-class", "nowhere"]))


def test_the_table_says_what_each_line_is():
    rows = [Row("m", "reconstructed", 0.1, 0.9, 0.01, psnr=29.5), Row("m", "samples", 0.25, 0.8, 0.02, w=0.5)]
    lines = table(rows).splitlines()
    assert lines[1].split("  ")[0] == "m" and "reconstructed (29.50 dB)" in lines[1] and "90.0 ± 1.0 %" in lines[1]
    assert "samples, w = 0.5" in lines[2] and "0.250" in lines[2]
    limited = table([Row("m", "samples", 0.25, 0.8, 0.02, w=2.0, interval=[300, 700])])
    assert "samples, w = 2 at t = 300 to 700" in limited
