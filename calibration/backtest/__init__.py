"""Forecasts held against what then happened: rolling origins, simple methods beside ours, scores and a page."""
