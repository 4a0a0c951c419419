// Package image makes the lab's container images from programs and one Debian
// userland, without Docker and without a registry. An image becomes a tar file
// that "ctr -n k8s.io images import" takes.
//
// Everything is made of its inputs alone: sorted, without times, so that equal
// inputs give the same digest and the same name, and a cluster that runs an image
// is only touched when the image really changed.
package image

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"runtime"
	"sync"
)

// Registry is the host part of every name. No such host exists: what is not
// imported cannot be pulled from elsewhere by mistake.
const Registry = "gameday.local"

// format is part of every key; raise it when the way images are made changes.
const format = 1

// Image is one container image.
type Image struct {
	Name string
	// Key stands for the content in the image's tag, for an image whose program
	// is rebuilt more often than it changes. Empty: the content itself counts.
	Key        string
	Layers     []*Layer
	Entrypoint []string
	Cmd        []string
	Env        []string
	User       string
	WorkingDir string
	StopSignal string
}

// Layer is a set of files. Images that have a layer in common share it on disk;
// if it is the same value, it is also read and hashed only once.
type Layer struct {
	Userland string // folder that Userland returned; or else
	Files    []File

	once   sync.Once
	opened *layer
	err    error
}

// File is a program, a text, a folder or a symbolic link in a layer.
type File struct {
	Path     string // absolute, inside the image
	Mode     fs.FileMode
	UID, GID int
	Source   string // content is that of this file, or
	Content  []byte
	Link     string // symbolic link to this
}

// Ref is the image's full name. Its tag changes with the image.
func (i Image) Ref() (string, error) {
	tag, err := i.tag()
	if err != nil {
		return "", fmt.Errorf("name image %s: %w", i.Name, err)
	}
	return Registry + "/" + i.Name + ":" + tag, nil
}

// tag is a short hash of the layers (or of the key instead) and of the settings.
func (i Image) tag() (string, error) {
	settings := i
	settings.Layers = nil
	var digests []string
	if i.Key == "" {
		for n, l := range i.Layers {
			digest, err := l.digest()
			if err != nil {
				return "", fmt.Errorf("layer %d: %w", n+1, err)
			}
			digests = append(digests, digest)
		}
	}
	return hash(struct {
		Format       int
		Architecture string
		Settings     Image
		Layers       []string
	}{format, runtime.GOARCH, settings, digests})
}

// hash is a short hash of a value's JSON.
func hash(value any) (string, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return "", fmt.Errorf("hash: %w", err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:6]), nil
}
