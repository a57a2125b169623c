"""The entry of the recorder's container: `python3 -m egress_recorder`, under tini.

Nothing but the standard library is imported before the signals are heard: loading the program takes a third of a
second, and a SIGTERM in that time would end it without last words.
"""

from egress_recorder import early_signals


def main() -> None:
    """Run the recorder."""
    early_signals.listen()
    from egress_recorder import program  # noqa: PLC0415 - see above

    program.main()


if __name__ == "__main__":
    main()
