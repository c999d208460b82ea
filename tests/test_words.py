from ldm_teach.words import split_words


def test_words_are_split_at_spaces_and_marks():
    assert split_words("A red circle,a  BLUE square.") == ["a", "red", "circle", ",", "a", "blue", "square", "."]
