"""What the child that makes files can't do."""


class RemuxError(Exception):
    """No file can be made of these segments; `str()` is the sentence for people."""
