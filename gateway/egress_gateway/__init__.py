"""The gateway: REST in, EgressTask out, answers from a watch cache.

A request goes through middleware → routes → body → tasks or wishes → cluster; what goes wrong on the way is a
ProblemError (errors.py) and becomes an answer in problems.py. The watch fills the cache beside it.
"""
