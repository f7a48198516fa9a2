"""The build of SEAL that a setting names; the other one is not loaded."""

from gateway.he.engine import Engine, EngineName


def make_engine(name: EngineName) -> Engine:
    """An engine by the name that settings use."""
    if name == "seal-python":
        return Engine()
    from gateway.he.engine_tenseal import TensealEngine  # noqa: PLC0415  the build in use alone

    return TensealEngine()
