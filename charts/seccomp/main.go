// Writes the seccomp profile under which Chromium's own sandbox works:
//
//	go run . > ../egress-operator/files/seccomp-chromium.json
//
// It is the default profile of Docker and containerd for a container without capabilities, on x86_64 and arm64, and
// five system calls more: with them a process makes itself namespaces of its own, which is what the sandbox is made
// of. In: the profile as Moby publishes it, whose rules depend on capabilities and architectures. Out: the plain form
// that the kubelet takes, where nothing is conditional but arguments.
package main

import (
	"encoding/json"
	"log"
	"os"
	"slices"

	"github.com/moby/profiles/seccomp"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// To make namespaces, and to move into an empty root folder. The default profile refuses them, or allows them without
// the flags that make namespaces, except to those who hold CAP_SYS_ADMIN.
var forTheSandbox = []string{"chroot", "clone", "clone3", "setns", "unshare"}

// As Moby names what a container may run on these two, 32-bit programs included.
var arches = []string{"amd64", "x86", "x32", "arm64", "arm"}

func main() {
	from := seccomp.DefaultProfile()
	out := specs.LinuxSeccomp{
		DefaultAction:   specs.LinuxSeccompAction(from.DefaultAction),
		DefaultErrnoRet: from.DefaultErrnoRet,
		Architectures: []specs.Arch{
			specs.ArchX86_64, specs.ArchX86, specs.ArchX32, specs.ArchAARCH64, specs.ArchARM,
		},
	}
	allowed := slices.Clone(forTheSandbox)
	for _, rule := range from.Syscalls {
		if !holds(rule) {
			continue
		}
		names := slices.DeleteFunc(slices.Clone(rule.Names), func(name string) bool {
			return slices.Contains(forTheSandbox, name)
		})
		if rule.Action == specs.ActAllow && len(rule.Args) == 0 {
			allowed = append(allowed, names...)
		} else if len(names) > 0 {
			plain := rule.LinuxSyscall
			plain.Names = names
			out.Syscalls = append(out.Syscalls, plain)
		}
	}
	slices.Sort(allowed)
	all := specs.LinuxSyscall{Names: slices.Compact(allowed), Action: specs.ActAllow}
	out.Syscalls = append([]specs.LinuxSyscall{all}, out.Syscalls...)
	writer := json.NewEncoder(os.Stdout)
	writer.SetIndent("", "  ")
	if err := writer.Encode(out); err != nil {
		log.Fatal(err)
	}
}

// holds tells whether a rule is in force for a container without capabilities. Rules that ask for a kernel ask for 4.8,
// which is older than any that a supported Kubernetes runs on.
func holds(rule *seccomp.Syscall) bool {
	if rule.Includes != nil {
		if len(rule.Includes.Caps) > 0 {
			return false
		}
		if len(rule.Includes.Arches) > 0 && !slices.ContainsFunc(rule.Includes.Arches, known) {
			return false
		}
	}
	return true
}

func known(arch string) bool { return slices.Contains(arches, arch) }
