"""Hypothesis without its deadline of 200 ms: on a busy machine an example is late, and pytest's own timeout holds."""

from hypothesis import settings

settings.register_profile("unit", settings(), deadline=None)
settings.load_profile("unit")
