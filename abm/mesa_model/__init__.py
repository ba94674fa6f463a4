"""The same model for people who know Mesa: CareModel, its children and families as agents, batch runs.

With engine "arrays" (the usual one) the compiled loops step all children at once and the agents are light views of
their rows. With engine "agents" each child's own plain Python step does it: the readable form of the compiled loop,
with the same events, row for row. Works on Mesa 3.3 (Python 3.11) and 3.5 (Python 3.12 and later).
"""

from abm.mesa_model.agents import AgentEngine, ChildAgent, FamilyAgent
from abm.mesa_model.batch import batch_run
from abm.mesa_model.model import ENGINES, CareModel
from abm.mesa_model.sets import ArrayAgentSet

__all__ = ["ENGINES", "AgentEngine", "ArrayAgentSet", "CareModel", "ChildAgent", "FamilyAgent", "batch_run"]
