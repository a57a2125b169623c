module egress.dev/runcwrap

go 1.24.0
