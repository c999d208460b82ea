"""The guide for teachers says what the notebooks' headers and exercises say; the examination and its answers agree."""

import re
from pathlib import Path

import pytest

from ldm_teach.interactive.check import EXERCISES, NOTEBOOKS

DOCS, COURSE = Path(__file__).parents[1] / "docs", Path(__file__).parents[1] / "course"
GUIDE, ASKED, ANSWERED = (
    (DOCS / f"{name}.md").read_text() for name in ("teaching", "examination", "examination_answers")
)
TEXTS = {path.stem[:2]: path.read_text() for path in sorted(COURSE.glob("[0-9][0-9]_*.md"))}
OWN_MINUTES = {name: exercise.minutes for name, exercise in EXERCISES.items()}
HEADINGS = ["Goals", "Minutes", "Before it", "What learners get wrong", "To discuss", "To skip when time is short"]


def sections(text: str, level: str = "##") -> dict[str, str]:
    """The parts of a text by their headings."""
    parts = re.split(rf"^{level} (.*)\n", text, flags=re.M)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


OF_NOTEBOOK = {heading[:2]: body for heading, body in sections(GUIDE).items() if heading[:2] in TEXTS}


def part(number: str, heading: str) -> str:
    """What stands under a bold heading in the section of a notebook."""
    parts = re.split(r"^\*\*(.+)\*\*$", OF_NOTEBOOK[number], flags=re.M)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))[heading]


def header(number: str) -> tuple[int, int, int]:
    """Minutes to read, seconds to run, minutes of exercises: of a notebook's header, or the sum of its exercises."""
    said = re.search(r"Reading (\d+) minutes · running (\d+) seconds", TEXTS[number])
    assert said, number
    exercises = re.search(r"exercises take about (\d+) minutes", TEXTS[number])
    own = sum(exercise.minutes for exercise in NOTEBOOKS[number].values())
    return int(said[1]), int(said[2]), int(exercises[1]) if exercises else own


def named(text: str) -> list[str]:
    """The exercises that are named in a text."""
    return re.findall(r"`check\.(\w+)`", text)


def reading(numbers: list[str]) -> int:
    return sum(header(number)[0] for number in numbers)


def exercising(names: list[str]) -> int:
    return sum(OWN_MINUTES[name] for name in names)


def test_every_notebook_has_a_section_under_its_title():
    titles = [re.search(r"^# (.*)$", text, re.M)[1] for text in TEXTS.values()]
    assert [heading for heading in sections(GUIDE) if heading[:2].isdigit()] == titles


@pytest.mark.parametrize("number", TEXTS)
def test_a_section_has_its_six_headings_in_order(number):
    assert re.findall(r"^\*\*(.+)\*\*$", OF_NOTEBOOK[number], re.M) == HEADINGS


@pytest.mark.parametrize("number", TEXTS)
def test_the_minutes_are_those_of_the_header(number):
    said = re.fullmatch(r"Reading (\d+), running (\d+) seconds, exercises (\d+)\.", part(number, "Minutes").strip())
    assert said and tuple(map(int, said.groups())) == header(number)


@pytest.mark.parametrize("number", TEXTS)
def test_what_must_precede_a_notebook_is_named(number):
    needed = re.search(r"^\*\*(?:You need|Before it).*$", TEXTS[number], re.M)
    assert needed, number
    assert set(re.findall(r"\((\d\d)_", needed[0])) <= set(re.findall(r"\b\d\d\b", part(number, "Before it")))


@pytest.mark.parametrize("number", TEXTS)
def test_three_to_five_misconceptions_are_answered_under_the_mark_of_the_slips(number):
    between = rf"<!-- slips {number} -->\n.*?<!-- /slips {number} -->\n"
    before, after = re.split(between, part(number, HEADINGS[3]), flags=re.S)
    assert not before.strip() and 3 <= len(re.findall(r"^- ", after, re.M)) <= 5


def test_the_opening_states_the_sums_of_the_headers():
    opening = " ".join(GUIDE.split("\n## ")[0].split())
    said = re.search(r"Reading (\d+) minutes, running (\d+) seconds, exercises (\d+) minutes: (\d+) hours", opening)
    read, run, exercises = (sum(column) for column in zip(*map(header, TEXTS), strict=True))
    assert said and [int(n) for n in said.groups()] == [read, run, exercises, (read + exercises) // 60]
    assert f": {said[4]} hours and {(read + exercises) % 60} minutes of work" in opening
    assert f"the {len(EXERCISES)} exercises by themselves state {exercising(list(EXERCISES))} minutes" in opening


def test_the_days_of_the_two_weeks_add_up_and_leave_no_exercise_out():
    plan = " ".join(sections(GUIDE)["Two weeks"].split())
    days, in_class, homework, all_named, all_read = sections(sections(GUIDE)["Two weeks"], "###"), [], [], [], []
    for heading, day in days.items():
        said = re.search(r"In class (\d+) minutes: reading (\d+), exercises (\d+)\.(.*)- Homework (\d+)", day, re.S)
        numbers, at_home = re.findall(r"\b\d\d\b", heading.split(":")[1]), day.split("- Homework")[1]
        assert said, heading
        read, exercises = reading(numbers), exercising(named(said[4]))
        assert [int(said[n]) for n in (1, 2, 3)] == [read + exercises, read, exercises], heading
        assert int(said[5]) == exercising(named(at_home)), heading
        in_class.append(read + exercises)
        homework.append(int(said[5]))
        all_read += numbers
        all_named += named(day)
    assert list(days) == sorted(days, key=lambda heading: int(heading.split()[1].rstrip(":"))) and len(days) == 10
    assert all_read == list(TEXTS) and sorted(all_named) == sorted(EXERCISES)
    assert f"{sum(in_class)} minutes in class and {sum(homework)} minutes of homework" in plan
    assert f"together {sum(in_class) + sum(homework)}: all {reading(all_read)} minutes of reading" in plan
    assert f"all {exercising(all_named)} minutes of exercises" in plan
    assert f"No day has more than {max(in_class)} minutes in class" in plan


def test_the_parts_of_the_one_day_add_up():
    day = sections(GUIDE)["One day"]
    total, *rows = re.split(r"^- ", day, flags=re.M)
    minutes = [int(re.match(r"(\d+) minutes\.", row)[1]) for row in rows]
    assert int(total.split()[0]) == sum(minutes)
    for row, said in zip(rows, minutes, strict=True):
        notebook = re.match(r"\d+ minutes\. (\d\d): reading (\d+), exercises (\d+)\.", row)
        if notebook:
            parts = [reading([notebook[1]]), exercising(named(row))]
            assert [int(notebook[2]), int(notebook[3]), said] == [*parts, sum(parts)]
            assert set(named(row)) <= set(NOTEBOOKS[notebook[1]])
        else:
            assert "Told" in row and not named(row)


@pytest.mark.parametrize("number", TEXTS)
def test_every_exercise_that_a_section_names_is_of_its_notebook(number):
    assert named(OF_NOTEBOOK[number]) and set(named(OF_NOTEBOOK[number])) <= set(NOTEBOOKS[number])


def points(question: str) -> list[int]:
    """The points of the parts of a question."""
    return [int(n) for n in re.findall(r"\((\d) points?\)", " ".join(question.split()))]


def test_the_points_of_the_examination_add_up_over_parts_and_questions():
    questions = sections(ASKED)
    each = [int(re.search(r"(\d+) points\)$", heading)[1]) for heading in questions]
    assert [sum(points(question)) for question in questions.values()] == each
    assert f"Ten questions, {sum(each)} points, 90 minutes" in ASKED and len(questions) == 10


def test_the_answers_have_the_headings_of_the_questions():
    assert list(sections(ANSWERED)) == list(sections(ASKED))
    assert [heading.split()[0] for heading in sections(ASKED)] == [str(n) for n in range(1, 11)]


@pytest.mark.parametrize("text", [GUIDE, ASKED, ANSWERED], ids=["guide", "examination", "answers"])
def test_no_line_of_the_documents_is_too_long(text):
    by_hand = re.sub(r"<!-- (slips \d\d|served) -->.*?<!-- /\1 -->", "", text, flags=re.S)
    assert [line for line in by_hand.splitlines() if len(line) > 120 and not line.startswith("|")] == []
