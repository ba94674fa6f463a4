"""Agent-based microsimulation of children's journeys through children's social care."""

__version__ = "0.2.0"
