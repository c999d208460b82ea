import os

import numpy as np
import pytest
import torch
from PIL import Image

from ldm_teach.data import image_folder
from ldm_teach.data.image_folder import ImageFolder, decoded, image_files, read_image, typical_side
from tests.helpers import write_images, write_odd_images

LEFT_RED = np.zeros((6, 12, 3), np.uint8)  # its left half red, its right half blue
LEFT_RED[:, :6, 0] = LEFT_RED[:, 6:, 2] = 255


def colours(x: torch.Tensor) -> list[list[int]]:
    """The pixels (3, 1, n) of a row as (r, g, b) from 0 to 255."""
    return ((x[:, 0].T + 1) * 127.5).round().int().tolist()


def test_classes_are_sub_folders_and_the_order_is_that_of_the_paths(tmp_path):
    for i, name in enumerate(["b/2.png", "b/deep/1.PNG", "a/z.jpg", "top.webp", "a/.hidden.png", "a/notes.txt"]):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (9, 5), (40 * i, 0, 0)).save(path, "PNG")
    folder = ImageFolder(tmp_path, side=4)
    assert folder.files == ["a/z.jpg", "b/2.png", "b/deep/1.PNG", "top.webp"] and not folder.left_out
    assert folder.classes == ["", "a", "b"] and folder.labels.tolist() == [1, 2, 2, 0]
    assert len(folder) == 4 and folder.shape == (4, 3, 4, 4)
    x = folder[torch.tensor([3, 0])]
    assert x.shape == (2, 3, 4, 4) and x.dtype == torch.float32
    assert torch.equal(x[:, 0, 0, 0], torch.tensor([120, 80]) / 127.5 - 1)
    assert ImageFolder(tmp_path, side=4, most=2).files == ["a/z.jpg", "b/deep/1.PNG"]


def test_damaged_files_are_named_with_the_reason_and_left_out(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "good.jpg")
    content = (tmp_path / "good.jpg").read_bytes()
    (tmp_path / "half.jpg").write_bytes(content[: len(content) // 2])
    (tmp_path / "empty.png").touch()
    (tmp_path / "program.png").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    folder = ImageFolder(tmp_path, side=8)
    assert folder.files == ["good.jpg"]
    assert list(folder.left_out) == ["empty.png", "half.jpg", "program.png"]
    assert "truncated" in folder.left_out["half.jpg"] and "cannot identify" in folder.left_out["program.png"]


def test_a_folder_without_images_says_what_it_saw(tmp_path):
    with pytest.raises(NotADirectoryError, match="root is .*nowhere, and no folder; want one with images"):
        ImageFolder(tmp_path / "nowhere", side=8)
    with pytest.raises(ValueError, match=r"holds no image that can be read; want .*\.jpg"):
        ImageFolder(tmp_path, side=8)
    (tmp_path / "a.png").touch()
    with pytest.raises(ValueError, match=r"can be read; a.png: cannot identify image file"):
        ImageFolder(tmp_path, side=8)


def test_an_image_is_cropped_to_its_centre_and_turned_as_exif_says(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(LEFT_RED).save(path)
    x = read_image(path, side=6)
    assert x.shape == (3, 6, 6)
    assert colours(x[:, :1]) == [[255, 0, 0]] * 3 + [[0, 0, 255]] * 3  # the columns from 3 to 8
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    Image.fromarray(LEFT_RED).save(path, exif=exif)
    assert torch.equal(read_image(path, side=6), x.flip(1, 2))


def test_what_is_transparent_is_white_and_grey_is_colour(tmp_path):
    path = tmp_path / "a.png"
    Image.new("RGBA", (4, 4), (200, 0, 0, 0)).save(path)
    assert torch.equal(read_image(path, 4), torch.ones(3, 4, 4))
    palette = Image.new("P", (4, 4), 0)
    palette.save(path, transparency=0)
    assert torch.equal(read_image(path, 4), torch.ones(3, 4, 4))
    Image.new("L", (4, 4), 51).save(path)
    assert torch.equal(read_image(path, 4), torch.full((3, 4, 4), 51 / 127.5 - 1))
    Image.fromarray(np.full((4, 4), 51 * 256 + 3, np.uint16)).save(path)  # 16 bits
    assert torch.equal(read_image(path, 4), torch.full((3, 4, 4), 51 / 127.5 - 1))


def test_a_fine_pattern_is_averaged_and_not_sampled(tmp_path):
    stripes = np.zeros((64, 64), np.uint8)
    stripes[:, ::2] = 255
    Image.fromarray(stripes).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png", 8).abs().max() < 0.1


def test_odd_files_are_read_as_a_viewer_shows_them_or_named(tmp_path):
    readable, left_out = write_odd_images(tmp_path / "odd")
    folder = ImageFolder(tmp_path / "odd", side=32)
    assert set(folder.files) == readable and set(folder.left_out) == left_out
    assert all(reason for reason in folder.left_out.values())
    assert "of 1x1 pixels; want 4 or more both ways for 32" in folder.left_out["pixel.png"]
    turned, upright = read_image(tmp_path / "odd" / "good.jpg", 32), read_image(tmp_path / "odd" / "LOUD.BMP", 32)
    assert (turned.rot90(1, (1, 2)) - upright).abs().mean() < 0.6 * (turned - upright).abs().mean()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="needs a user who may not read everything")
def test_what_nobody_may_read_is_named(tmp_path):
    write_images(tmp_path, 2)
    (tmp_path / "red" / "001.png").chmod(0)
    assert "Permission denied" in ImageFolder(tmp_path, side=8).left_out["red/001.png"]


def test_a_folder_behind_a_link_is_read_once_and_a_loop_ends(tmp_path):
    write_images(tmp_path / "far", 4)
    (tmp_path / "near" / "within").mkdir(parents=True)
    (tmp_path / "near" / "cat").symlink_to(tmp_path / "far" / "red")
    (tmp_path / "near" / "dog").symlink_to(tmp_path / "far" / "red")
    (tmp_path / "near" / "within" / "again").symlink_to(tmp_path / "near")
    assert image_files(tmp_path / "near") == ["cat/001.png", "cat/003.png"]


def test_pictures_in_memory_are_those_on_disk_and_a_part_shares_them(tmp_path, monkeypatch):
    write_images(tmp_path, 6)
    (tmp_path / "blue" / "001.png").touch()  # left out, so that rows and files differ
    size = 7 * 3 * 16 * 16
    there, here = ImageFolder(tmp_path, 16, memory=size - 1), ImageFolder(tmp_path, 16, memory=size)
    assert there.looked.pixels is None and here.looked.pixels.shape == (7, 3, 16, 16)
    rows = torch.tensor([5, 0, 2])
    assert torch.equal(there[rows], here[rows]) and len(here) == 6
    monkeypatch.setattr(image_folder, "decoded", lambda *_: pytest.fail("read again"))
    part = here.part(rows)
    assert part.shape == (3, 3, 16, 16) and part.files == [here.files[row] for row in rows]
    assert torch.equal(part[torch.tensor([0, 2])], here[torch.tensor([5, 2])])
    assert part.labels.tolist() == here.labels[rows].tolist() and part.looked is here.looked


def test_what_was_looked_at_is_not_read_again_until_it_changes(tmp_path, monkeypatch):
    write_images(tmp_path, 4)
    first = ImageFolder(tmp_path, 16, memory=10**6)
    calls = []
    monkeypatch.setattr(image_folder, "decoded", lambda *both: calls.append(both) or decoded(*both))
    again = ImageFolder(tmp_path, 16, memory=10**6, looked=first.looked)
    assert not calls and again.looked is first.looked
    os.utime(tmp_path / "red" / "001.png", (1, 1))
    assert ImageFolder(tmp_path, 16, memory=10**6, looked=first.looked).looked is not first.looked and len(calls) == 4
    assert ImageFolder(tmp_path, 8, looked=first.looked).shape == (4, 3, 8, 8)


def test_the_typical_side_is_the_median_of_the_shorter_ones(tmp_path):
    assert typical_side(tmp_path) == 0
    for k, size in enumerate([(10, 90), (40, 30), (50, 50)]):
        Image.new("RGB", size).save(tmp_path / f"{k}.png")
    (tmp_path / "broken.png").touch()
    assert typical_side(tmp_path) == 30 and typical_side(tmp_path, most=1) == 10
