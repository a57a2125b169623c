"""Memory that is not ours into GStreamer, without a copy.

In: an address, a length and somebody to tell when GStreamer is done with it. Out: a buffer pushed into an appsrc.
PyGObject copies what it wraps (0.26 ms for a 720p picture); these few C calls take 10 µs. It relies on the layout of
GstBuffer, which is part of GStreamer's stable ABI. Must not: know whose memory it is.
"""

import ctypes
from typing import Any

_MINI_OBJECT_FLAGS = 16  # offset of GstMiniObject.flags: after type (8), refcount (4), lockstate (4)
_READ_ONLY = 2  # GST_MEMORY_FLAG_READONLY: its owner may show the same picture to others
_DISCONT = 1 << 6  # GST_BUFFER_FLAG_DISCONT

Release = ctypes.CFUNCTYPE(None, ctypes.c_size_t)
"""The C type of who is told: called with the `owner` that was given, in one of GStreamer's threads."""


class BufferHead(ctypes.Structure):
    """The beginning of a GstBuffer: GstMiniObject is 64 bytes on 64-bit machines."""

    _fields_ = [("mini", ctypes.c_byte * 64), ("pool", ctypes.c_void_p), ("pts", ctypes.c_uint64)]


class Memory:
    """The C functions, with their types."""

    def __init__(self) -> None:
        pointer, size = ctypes.c_void_p, ctypes.c_size_t
        core = ctypes.CDLL("libgstreamer-1.0.so.0")
        app = ctypes.CDLL("libgstapp-1.0.so.0")
        self._wrap = core.gst_buffer_new_wrapped_full
        self._wrap.restype = pointer
        self._wrap.argtypes = [ctypes.c_int, pointer, size, size, size, pointer, pointer]
        self._push = app.gst_app_src_push_buffer  # takes the buffer over, and gives the GIL up meanwhile
        self._push.argtypes = [pointer, pointer]

    def wrap(
        self, *, address: int, size: int, pts: int, discont: bool = False, release: Any, owner: int
    ) -> int:
        """Give the address of a GstBuffer around this memory.

        Args:
            address: of the memory.
            size: its bytes.
            pts: nanoseconds of running time.
            discont: whether it does not follow on the buffer before.
            release: a pointer to a `Release`; it is called with `owner` when the memory is no longer needed.
            owner: a number.
        """
        buffer = int(self._wrap(_READ_ONLY, address, size, 0, size, owner, release))
        BufferHead.from_address(buffer).pts = pts
        if discont:
            flags = ctypes.c_uint.from_address(buffer + _MINI_OBJECT_FLAGS)
            flags.value |= _DISCONT
        return buffer

    def push(self, appsrc: int, buffer: int) -> None:
        """Hand a buffer to an appsrc, for good."""
        self._push(appsrc, buffer)


def pointer_of(gobject: Any) -> int:
    """Give the address of a GObject that Python holds, by PyGObject's own capsule."""
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    name = ctypes.pythonapi.PyCapsule_GetName
    name.restype, name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    capsule = gobject.__gpointer__
    return int(get(capsule, name(capsule)))
