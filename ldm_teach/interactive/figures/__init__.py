"""The figures of the notebooks, a file for each: functions that take tensors and return a figure."""
