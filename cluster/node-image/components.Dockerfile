# The images that kubeadm starts the control plane from. One image with every component, under all their names:
# the layers exist once in each node.
FROM scratch AS pause
COPY pause /pause
USER 65535:65535
ENTRYPOINT ["/pause"]

FROM scratch AS coredns
COPY coredns /coredns
ENTRYPOINT ["/coredns"]

FROM debian:bookworm-slim AS kubernetes
RUN --mount=type=secret,id=ca --mount=type=secret,id=aptconf \
    --mount=type=cache,target=/var/cache/apt,sharing=locked --mount=type=cache,target=/var/lib/apt,sharing=locked \
    export APT_CONFIG=/run/secrets/aptconf DEBIAN_FRONTEND=noninteractive \
    && rm -f /etc/apt/apt.conf.d/docker-clean \
    && apt-get update && apt-get install -y --no-install-recommends conntrack iptables kmod
COPY kube /usr/local/bin/kube
RUN for name in etcd kube-apiserver kube-controller-manager kube-scheduler kube-proxy; do \
      ln -s kube /usr/local/bin/$name; \
    done
