"""Who calls, and may they do that: the modes of authentication, and what stands in front of every call.

`guard` is the way in. It asks each mode that is on (`api_keys`, `tokens` for JWTs, `reviews` for Kubernetes) and
needs one yes. No credential is ever logged, kept in plain text longer than its request, or shown in an answer.
"""
