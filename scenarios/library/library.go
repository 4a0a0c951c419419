// Package library holds the scenarios that gameday ships.
package library

import (
	"embed"
	"fmt"
	"slices"
	"strings"
)

//go:embed *.yaml
var files embed.FS

// Names returns the names of the shipped scenarios, sorted.
func Names() []string {
	entries, err := files.ReadDir(".")
	if err != nil {
		return nil // an embedded folder is always readable
	}
	var names []string
	for _, entry := range entries {
		names = append(names, strings.TrimSuffix(entry.Name(), ".yaml"))
	}
	slices.Sort(names)
	return names
}

// Shipped returns the names of the scenarios that are the shipped game day: those labelled gameday: shipped.
func Shipped() []string {
	return slices.DeleteFunc(Names(), func(name string) bool {
		text, err := Read(name)
		return err != nil || !strings.Contains(string(text), "gameday: shipped")
	})
}

// Read returns the text of a shipped scenario.
func Read(name string) ([]byte, error) {
	text, err := files.ReadFile(name + ".yaml")
	if err != nil {
		return nil, fmt.Errorf("no shipped scenario %q; there are: %s", name, strings.Join(Names(), ", "))
	}
	return text, nil
}
