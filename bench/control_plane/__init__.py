"""What the control plane takes, without a node: `make bench-control-plane`.

In: the kube binary, kwok and the chart of this checkout. Out: tables on the terminal and, with `--write`, a section of
docs/benchmarks.md. A real kube-apiserver and etcd on loopback; kwok plays the kubelets, so that what is measured is the
programs' own work and not media. Never part of the tests: figures depend on the machine.
"""
