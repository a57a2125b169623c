"""The entry of the recorder's container: `python3 -m egress_recorder`, process 1 of it.

Nothing but the standard library is imported before the signals are heard: the kernel drops a SIGTERM that
process 1 has no handler for, and loading the program takes a third of a second. A task that is stopped as
its Pod starts would otherwise record until the kubelet kills it.
"""

from egress_recorder import early_signals


def main() -> None:
    """Run the recorder."""
    early_signals.listen()
    from egress_recorder import program  # noqa: PLC0415 - see above

    program.main()


if __name__ == "__main__":
    main()
