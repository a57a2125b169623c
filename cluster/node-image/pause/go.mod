module egress.dev/pause

go 1.24.0
