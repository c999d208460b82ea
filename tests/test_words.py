from ldm_teach.words import did_you_mean, split_words


def test_words_are_split_at_spaces_and_marks():
    assert split_words("A red circle,a  BLUE square.") == ["a", "red", "circle", ",", "a", "blue", "square"]
    assert split_words("no. 5") == ["no", ".", "5"]


def test_a_misspelt_word_is_near_to_what_was_meant():
    assert did_you_mean("cirle", ["circle", "square"]) == "; did you mean 'circle'?"
    assert did_you_mean("CIRCLE", ["Circle"]) == "; did you mean 'Circle'?"
    assert did_you_mean("xyz", ["circle"]) == "" and did_you_mean("xyz", ["circle"], "; no") == "; no"
