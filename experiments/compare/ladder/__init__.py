"""How much of the gap between system dynamics and the simulation each mechanism explains."""
