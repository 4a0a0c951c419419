// Package folder writes the lab's files: whole or not at all, so that a lab that
// was killed at any moment never reads half a file the next time.
package folder

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Write puts content into path, making the folders above it. It says whether
// the file changed: an unchanged one is left alone, with its times.
func Write(path string, content []byte, mode fs.FileMode) (changed bool, err error) {
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, content) {
		return false, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return false, fmt.Errorf("write %s: %w", path, err)
	}
	temp, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return false, fmt.Errorf("write %s: %w", path, err)
	}
	if err := fill(temp, content, mode); err != nil {
		return false, errors.Join(fmt.Errorf("write %s: %w", path, err), os.Remove(temp.Name()))
	}
	if err := os.Rename(temp.Name(), path); err != nil {
		return false, errors.Join(fmt.Errorf("write %s: %w", path, err), os.Remove(temp.Name()))
	}
	return true, nil
}

// fill writes and syncs: a rename that reaches the disk before the content does
// would leave an empty file after a power cut.
func fill(file *os.File, content []byte, mode fs.FileMode) error {
	_, err := file.Write(content)
	return errors.Join(err, file.Chmod(mode), file.Sync(), file.Close())
}
