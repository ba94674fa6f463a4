"""Scenarios, runs, comparisons and reports, and the `journeys` command."""
