package lab

import (
	"debug/buildinfo"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// mainPackage is the program that the machines and the shop's image run.
const mainPackage = "github.com/gamedayhq/gameday/cmd/gameday"

// program is the gameday program to use. It becomes PID 1 of the machines, which
// run it with arguments that only gameday understands: a test binary, say, would
// run its tests again, so any other program is refused.
func (o Options) program() (string, error) {
	path := o.Program
	if path == "" {
		self, err := os.Executable()
		if err != nil {
			return "", fmt.Errorf("find the gameday program: %w", err)
		}
		path = self
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("find the gameday program: %w", err)
	}
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("look at the program %s: %w", path, err)
	}
	if info.Path != mainPackage {
		return "", fmt.Errorf("%s is %s, not gameday: build one (CGO_ENABLED=0 go build ./cmd/gameday) and name it in Options.Program", path, info.Path)
	}
	return path, static(path)
}

// static says that the program needs nothing beside itself: in the shop's image
// there is nothing beside it.
func static(path string) (err error) {
	file, err := elf.Open(path)
	if err != nil {
		return fmt.Errorf("look at the program %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	for _, p := range file.Progs {
		if p.Type == elf.PT_INTERP {
			return fmt.Errorf("%s needs shared libraries, which the shop's image has not: build gameday with CGO_ENABLED=0", path)
		}
	}
	return nil
}
