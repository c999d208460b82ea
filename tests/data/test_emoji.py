"""Emoji: the set is whole and verified, its splits keep their promises, every style's licence lies beside it."""

import json
import lzma
import re
import shutil

import pytest
import torch

from ldm_teach.data.emoji import (
    EMOJI_GROUPS,
    EMOJI_SPLITS,
    EMOJI_STYLES,
    as_images,
    emoji,
    emoji_names,
    read_pixels,
    read_table,
)
from ldm_teach.paths import DATA
from ldm_teach.words import plain_words

FOLDER = DATA / "emoji"
README = (FOLDER / "README.md").read_text()


@pytest.fixture(scope="module")
def splits():
    yield {split: emoji(split) for split in EMOJI_SPLITS}
    read_pixels.cache_clear()


def pairs_of(part):
    return list(zip(part.names.tolist(), part.styles.tolist(), strict=True))


def test_the_set_is_whole(splits):
    assert {split: len(part.x) for split, part in splits.items()} == {"train": 6354, "pairs": 500, "names": 453}
    for part in splits.values():
        assert part.x.shape[1:] == (3, 64, 64) and part.x.dtype == torch.uint8
        assert {part.names.dtype, part.styles.dtype, part.groups.dtype} == {torch.int64}
    styles = torch.cat([part.styles for part in splits.values()])
    assert styles.bincount().tolist() == [1591, 1624, 1874, 1347, 871]
    assert torch.cat([part.groups for part in splits.values()]).bincount().min() > 200


def test_names_are_plain_and_each_has_a_code_point_of_its_own(splits):
    names = emoji_names()
    assert len(names) == 1880 == len({one.name for one in names}) == len({one.code_point for one in names})
    assert {one.group for one in names} == set(EMOJI_GROUPS)
    for one in names:
        assert all(" ".join(plain_words(phrase)) == phrase != "" for phrase in (one.name, *one.keywords))
        assert not any(0x1F3FB <= int(part, 16) <= 0x1F3FF for part in one.code_point.split("-"))  # no skin tone
    numbers = {one.name: number for number, one in enumerate(names)}
    part = splits["train"]
    assert part.groups[part.names == numbers["cat face"]].unique().tolist() == [EMOJI_GROUPS.index("animals-nature")]


def test_every_picture_shows_something_and_is_the_only_one_of_its_kind(splits):
    x, pairs = torch.cat([part.x for part in splits.values()]), [p for part in splits.values() for p in pairs_of(part)]
    assert len(set(pairs)) == len(pairs) and bool((x.flatten(1).min(1).values <= 215).all())
    styles = [style for _, style in pairs]
    assert len({(style, picture.numpy().tobytes()) for style, picture in zip(styles, x, strict=True)}) == len(x)


def test_a_picture_is_upright_and_in_its_colours(splits):
    """Twitter's red heart: red in the middle, white in the corners, wider above than below."""
    number = next(number for number, one in enumerate(emoji_names()) if one.name == "red heart")
    part = splits["train"]
    heart = part.x[(part.names == number) & (part.styles == EMOJI_STYLES.index("twemoji"))][0]
    assert heart[:, 32, 32].tolist() == [221, 46, 68] and heart[:, 0, 0].tolist() == [255, 255, 255]
    assert (heart[1, 16] < 128).sum() > (heart[1, 48] < 128).sum()


def test_a_held_out_pair_is_trained_in_two_other_styles_or_more(splits):
    train, pairs = pairs_of(splits["train"]), pairs_of(splits["pairs"])
    trained = splits["train"].names.bincount()
    assert not set(train) & set(pairs) and len({name for name, _ in pairs}) == len(pairs)
    assert min(trained[name] for name, _ in pairs) >= 2
    assert splits["pairs"].styles.bincount().tolist() == [100] * len(EMOJI_STYLES)


def test_a_held_out_name_is_held_out_in_every_style_and_its_words_are_trained(splits):
    names = emoji_names()
    seen = {number for split in ("train", "pairs") for number in splits[split].names.tolist()}
    held_out = set(splits["names"].names.tolist())
    assert len(held_out) == 100 and not held_out & seen and len(held_out | seen) == len(names)
    trained = [set(names[number].name.split()) for number in set(splits["train"].names.tolist())]
    for word in {word for number in held_out for word in names[number].name.split()}:
        assert sum(word in words for words in trained) >= 2, word
    assert splits["names"].styles.bincount().min() >= 60


def test_as_images_fills_the_range_of_the_models(splits):
    x = as_images(splits["names"].x[:50])
    assert x.dtype == torch.float32 and x.min() == -1 and x.max() == 1
    assert torch.equal(((x + 1) * 127.5).round().byte(), splits["names"].x[:50])


def test_what_one_caller_does_to_the_pictures_no_other_sees(splits):
    mine = emoji("pairs")
    mine.x.zero_(), mine.names.zero_(), mine.styles.zero_()
    again = emoji("pairs")
    assert torch.equal(again.x, splits["pairs"].x) and torch.equal(again.names, splits["pairs"].names)
    emoji_names().clear()
    assert len(emoji_names()) == 1880


@pytest.fixture
def copy(tmp_path):
    shutil.copytree(FOLDER, tmp_path / "copy")
    yield tmp_path / "copy"
    read_table.cache_clear(), read_pixels.cache_clear()


def another(content: bytes) -> bytes:
    return lzma.compress(lzma.decompress(content)[:-1] + b"\x07", preset=0)


@pytest.mark.parametrize(
    "name, change, error, words",
    [
        ("pictures.xz", lambda path: path.unlink(), FileNotFoundError, "is missing"),
        ("pictures.json", lambda path: path.unlink(), FileNotFoundError, "is missing"),
        ("pictures.xz", lambda path: path.write_bytes(path.read_bytes()[:9000]), ValueError, "is truncated or damaged"),
        ("pictures.xz", lambda path: path.write_bytes(b"not xz"), ValueError, "is truncated or damaged"),
        ("pictures.xz", lambda path: path.write_bytes(b""), ValueError, "is (truncated or )?damaged"),
        ("pictures.xz", lambda path: path.write_bytes(another(path.read_bytes())), ValueError, "is damaged, the SHA"),
        ("pictures.json", lambda path: path.write_text("{}"), ValueError, "is damaged, the SHA-256"),
    ],
    ids=["no pictures", "no names", "truncated", "not xz", "empty", "another picture", "other names"],
)
def test_a_bad_file_is_named_with_the_way_to_restore_it(copy, name, change, error, words):
    change(copy / name)
    with pytest.raises(error, match=rf"{name} {words}.*restore it with `git checkout -- {name}`"):
        emoji("pairs", root=copy)


def test_the_set_is_small():
    assert sum(path.stat().st_size for path in FOLDER.glob("pictures.*")) <= 14e6


@pytest.mark.parametrize("style", EMOJI_STYLES)
def test_every_style_has_its_author_and_the_text_of_its_licence(style):
    row = re.search(rf"^\| {style} \| .*© .*$", README, re.M)[0]
    texts = [(FOLDER / path).read_text() for path in re.findall(r"\]\((LICENSES/.*?)\)", row)]
    assert texts and all(len(text) > 1000 for text in texts)


def test_the_readme_counts_what_is_there(splits):
    counts = torch.cat([part.styles for part in splits.values()]).bincount().tolist()
    assert [f"| {style} | {n:,} |" in README for style, n in zip(EMOJI_STYLES, counts, strict=True)] == [True] * 5
    assert f"{sum(counts):,} colour pictures, 64x64, of {len(emoji_names()):,} emoji" in README
    assert set(json.loads((FOLDER / "matches.json").read_text())) <= set(EMOJI_STYLES)
