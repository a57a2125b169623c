"""The pipelines as text: what GStreamer is asked to build.

In: the capture config and a number of threads. Out: launch descriptions. Pure strings, so that a test can
hold them and a person can paste them into gst-launch. Which property is there for what reason stands beside
it; the figures are in docs/benchmarks and were measured on this pipeline.
Must not: import GStreamer, know which source feeds it.
"""

from egress_recorder.capture.config import CaptureConfig
from egress_recorder.capture.timing import MILLISECOND, SECOND

COLOUR = "colorimetry=bt601,chroma-site=mpeg2"
"""One label for all: WebRTC senders mean BT.601, and a mismatch would make the compositor convert (18 ms/frame)."""

MIX_LATENCY = 300 * MILLISECOND
"""How long the mixers wait for somebody's frame before they go on without it. Nobody watches live."""

FROZEN_AFTER = 5 * SECOND
"""A picture that stands still for so long is a dead connection: black instead, or dimmed."""


def video_caps(*, width: int, height: int) -> str:
    """Describe raw pictures of one size, as every part of the pipeline passes them on."""
    return f"video/x-raw,format=I420,width={width},height={height},pixel-aspect-ratio=1/1,{COLOUR}"


def source_video_caps(*, width: int, height: int, screen: bool = False) -> str:
    """Describe what a source pushes: no fixed rate, a frame is shown until the next one.

    A screen's pictures are as an X server has them.
    """
    if screen:
        return f"video/x-raw,format=BGRx,width={width},height={height},pixel-aspect-ratio=1/1,framerate=0/1"
    return f"{video_caps(width=width, height=height)},framerate=0/1"


def audio_caps(config: CaptureConfig) -> str:
    """Describe raw sound, the same from the source to the encoder, so that nothing resamples."""
    return f"audio/x-raw,format=S16LE,layout=interleaved,rate={config.sample_rate},channels={config.channels}"


def encoder_delay(config: CaptureConfig) -> int:
    """Give the nanoseconds voaacenc puts in front (1600 samples, measured); a transport stream cannot announce them."""
    return 1600 * SECOND // config.sample_rate


def output_pipeline(config: CaptureConfig, *, threads: int) -> str:
    """Describe the output: mixers with an always-on base, one encode of each kind, segments.

    The file sink keeps nothing to itself: what has been muxed survives a kill of this process.
    """
    canvas = f"{video_caps(width=config.width, height=config.height)},framerate={config.frame_rate}/1"
    gop = max(1, round(config.gop_seconds * config.frame_rate))
    quantum = config.sample_rate // 50
    return f"""
    videotestsrc name=black is-live=true pattern=black ! {source_base_caps()} ! compositor.sink_0
    compositor name=compositor background=black force-live=true ignore-inactive-pads=true
      latency={MIX_LATENCY} max-threads={threads}
      ! {canvas}
      ! queue name=raw-video leaky=downstream max-size-buffers=30 max-size-bytes=0 max-size-time=0
      ! x264enc name=video-encoder speed-preset={config.encoder_preset} threads={threads} key-int-max={gop}
          bframes=0 b-adapt=false rc-lookahead=4 sync-lookahead=0 mb-tree=true sliced-threads=false
          pass=qual quantizer=23 bitrate={config.video_kbps} vbv-buf-capacity=2000 option-string=scenecut=0
      ! video/x-h264,profile=main,stream-format=byte-stream,alignment=au
      ! h264parse name=video-parser config-interval=-1 ! segments.video
    audiotestsrc name=silence is-live=true volume=0 samplesperbuffer={quantum} ! {audio_caps(config)} ! mixer.
    audiomixer name=mixer force-live=true ignore-inactive-pads=true latency={MIX_LATENCY}
      alignment-threshold={40 * MILLISECOND} discont-wait=0 output-buffer-duration={20 * MILLISECOND}
      ! {audio_caps(config)}
      ! queue name=raw-audio max-size-time={2 * SECOND} max-size-bytes=0 max-size-buffers=0
      ! voaacenc bitrate={config.audio_kbps * 1000}
      ! aacparse name=audio-parser ! segments.audio_0
    splitmuxsink name=segments muxer-factory=mpegtsmux reset-muxer=false async-finalize=false
      sink="filesink buffer-mode=unbuffered"
      max-size-time={round(config.segment_seconds * SECOND)} send-keyframe-requests=true
    """


def source_base_caps() -> str:
    """Describe the picture under all others: it only keeps the clock going, so it is tiny and slow."""
    return f"{video_caps(width=16, height=16)},framerate=5/1"


def video_branch(*, screen: bool = False) -> str:
    """Describe one user's way into the compositor, or a screen's.

    The scaling is done here, in the user's own thread, so that the compositor only copies (0.6 ms against
    6.4 ms for four 720p pictures). `flip` passes untouched what is upright, and `crop` what is shown whole.
    """
    convert = f"! videoconvert n-threads=1 ! video/x-raw,format=I420,{COLOUR}" if screen else ""
    return f"""
    appsrc name=source is-live=true format=time block=false max-buffers=0 max-bytes=0 max-time={SECOND}
      leaky-type=downstream
      {convert} ! videoflip name=flip ! videocrop name=crop ! videoscale name=scale add-borders=false ! capsfilter name=size
    """


def audio_branch(config: CaptureConfig) -> str:
    """Describe one user's way into the audio mixer."""
    return f"""
    appsrc name=source is-live=true format=time block=false max-buffers=0 max-bytes=0 max-time={2 * SECOND}
      leaky-type=downstream caps="{audio_caps(config)}" ! identity name=tail silent=true
    """
