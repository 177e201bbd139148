"""How a fit runs: the trainer, its callbacks, schedules, metrics and calibration."""
