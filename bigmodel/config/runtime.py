"""The mark of constructor arguments that a config never gives."""


class Runtime:
    """`Annotated[T, Runtime()]`: filled in by the entrypoint, and not allowed in a config."""
