"""The one way in which a step of deploying fails: with what was expected and what to do."""


class Failed(Exception):
    """Its message is printed as it is, without a traceback: write it for its reader."""
