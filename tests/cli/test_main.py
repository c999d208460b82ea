import pytest

from ldm_teach.cli import main as cli


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["sample", "nowhere"], "ldm_teach: no checkpoint 'nowhere'"),
        (["sample", "--condition", "11"], "ldm_teach: condition is '11'; want a class, a number from 0 to 9"),
        (["sample", "--condition", "boot"], "ldm_teach: condition is 'boot'; want a class, a number from 0 to 9"),
        (["sample", "--count", "0"], "ldm_teach: count is 0; want an int of at least 1"),
        (["sample", "--steps", "0"], "ldm_teach: n is 0; want an int from 1 to 1000"),
        (["sample", "--device", "tpu"], "ldm_teach: device is 'tpu'"),
    ],
)
def test_a_bad_argument_ends_with_its_message(arguments, words):
    with pytest.raises(SystemExit, match=words):
        cli.main(arguments)
