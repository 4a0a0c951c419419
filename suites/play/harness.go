package play

import (
	"os"
	"runtime"
	"runtime/debug"

	"github.com/gamedayhq/gameday/reports"
)

// Harness tells which gameday this is, from what the Go linker put into the program.
func Harness() reports.Harness {
	h := reports.Harness{Version: "unknown", Go: runtime.Version(), Args: redact(os.Args)}
	if host, err := os.Hostname(); err == nil {
		h.Host = host
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return h
	}
	h.Version = info.Main.Version
	for _, setting := range info.Settings {
		switch setting.Key {
		case "vcs.revision":
			h.Revision = setting.Value
		case "vcs.modified":
			h.Modified = setting.Value == "true"
		}
	}
	return h
}
