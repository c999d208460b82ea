import pytest

from ldm_teach.cli import main as cli


def test_the_version_is_that_of_the_package(capsys):
    with pytest.raises(SystemExit) as done:
        cli.main(["--version"])
    assert done.value.code == 0 and capsys.readouterr().out.startswith("ldm_teach 0.")


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["sample", "nowhere"], "ldm_teach: no checkpoint 'nowhere'"),
        (["sample", "--condition", "11"], "ldm_teach: condition is '11'; want a class, a number from 0 to 9"),
        (
            ["sample", "--condition", "trousers"],
            "ldm_teach: condition is 'trousers'; want a class.*mean 'trouser'",
        ),
        (["train", "fashion-clas"], "name is 'fashion-clas', and no recipe; did you mean 'fashion-class'"),
        (["sample", "--count", "0"], "ldm_teach: count is 0; want an int of at least 1"),
        (["sample", "--steps", "0"], "ldm_teach: num_steps is 0; want an int from 1 to 1000"),
        (["sample", "--w", "nan"], "ldm_teach: w is nan; want a finite number"),
        (["sample", "--out", "x.jpeg"], "ldm_teach: out is x.jpeg; want a file that ends in .png or .gif"),
        (["sample", "--out", "/proc/none/x.png"], "ldm_teach: /proc/none: "),
        (["guidance", "--out", "/proc/none/x.json"], "ldm_teach: /proc/none: "),
        (["sample", "--device", "tpu"], "ldm_teach: device is 'tpu'"),
    ],
)
def test_a_bad_argument_ends_with_its_message(arguments, words):
    with pytest.raises(SystemExit, match=words):
        cli.main(arguments)
