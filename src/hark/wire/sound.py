"""The one form of sound that hark carries: 48 kHz, one channel, 16 bits, frames of 20 ms.

Faces convert to and from it; the media engine, the control contract and voicemail use nothing
else. Source: spec/calls.md#sound.
"""

SAMPLE_RATE_HZ = 48_000
FRAME_MS = 20
FRAME_SAMPLES = SAMPLE_RATE_HZ * FRAME_MS // 1000
SAMPLE_BYTES = 2
"""A sample is a signed integer of 16 bits, little-endian."""
FRAME_BYTES = FRAME_SAMPLES * SAMPLE_BYTES
FRAMES_PER_S = 1000 // FRAME_MS

SILENCE = bytes(FRAME_BYTES)
"""One frame of silence."""

OPUS_PACKET_BYTES = 80
"""Every Opus packet has this size, whatever is said: 32 kb/s, constant bit rate."""
MAX_VOICEMAIL_S = 25
MAX_VOICEMAIL_BYTES = MAX_VOICEMAIL_S * FRAMES_PER_S * OPUS_PACKET_BYTES
