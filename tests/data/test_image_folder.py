import numpy as np
import pytest
import torch
from PIL import Image

from ldm_teach.data.image_folder import ImageFolder, read_image

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
