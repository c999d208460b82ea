import os
import subprocess
import sys
from pathlib import Path

from ldm_teach import paths

CODE = "from ldm_teach import paths; print(paths.CHECKPOINTS); print(paths.looked_for())"


def printed(code: str, data: Path) -> list[str]:
    """The lines that a program prints where LDM_TEACH_DATA names a folder."""
    environment = os.environ | {"LDM_TEACH_DATA": str(data)}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=environment, capture_output=True, text=True, cwd=paths.CLONE).stdout.splitlines()


def test_data_is_looked_for_in_the_clone():
    if "LDM_TEACH_DATA" not in os.environ:
        assert paths.CLONE / "data" == paths.DATA and (paths.DATA / "fashion-mnist").is_dir()


def test_a_variable_names_another_folder_and_the_sentence_says_which(tmp_path):
    environment = os.environ | {"LDM_TEACH_DATA": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, cwd=paths.CLONE
    )
    checkpoints, sentence = done.stdout.splitlines()
    assert checkpoints == str(tmp_path / "checkpoints")
    assert sentence.startswith(f"data is looked for in {tmp_path}; set LDM_TEACH_DATA")


def test_every_message_about_missing_data_ends_with_that_sentence(tmp_path):
    code = """
from ldm_teach.data.fashion import fashion_mnist
from ldm_teach.measuring.tables import read
from ldm_teach.models.checkpoint import locate
from ldm_teach.studies import guidance
for call in (fashion_mnist, lambda: locate("fashion-class"), lambda: read(guidance.Row, guidance.PATH)):
    try:
        call()
    except FileNotFoundError as error:
        print(error)
"""
    environment = os.environ | {"LDM_TEACH_DATA": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, cwd=paths.CLONE
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 3 and all(f"data is looked for in {tmp_path}; set LDM_TEACH_DATA" in line for line in lines)
