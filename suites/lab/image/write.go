package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// Write returns a tar file with all the images, from the cache when it was made
// before. Images that share a layer are best written together: the file has the
// layer once.
func Write(ctx context.Context, cache string, images ...Image) (string, error) {
	var refs []string
	for _, i := range images {
		ref, err := i.Ref()
		if err != nil {
			return "", err
		}
		if slices.Contains(refs, ref) {
			return "", fmt.Errorf("write images: %s is there twice", ref)
		}
		refs = append(refs, ref)
	}
	slices.Sort(refs)
	key, err := hash(refs)
	if err != nil {
		return "", err
	}
	file := filepath.Join(cache, "images", key+".tar")
	if _, err := os.Stat(file); err == nil {
		return file, nil
	}
	if err := write(ctx, file, images); err != nil {
		return "", fmt.Errorf("write images %v: %w", refs, err)
	}
	return file, nil
}

// write makes the file under another name first: a file that has its name is whole.
func write(ctx context.Context, file string, images []Image) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	if err := sweep(filepath.Dir(file)); err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(file), unfinished+"*")
	if err != nil {
		return err
	}
	err = errors.Join(archive(stopping{ctx, temp}, images), temp.Sync(), temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp.Name()))
	}
	return nil
}

func archive(w io.Writer, images []Image) error {
	content := map[name.Reference]v1.Image{}
	for _, i := range images {
		ref, err := i.Ref()
		if err != nil {
			return err
		}
		tag, err := name.NewTag(ref, name.StrictValidation)
		if err != nil {
			return fmt.Errorf("name %s: %w", ref, err)
		}
		if content[tag], err = i.build(); err != nil {
			return fmt.Errorf("build %s: %w", ref, err)
		}
	}
	return tarball.MultiRefWrite(content, w)
}

// build makes the image.
func (i Image) build() (v1.Image, error) {
	var layers []v1.Layer
	for n, l := range i.Layers {
		opened, err := l.open()
		if err != nil {
			return nil, fmt.Errorf("layer %d: %w", n+1, err)
		}
		layers = append(layers, opened)
	}
	image, err := mutate.AppendLayers(empty.Image, layers...)
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.Architecture, config.OS = runtime.GOARCH, "linux"
	config.Config = v1.Config{
		Entrypoint: i.Entrypoint, Cmd: i.Cmd, Env: i.Env, User: i.User, WorkingDir: i.WorkingDir, StopSignal: i.StopSignal,
	}
	return mutate.ConfigFile(image, config)
}

// stopping fails once the context is done.
type stopping struct {
	ctx context.Context
	w   io.Writer
}

func (s stopping) Write(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.w.Write(p)
}
