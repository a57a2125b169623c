"""What a bench ends with where there is nothing to measure."""


class BenchError(RuntimeError):
    """Something did not do what is to be measured."""
