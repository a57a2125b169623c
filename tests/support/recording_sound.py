"""What is to be heard in a recording: beeps to the millisecond, tones second by second.

In: samples at 48 kHz and frequencies. Out: onsets in samples, amplitudes. It works on one frequency at a time, by
mixing it down to 0 Hz and averaging: a person's beep is found while everybody else speaks.
"""

import numpy as np
import numpy.typing as npt

from support.recording_media import AUDIO_RATE, Floats

WINDOW_SECONDS = 0.005
"""Of each of the two averagings: 440 Hz beside the wanted frequency is left at 1 %."""
ONSET_SHARE = 0.5
"""Of a beep's own level at which it has begun: an average centred on the onset crosses a half just there."""
SHORTEST_SHARE = 0.6
LONGEST_SHARE = 1.6
"""Of a beep's length: what is shorter or longer is no beep."""
STEP = 8
"""Samples between two values of the envelope (0.17 ms)."""


def envelope(samples: npt.NDArray[np.float32], frequency: float) -> Floats:
    """Give the amplitude at one frequency, every `STEP` samples."""
    phase = np.exp(-2j * np.pi * frequency / AUDIO_RATE * np.arange(len(samples)))
    mixed = (samples * phase).astype(np.complex128)
    window = int(WINDOW_SECONDS * AUDIO_RATE)
    for _ in range(2):
        total = np.concatenate([[0], np.cumsum(mixed)])
        middle = np.arange(len(mixed))
        low, high = (
            np.clip(middle - window // 2, 0, None),
            np.clip(middle + (window + 1) // 2, None, len(mixed)),
        )
        mixed = (total[high] - total[low]) / window
    smooth: Floats = 2 * np.abs(mixed[::STEP])
    return smooth


def onsets(
    samples: npt.NDArray[np.float32], frequency: float, *, beep_seconds: float, least: float
) -> Floats:
    """Give the samples (positions, not seconds) at which beeps of one frequency begin.

    Args:
        samples: one channel at 48 kHz.
        frequency: of the beep, Hz.
        beep_seconds: how long a beep is.
        least: amplitude below which it is no beep.
    """
    level = envelope(samples, frequency)
    loud = level > least
    edges = np.flatnonzero(np.diff(np.concatenate([[False], loud, [False]]).astype(np.int8)))
    found = []
    for begin, end in zip(edges[::2], edges[1::2], strict=True):
        peak = float(np.median(level[begin:end]))
        lasts = (end - begin) * STEP / AUDIO_RATE
        if not SHORTEST_SHARE < lasts / beep_seconds < LONGEST_SHARE or begin == 0:
            continue
        # back from the middle to where half of the beep's own level is crossed
        place = (begin + end) // 2
        while place > 0 and level[place - 1] > peak * ONSET_SHARE:
            place -= 1
        found.append(place * STEP)
    return np.array(found, dtype=np.float64)


def tone_levels(samples: npt.NDArray[np.float32], frequency: float) -> Floats:
    """Give the amplitude of a continuous tone for each whole second."""
    seconds = len(samples) // AUDIO_RATE
    whole = samples[: seconds * AUDIO_RATE].reshape(seconds, AUDIO_RATE)
    phase = np.exp(-2j * np.pi * frequency / AUDIO_RATE * np.arange(AUDIO_RATE))
    levels: Floats = 2 * np.abs(whole @ phase) / AUDIO_RATE
    return levels
