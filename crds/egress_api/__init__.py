"""The contract: what a task is, how it is asked for, how it ends and what it is called.

Users see these shapes as REST bodies, as the EgressTask resource and as manifest.json. The gateway, the
operator and the recorder share them here and nowhere else. Pure data and pure functions: this package
imports pydantic and nothing of ours, opens no connection and reads no environment.
"""
