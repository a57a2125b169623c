"""The recorder: the program inside a task's Pod.

A supervisor (this package) owns the spool, the playlist, the manifest, uploads, limits and signals; a child
process (`capture`) owns media alone and tells of it over a pipe. The way of a segment: capture_process →
capturing → recording → uploader → store, then recording → manifest_store and playlist.
"""
