from ldm_teach.measuring import tables
from ldm_teach.measuring.training_costs import PATH, TrainingCost


def test_the_kept_costs_are_of_models_by_name_each_once():
    rows, settings = tables.read(TrainingCost, PATH)
    names = [row.name for row in rows]
    assert len(set(names)) == len(names) and "fashion-kl-f4" in names and settings["machine"]
    assert all(0 < row.cpu_minutes <= (row.to or row.cpu_minutes) and row.threads in (1, 2) for row in rows)
