package build

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
)

// ModuleDir returns the folder of a module's files in the module cache, which is
// not to be written to. The module is one that the pin requires and builds from;
// it is downloaded if need be.
func (b Builder) ModuleDir(ctx context.Context, pin, module string) (string, error) {
	c, err := shipped()
	if err != nil {
		return "", err
	}
	dir, err := b.moduleDir(ctx, c, pin, module)
	if err != nil {
		return "", fmt.Errorf("find the files of %s: %w", module, err)
	}
	return dir, nil
}

func (b Builder) moduleDir(ctx context.Context, c catalog, name, module string) (dir string, err error) {
	cache, err := b.cache()
	if err != nil {
		return "", err
	}
	p, err := readPin(c.pins, name)
	if err != nil {
		return "", err
	}
	g, err := findGo(ctx, cache)
	if err != nil {
		return "", err
	}
	held, err := hold(ctx, cache, name, func() {})
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, held.release()) }()
	work := filepath.Join(held.scratch, "work")
	if err := p.write(work); err != nil {
		return "", err
	}
	log := filepath.Join(cache, "log", "module-"+name+".log")
	var answer bytes.Buffer
	call := goCall{
		work: work, temp: held.scratch, log: log, out: &answer,
		args: []string{"mod", "download", "-json", module},
	}
	if err := g.run(ctx, call); err != nil {
		return "", err
	}
	return downloaded(answer.Bytes(), p)
}

// downloaded reads what the go command says of the module it downloaded. The go
// command takes the word of a checksum database for a module that go.sum lacks;
// here the pin alone counts.
func downloaded(answer []byte, p pin) (string, error) {
	var m struct{ Path, Version, Sum, Dir string }
	if err := json.Unmarshal(answer, &m); err != nil {
		return "", fmt.Errorf("read the go command's answer: %w", err)
	}
	if !p.vouches(m.Path, m.Version, m.Sum) {
		return "", fmt.Errorf("pin %s has no sum %s of %s %s", p.name, m.Sum, m.Path, m.Version)
	}
	return m.Dir, nil
}
