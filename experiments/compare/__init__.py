"""The simulation beside system dynamics beside published figures: what fits, what does not, what it is good for."""
