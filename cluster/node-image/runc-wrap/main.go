// Calls runc without the capability that this machine cannot give.
//
// Docker's --privileged (kind's nodes use it) asks for every capability; where the machine itself lacks
// CAP_SYS_RESOURCE, runc then fails with "unable to apply caps". It is taken out of the bundle's config.json
// and of exec's process file. A program, not a script: it runs for each exec, health probes too.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

const missing = "CAP_SYS_RESOURCE"

func main() {
	bundle, process := "", ""
	for i, argument := range os.Args {
		name, value, joined := strings.Cut(argument, "=")
		if !joined && i+1 < len(os.Args) {
			value = os.Args[i+1]
		}
		switch name {
		case "--bundle", "-b":
			bundle = value
		case "--process", "-p":
			process = value
		}
	}
	if bundle != "" {
		check(rewrite(filepath.Join(bundle, "config.json"), func(document map[string]any) any { return document["process"] }))
	}
	if process != "" {
		check(rewrite(process, func(document map[string]any) any { return document }))
	}
	runc, err := exec.LookPath("runc")
	check(err)
	check(syscall.Exec(runc, append([]string{"runc"}, os.Args[1:]...), os.Environ()))
}

// rewrite takes the capability out of every set of the process that a document holds, and keeps the rest as it is.
func rewrite(path string, process func(map[string]any) any) error {
	text, err := os.ReadFile(path)
	if os.IsNotExist(err) || !bytes.Contains(text, []byte(missing)) {
		return nil
	}
	if err != nil {
		return err
	}
	document := map[string]any{}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber() // rlimits are unsigned 64 bit
	if err := decoder.Decode(&document); err != nil {
		return err
	}
	holder, _ := process(document).(map[string]any)
	sets, _ := holder["capabilities"].(map[string]any)
	for name, set := range sets {
		kept := []any{}
		list, _ := set.([]any)
		for _, capability := range list {
			if capability != missing {
				kept = append(kept, capability)
			}
		}
		sets[name] = kept
	}
	text, err = json.Marshal(document)
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o600)
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "runc-wrap:", err)
		os.Exit(1)
	}
}
