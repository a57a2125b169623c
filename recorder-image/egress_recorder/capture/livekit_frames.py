"""Frames from the LiveKit SDK into GStreamer, without a copy where that can be had.

In: a subscribed track and a feed. Out: buffers pushed into the feed's appsrc.
`ZeroCopyTaps` wraps the SDK's own memory in GstBuffers (4-11 µs a 720p frame against 256 µs for the SDK's copies)
and works in the SDK's thread, without a hop through asyncio. It uses private parts of livekit 1.2.1 and the layout
of GstBuffer, so `open_taps` first tries it on a real frame and otherwise takes `PublicTaps`, the documented way.
Must not: raise in the SDK's thread, hold a frame that nobody wants.
"""

import asyncio
import ctypes
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

from livekit import rtc
from livekit.rtc._ffi_client import FfiClient
from livekit.rtc._proto import ffi_pb2, video_frame_pb2

from egress_recorder.capture.branches import AudioFeed, Shape, VideoFeed
from egress_recorder.capture.gst import Gst
from egress_recorder.capture.memory import Memory, pointer_of

log = logging.getLogger(__name__)

AUDIO_FRAME_MS = 20
VIDEO_QUEUE_FRAMES = 8
"""The SDK's own queue before us; it only fills when this process is not scheduled."""
AUDIO_QUEUE_FRAMES = 50

CloseTap = Callable[[], None]


class Taps(Protocol):
    """A way to get frames out of tracks."""

    def video(self, track: Any, feed: VideoFeed) -> CloseTap:
        """Push the track's pictures into the feed until the answer is called."""

    def audio(self, track: Any, feed: AudioFeed, *, sample_rate: int, channels: int) -> CloseTap:
        """Push the track's sound into the feed until the answer is called."""


_FORMAT_I420 = 2  # GST_VIDEO_FORMAT_I420


class _Native:
    """The few C functions that are needed, with their types."""

    def __init__(self) -> None:
        pointer = ctypes.c_void_p
        video = ctypes.CDLL("libgstvideo-1.0.so.0")
        self.memory = Memory()
        self.add_video_meta = video.gst_buffer_add_video_meta_full
        self.add_video_meta.restype = pointer
        self.add_video_meta.argtypes = [
            pointer, ctypes.c_int, ctypes.c_int, ctypes.c_uint, ctypes.c_uint, ctypes.c_uint, pointer, pointer,
        ]  # fmt: skip
        library = FfiClient.instance._ffi_lib  # noqa: SLF001 - see the module's docstring
        self.drop = library.livekit_ffi_drop_handle
        self.drop_pointer = ctypes.cast(self.drop, pointer)

    def push_frame(
        self,
        appsrc: int,
        *,
        address: int,
        size: int,
        handle: int,
        pts: int,
        discont: bool,
        strides: Any = None,
    ) -> None:
        """Hand the SDK's memory to an appsrc; GStreamer drops the handle when it is done with it."""
        buffer = self.memory.wrap(
            address=address, size=size, pts=pts, discont=discont, release=self.drop_pointer, owner=handle
        )
        if strides is not None:
            width, height, offsets, lengths = strides
            self.add_video_meta(buffer, 0, _FORMAT_I420, width, height, 3, offsets, lengths)
        self.memory.push(appsrc, buffer)


def packed_planes(width: int, height: int) -> tuple[int, int, Any, Any] | None:
    """Describe the SDK's packed I420 planes, if GStreamer's own layout, rounded up to four bytes, is another."""
    half_width, half_height = (width + 1) // 2, (height + 1) // 2
    if width % 8 == 0 and height % 2 == 0:
        return None
    luma, chroma = width * height, half_width * half_height
    offsets = (ctypes.c_size_t * 4)(0, luma, luma + chroma, 0)
    lengths = (ctypes.c_int * 4)(width, half_width, half_width, 0)
    return width, height, offsets, lengths


class ZeroCopyTaps:
    """All tracks' frames through one subscription to the SDK's events."""

    def __init__(self) -> None:
        self._native = _Native()
        self._video: dict[int, tuple[VideoFeed, int]] = {}
        self._audio: dict[int, tuple[AudioFeed, int]] = {}
        self._planes: dict[tuple[int, int], Any] = {}
        self._failed = False
        self._queue = FfiClient.instance.queue.subscribe(asyncio.get_running_loop(), self._take)

    def video(self, track: Any, feed: VideoFeed) -> CloseTap:
        """See Taps."""
        request = ffi_pb2.FfiRequest()
        stream = request.new_video_stream
        stream.track_handle = track._ffi_handle.handle  # noqa: SLF001 - see the module's docstring
        stream.type = video_frame_pb2.VideoStreamType.VIDEO_STREAM_NATIVE
        stream.format = video_frame_pb2.VideoBufferType.I420
        stream.normalize_stride = True
        stream.queue_size_frames = VIDEO_QUEUE_FRAMES
        handle = FfiClient.instance.request(request).new_video_stream.stream.handle.id
        self._video[handle] = (feed, pointer_of(feed.appsrc))
        return lambda: self._close(handle, self._video)

    def audio(self, track: Any, feed: AudioFeed, *, sample_rate: int, channels: int) -> CloseTap:
        """See Taps."""
        request = ffi_pb2.FfiRequest()
        stream = request.new_audio_stream
        stream.track_handle = track._ffi_handle.handle  # noqa: SLF001 - see the module's docstring
        stream.type = 0  # AUDIO_STREAM_NATIVE
        stream.sample_rate, stream.num_channels = sample_rate, channels
        stream.frame_size_ms = AUDIO_FRAME_MS
        stream.queue_size_frames = AUDIO_QUEUE_FRAMES
        handle = FfiClient.instance.request(request).new_audio_stream.stream.handle.id
        self._audio[handle] = (feed, pointer_of(feed.appsrc))
        return lambda: self._close(handle, self._audio)

    def _close(self, handle: int, streams: dict[int, Any]) -> None:
        if streams.pop(handle, None) is not None:
            self._native.drop(handle)

    def _take(self, event: Any) -> bool:
        """Take one event in the SDK's thread; never pass it on to a queue that nobody reads."""
        try:
            match event.WhichOneof("message"):
                case "video_stream_event" if event.video_stream_event.HasField("frame_received"):
                    self._take_picture(event.video_stream_event)
                case "audio_stream_event" if event.audio_stream_event.HasField("frame_received"):
                    self._take_sound(event.audio_stream_event)
                case _:
                    pass
        except Exception:
            if not self._failed:  # once: thirty tracebacks a second help nobody
                self._failed = True
                log.exception("a frame could not be taken")
        return False

    def _take_picture(self, event: Any) -> None:
        received = event.frame_received
        frame, handle = received.buffer.info, received.buffer.handle.id
        feed, appsrc = self._video.get(event.stream_handle, (None, 0))
        pts = None
        try:
            if feed is not None:
                now, shape = time.monotonic_ns(), Shape(frame.width, frame.height, received.rotation)
                pts = feed.admit(
                    shape, timestamp_us=received.timestamp_us, now=now, caps=Gst.Caps.from_string
                )
        finally:
            if pts is None:
                self._native.drop(handle)
        if pts is None:
            return
        size = (frame.width, frame.height)
        if size not in self._planes:
            self._planes[size] = packed_planes(*size)
        half = ((frame.width + 1) // 2) * ((frame.height + 1) // 2)
        self._native.push_frame(
            appsrc, address=frame.data_ptr, size=frame.width * frame.height + 2 * half, handle=handle, pts=pts,
            discont=False, strides=self._planes[size],
        )  # fmt: skip

    def _take_sound(self, event: Any) -> None:
        buffer = event.frame_received.frame
        frame, handle = buffer.info, buffer.handle.id
        feed, appsrc = self._audio.get(event.stream_handle, (None, 0))
        admitted = None
        if feed is not None:
            admitted = feed.admit(samples=frame.samples_per_channel, now=time.monotonic_ns())
        if admitted is None:
            self._native.drop(handle)
            return
        pts, discont = admitted
        size = frame.samples_per_channel * frame.num_channels * 2
        self._native.push_frame(
            appsrc, address=frame.data_ptr, size=size, handle=handle, pts=pts, discont=discont
        )


class PublicTaps:
    """The SDK's documented streams: two copies a frame, no private parts."""

    def video(self, track: Any, feed: VideoFeed) -> CloseTap:
        """See Taps."""
        return _cancel(asyncio.ensure_future(self._pictures(track, feed)))

    def audio(self, track: Any, feed: AudioFeed, *, sample_rate: int, channels: int) -> CloseTap:
        """See Taps."""
        return _cancel(asyncio.ensure_future(self._sound(track, feed, sample_rate, channels)))

    async def _pictures(self, track: Any, feed: VideoFeed) -> None:
        import gi  # noqa: PLC0415 - only this way needs GstVideo

        gi.require_version("GstVideo", "1.0")
        from gi.repository import GstVideo  # noqa: PLC0415 - see above

        # the iteration never ends by itself when the track does (python-sdks, video_stream.py): it is cancelled
        async for received in rtc.VideoStream(
            track, format=rtc.VideoBufferType.I420, capacity=VIDEO_QUEUE_FRAMES
        ):
            frame = received.frame
            shape = Shape(frame.width, frame.height, received.rotation)
            now = time.monotonic_ns()
            pts = feed.admit(shape, timestamp_us=received.timestamp_us, now=now, caps=Gst.Caps.from_string)
            if pts is None:
                continue
            buffer = Gst.Buffer.new_wrapped(bytes(frame.data))
            buffer.pts = pts
            planes = packed_planes(frame.width, frame.height)
            if planes:
                GstVideo.buffer_add_video_meta_full(
                    buffer, GstVideo.VideoFrameFlags.NONE, GstVideo.VideoFormat.I420, frame.width, frame.height, 3,
                    list(planes[2]), list(planes[3]),
                )  # fmt: skip
            feed.appsrc.emit("push-buffer", buffer)

    async def _sound(self, track: Any, feed: AudioFeed, sample_rate: int, channels: int) -> None:
        stream = rtc.AudioStream(
            track, sample_rate=sample_rate, num_channels=channels, frame_size_ms=AUDIO_FRAME_MS,
            capacity=AUDIO_QUEUE_FRAMES,
        )  # fmt: skip
        async for received in stream:
            frame = received.frame
            admitted = feed.admit(samples=frame.samples_per_channel, now=time.monotonic_ns())
            if admitted is None:
                continue
            buffer = Gst.Buffer.new_wrapped(bytes(frame.data))
            buffer.pts = admitted[0]
            if admitted[1]:
                buffer.set_flags(Gst.BufferFlags.DISCONT)
            feed.appsrc.emit("push-buffer", buffer)


def _cancel(task: "asyncio.Future[None]") -> CloseTap:
    def close() -> None:
        task.cancel()

    task.add_done_callback(_log_failure)
    return close


def _log_failure(task: "asyncio.Future[None]") -> None:
    if not task.cancelled() and task.exception():
        log.error("a track's frames could not be taken", exc_info=task.exception())


def zero_copy_works() -> bool:
    """Try the zero-copy way on a real frame of the SDK's: contents, time and release must come out right."""
    width, height, pts = 16, 16, 1_234_567_890
    with suppress(Exception):
        content = bytearray(range(192)) * 2
        source = rtc.VideoFrame(width, height, rtc.VideoBufferType.I420, content)
        request = ffi_pb2.FfiRequest()
        request.video_convert.dst_type = video_frame_pb2.VideoBufferType.I420
        request.video_convert.buffer.CopyFrom(source._proto_info())  # noqa: SLF001 - see the module's docstring
        owned = FfiClient.instance.request(request).video_convert.buffer
        caps = f"video/x-raw,format=I420,width={width},height={height},framerate=0/1"
        pipeline = Gst.parse_launch(f"appsrc name=in format=time caps={caps} ! appsink name=out sync=false")
        pipeline.set_state(Gst.State.PLAYING)
        native, released = _Native(), []
        on_release = ctypes.CFUNCTYPE(None, ctypes.c_uint64)(
            lambda handle: released.append(native.drop(handle))
        )
        native.drop_pointer = ctypes.cast(on_release, ctypes.c_void_p)
        native.push_frame(
            pointer_of(pipeline.get_by_name("in")),
            address=owned.info.data_ptr,
            size=len(content),
            handle=owned.handle.id,
            pts=pts,
            discont=False,
        )
        sample = pipeline.get_by_name("out").emit("try-pull-sample", Gst.SECOND)
        buffer = sample.get_buffer()
        right = buffer.pts == pts and buffer.extract_dup(0, buffer.get_size()) == bytes(content)
        del buffer, sample
        pipeline.set_state(Gst.State.NULL)
        return bool(right and released == [True])
    return False


def open_taps() -> Taps:
    """Choose the way frames are taken."""
    if zero_copy_works():
        return ZeroCopyTaps()
    log.warning("frames are copied: the zero-copy way failed its self-test with this livekit or GStreamer")
    return PublicTaps()
