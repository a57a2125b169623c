"""A kind cluster for the demo and the tests, on any machine, also where no image can be pulled.

In: a Docker engine (or a Debian machine that may install one), Go and the package registries.
Out: a kubeconfig, a `PATH` with the tools, and the demo's S3 and RTC servers as Pods.
Nothing here is installed with the product, and nothing of the product is imported here.
"""
