import pytest

from ldm_teach.words import Prompt, did_you_mean, parse_prompt, plain_words, split_words


def test_words_are_split_at_spaces_and_marks():
    assert split_words("A red circle,a  BLUE square.") == ["a", "red", "circle", ",", "a", "blue", "square"]
    assert split_words("no. 5") == ["no", ".", "5"]


def test_a_misspelt_word_is_near_to_what_was_meant():
    assert did_you_mean("cirle", ["circle", "square"]) == "; did you mean 'circle'?"
    assert did_you_mean("CIRCLE", ["Circle"]) == "; did you mean 'Circle'?"
    assert did_you_mean("xyz", ["circle"]) == "" and did_you_mean("xyz", ["circle"], "; no") == "; no"


def test_plain_words_have_no_accents_articles_and_marks():
    assert plain_words("A Piñata, the T-shirt!") == ["pinata", "t", "shirt"]
    assert plain_words("twelve o’clock") == ["twelve", "o'clock"] and plain_words("'tis a 2nd_try") == [
        "tis",
        "2nd",
        "try",
    ]


def test_a_prompt_is_a_style_and_words():
    read = lambda prompt: parse_prompt(prompt, ("oil", "ink"), {"red", "cat"}, 2)
    assert read("oil: a red cat") == Prompt("oil", ["red", "cat"]) and read("Cat") == Prompt(None, ["cat"])
    assert read("ink:") == Prompt("ink", None) and read("red: cat") == Prompt(None, ["red", "cat"])
    for prompt, words in {
        "inc: cat": "style 'inc'; want one of oil, ink; did you mean 'ink'",
        "ink: cats": "word 'cats'; did you mean 'cat'",
        "ink": "word 'ink'; did you mean 'ink:'",
        "red red cat": "has 3 words; want at most 2",
    }.items():
        with pytest.raises(ValueError, match=words):
            read(prompt)
