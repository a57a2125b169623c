"""The display that a page is drawn on: an X server without a screen, whose refresh rate is the recording's.

In: a size and a rate. Out: a running Xvfb and its number. Chromium draws as often as the display refreshes: at the
recording's own rate it draws each frame once, and costs half of what it does at 60 Hz (docs/benchmarks.md).
Must not: know what is shown.
"""

import asyncio
import logging
import os
from pathlib import Path

import xcffib
import xcffib.randr

from egress_recorder.capture.children import Child, start_child
from egress_recorder.capture.errors import PipelineError
from egress_recorder.capture.timing import refresh_rate

log = logging.getLogger(__name__)

START_SECONDS = 10.0


class Display:
    """A running X server."""

    def __init__(self, child: Child, *, name: str) -> None:
        self.child = child
        self.name = name
        """As in $DISPLAY."""

    @classmethod
    async def start(cls, *, width: int, height: int, frame_rate: int, folder: Path) -> "Display":
        """Start one. Raises PipelineError."""
        reading, writing = os.pipe()
        child: Child | None = None
        try:
            child = await start_child(
                "Xvfb",
                [
                    "-displayfd",
                    str(writing),
                    "-screen",
                    "0",
                    f"{width}x{height}x24",
                    "-nolisten",
                    "tcp",
                    "-ac",
                    "-noreset",
                    "-nocursor",
                    "-extension",
                    "GLX",
                    "-s",
                    "0",
                    "-dpi",
                    "96",
                ],
                environment={"HOME": str(folder)},
                pass_fds=(writing,),
            )
        finally:
            os.close(writing)
            if child is None:
                os.close(reading)
        try:
            number = await asyncio.wait_for(_line(reading), START_SECONDS)
            display = cls(child, name=f":{number}")
            await asyncio.to_thread(display._refresh_at, refresh_rate(frame_rate), width=width, height=height)
        except TimeoutError:
            child.kill()
            raise PipelineError(f"The display did not start within {START_SECONDS:g} s.") from None
        except BaseException:
            child.kill()
            raise
        finally:
            os.close(reading)
        return display

    async def end(self) -> None:
        """End it."""
        await self.child.end()

    def _refresh_at(self, rate: int, *, width: int, height: int) -> None:
        """Give the display a mode with this refresh rate: pixels a second are all that a mode of Xvfb's says."""
        connection = xcffib.connect(self.name)
        try:
            randr = connection(xcffib.randr.key)
            randr.QueryVersion(1, 5).reply()
            root = connection.get_setup().roots[0].root
            resources = randr.GetScreenResources(root).reply()
            output, crtc = resources.outputs[0], resources.crtcs[0]
            name = f"{width}x{height}@{rate}"
            info = xcffib.randr.ModeInfo.synthetic(
                id=0, width=width, height=height, dot_clock=width * height * rate,
                hsync_start=width, hsync_end=width, htotal=width, hskew=0,
                vsync_start=height, vsync_end=height, vtotal=height, name_len=len(name), mode_flags=0,
            )  # fmt: skip
            mode = randr.CreateMode(root, info, len(name), name).reply().mode
            randr.AddOutputMode(output, mode, is_checked=True).check()
            taken = randr.SetCrtcConfig(
                crtc,
                0,
                resources.config_timestamp,
                0,
                0,
                mode,
                xcffib.randr.Rotation.Rotate_0,
                1,
                [output],
            ).reply()
            if taken.status != xcffib.randr.SetConfig.Success:
                raise PipelineError(f"The display does not take a refresh rate of {rate} Hz.")
        except xcffib.XcffibException as error:
            raise PipelineError(
                f"The display does not take a refresh rate of {rate} Hz: {error!r}."
            ) from error
        finally:
            connection.disconnect()


async def _line(descriptor: int) -> str:
    """Read a line from a pipe without blocking the loop."""
    loop, readable = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(descriptor, readable.set)
    text = b""
    try:
        while not text.endswith(b"\n"):
            await readable.wait()
            readable.clear()
            part = os.read(descriptor, 64)
            if not part:
                raise PipelineError("The display ended while it started.")
            text += part
    finally:
        loop.remove_reader(descriptor)
    return text.decode().strip()
