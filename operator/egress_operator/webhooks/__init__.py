"""Webhooks: what happens to a task, told to its app (docs/webhooks.md).

outbox.py notes events in the status that tells of the change; sender.py sends them and remembers how far it is
(record.py), with the few statuses that it needs for it (hand.py); notices.py is what the reconciler sees of it all. Settings, keys, the schedule and one HTTP call have modules of their own.
"""
