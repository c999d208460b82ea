import datetime
from typing import NamedTuple

import pytest

from ldm_teach.measuring import tables


class Row(NamedTuple):
    name: str
    value: float | None = None


ROWS = [Row("a", 0.1), Row("b")]


def test_what_is_kept_is_read_with_its_settings_machine_and_date(tmp_path):
    tables.keep(ROWS, dict(samples=5), tmp_path / "folder" / "guidance.json")
    rows, settings = tables.read(Row, tmp_path / "folder" / "guidance.json")
    assert rows == ROWS and settings["samples"] == 5
    assert "cores" in settings["machine"] and "torch" in settings["machine"]
    assert settings["date"] == datetime.date.today().isoformat()


def test_a_missing_table_names_its_command_and_where_data_is_looked_for(tmp_path):
    with pytest.raises(FileNotFoundError, match="measure it with `python -m ldm_teach guidance --keep`; data is"):
        tables.read(Row, tmp_path / "guidance.json")


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"settings": {}, "rows": [{"colour": 1}]}'])
def test_a_table_that_is_damaged_or_of_another_version_is_named(tmp_path, text):
    (tmp_path / "guidance.json").write_text(text)
    with pytest.raises(ValueError, match=r"guidance.json is damaged, or of another version \(.*\): measure it with"):
        tables.read(Row, tmp_path / "guidance.json")


def test_text_is_aligned_and_markdown_has_a_line_below_its_heads():
    rows = [("", "value"), ("one", "1.5"), ("twelve", "12")]
    assert tables.aligned(rows).splitlines() == ["        value", "one       1.5", "twelve     12"]
    assert tables.markdown(rows).splitlines() == ["|  | value |", "|---|---|", "| one | 1.5 |", "| twelve | 12 |"]
