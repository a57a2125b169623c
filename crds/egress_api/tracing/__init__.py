"""Traces of a task, from the request to the uploaded file: what all programs share.

Ids and spans are plain data (traceparent.py, spans.py); export.py alone knows OpenTelemetry, and loads it only where
traces are switched on.
"""
