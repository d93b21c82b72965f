from support.agent_runs import run

__all__ = ["run"]
