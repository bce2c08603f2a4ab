"""A monitor that says in plain words what goes wrong in training, why, and what to do.

`monitor.HealthMonitor` watches a run. Each detector is a small class or function of plain values
in a file of its own kind; the watches take the values out of batches and outputs.
"""
