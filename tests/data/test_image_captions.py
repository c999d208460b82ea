"""Captions in all three ways, their precedence, what is wrong with them, and the words that they have."""

import json

import pytest
from PIL import Image

from ldm_teach.data.image_captions import image_captions, vocabulary_of
from ldm_teach.data.image_folder import ImageFolder

FILES = ["a.png", "deep/b.png", "deep/é.png"]


@pytest.fixture
def folder(tmp_path):
    for name in FILES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    assert ImageFolder(tmp_path, 8).files == FILES
    return tmp_path


def lines(*entries: dict) -> str:
    return "".join(json.dumps(entry) + "\n" for entry in entries)


def test_without_captions_there_are_none(folder):
    assert image_captions(folder, FILES) == ["", "", ""]


def test_the_three_ways_and_which_counts_more(folder):
    (folder / "a.txt").write_text("beside\n a  ", "utf-8-sig")
    (folder / "deep" / "b.txt").write_bytes(b"caf\xe9")  # not UTF-8
    assert image_captions(folder, FILES) == ["beside a", "caf\N{REPLACEMENT CHARACTER}", ""]
    table = 'file_name,width,text\n./a.png,8,"in, the table"\ndeep/e\N{COMBINING ACUTE ACCENT}.png,8,\n'
    (folder / "metadata.csv").write_text(table, "utf-8-sig")
    assert image_captions(folder, FILES) == ["in, the table", "caf\N{REPLACEMENT CHARACTER}", ""]
    entries = [dict(file_name="a.png", text="in the lines"), dict(file_name="deep/é.png", text="far")]
    (folder / "metadata.jsonl").write_text(lines(*entries) + "\n", "utf-8")
    assert image_captions(folder, FILES) == ["in the lines", "caf\N{REPLACEMENT CHARACTER}", "far"]
    (folder / "deep" / "metadata.csv").write_text("file_name,text\né.png,near\nlost.png,none\n", "utf-8")
    assert image_captions(folder, FILES)[2] == "near"


@pytest.mark.parametrize(
    "name, content, words",
    [
        (
            "metadata.csv",
            "file_name,caption\na.png,x\n",
            r"metadata.csv: entry 1 is .*'caption': 'x'.*; want a file_na",
        ),
        ("metadata.csv", "file_name;text\na.png;x\n", "want a file_name and a text"),
        ("metadata.csv", "file_name,text\nc.png,x\n", "metadata.csv names none of the images; want .* such as 'a.png'"),
        ("metadata.csv", "", "names none of the images"),
        ("metadata.jsonl", lines(dict(file_name="/etc/a.png", text="x")), "metadata.jsonl names none of the images"),
        ("metadata.jsonl", lines(dict(file_name="a.png", text=None)), "entry 1 is .*; want a file_name and a text"),
        ("metadata.jsonl", '{"file_name": "a.png"\n', "metadata.jsonl cannot be read: .*, in '{\"file_name"),
        ("metadata.jsonl", '["a.png", "x"]\n', "entry 1 is .*; want a file_name and a text"),
        ("metadata.jsonl", "\udcff", "metadata.jsonl cannot be read: 'utf-8' codec"),
    ],
)
def test_a_metadata_file_that_is_none_is_named(folder, name, content, words):
    (folder / name).write_text(content, "utf-8", "surrogateescape")
    with pytest.raises(ValueError, match=words):
        image_captions(folder, FILES)


def test_the_vocabulary_leaves_no_caption_without_a_word():
    captions = ["A red house.", "a red barn", "one owl", ""]
    assert vocabulary_of(captions) == ["a", "one", "owl", "red"]
    assert vocabulary_of(captions, least=1) == ["a", "barn", "house", "one", "owl", "red"]
    assert vocabulary_of(["", ""]) == []
