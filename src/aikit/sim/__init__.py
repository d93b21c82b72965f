"""A simulated provider on loopback, for demos and tests: the providers' APIs without a model, a key or a bill."""

from aikit.sim.simulator import Simulator, serve

__all__ = ["Simulator", "serve"]
