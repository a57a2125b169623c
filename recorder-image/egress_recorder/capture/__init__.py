"""The capture child: joins a source, mixes what it hears and sees, writes closed segments into the spool.

In: one JSON object and then commands on stdin (`config.py`). Out: JSON lines on stdout (`events.py`) and
MPEG-TS files in the spool. It runs as `python3 -m egress_recorder.capture`, a process of its own, because
GStreamer and the source's native SDK live here and nowhere else: if they crash, the supervisor does not.
Must not: upload, write a playlist, know about Kubernetes, print a token.

A picture's way: source (`livekit_source`) → frames (`livekit_frames`) → branch and mixer (`branches`, `mixer`)
→ output (`pipeline`, `output`) → segments (`segments`) → event.
"""
