"""The test people and the demo's store for shell scripts: `python -m support.demo_cli publish | unpublish | token | fetch`.

In: a channel, or a folder in the store. Out: people who publish, a token on stdout, or files. examples/demo.sh
lives on it; what it calls is what the e2e tests call.
"""

from pathlib import Path
from typing import Annotated

import typer

from support import demo, publishers
from support.recording_fetch import fetch as download
from support.store import BUCKET

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)

Channel = Annotated[str, typer.Option(help="The channel (room).")]


@app.command()
def publish(*, channel: Channel, seconds: Annotated[float, typer.Option(help="How long.")] = 600) -> None:
    """Start two people in a channel, and return once both publish."""
    started = publishers.start(channel, publishers.two_users(), duration_seconds=seconds)
    started.wait_for("join")
    typer.echo(f"{' and '.join(started.identities)} publish in {channel} (Pod {started.name})")


@app.command()
def unpublish(*, channel: Channel) -> None:
    """Take the people of a channel away."""
    publishers.Publishers(name=publishers.pod_name(channel), identities=()).stop()


@app.command()
def token(*, channel: Channel, identity: Annotated[str, typer.Option()] = "recorder") -> None:
    """Print a token with which a recorder may listen in a channel."""
    typer.echo(publishers.recorder_token(channel, identity=identity))


@app.command()
def fetch(prefix: str, *, folder: Path) -> None:
    """Download what lies under a prefix of the demo's bucket."""
    download(demo.store(), bucket=BUCKET, prefix=prefix, folder=folder)
    for path in sorted(folder.iterdir()):
        typer.echo(f"{path.stat().st_size:>9}  {path}")


if __name__ == "__main__":
    app()
