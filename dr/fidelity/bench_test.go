package fidelity

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"
)

const objects = 100_000

// stream is a cluster whose API answers in JSON, as a real one does: each object is decoded as it is listed.
type stream struct {
	resources []Resource
	raw       map[string][][]byte
}

func (s stream) Resources(context.Context) ([]Resource, error) { return s.resources, nil }

func (s stream) List(_ context.Context, r Resource, _ []string, yield func(map[string]any) error) error {
	for _, raw := range s.raw[r.GroupResource()] {
		o, err := decode(raw)
		if err != nil {
			return err
		}
		if err := yield(o); err != nil {
			return err
		}
	}
	return nil
}

// generated makes n objects of four kinds, and their restored counterparts.
func generated(tb testing.TB, n int) ([]byte, stream) {
	tb.Helper()
	base := shop(tb)
	healthy := restored(base)
	live := stream{raw: map[string][][]byte{}}
	files := []file{version}
	pick := []string{"configmaps", "secrets", "deployments.apps", "services"}
	live.resources = append(live.resources, base.resources...)
	for i := range n {
		r := pick[i%len(pick)]
		o, l := base.objects[r][0], healthy.objects[r][0]
		name := fmt.Sprintf("o-%06d", i)
		o["metadata"].(map[string]any)["name"], l["metadata"].(map[string]any)["name"] = name, name
		files = append(files, filesOf(r, o)...)
		raw, err := json.Marshal(l)
		if err != nil {
			tb.Fatal(err)
		}
		live.raw[r] = append(live.raw[r], raw)
	}
	return pack(files...), live
}

// decodeBoth is the floor: both sides read and each object decoded once, nothing kept, checked or compared.
func decodeBoth(ctx context.Context, tarball io.Reader, live Live) error {
	zip, err := gzip.NewReader(tarball)
	if err != nil {
		return err
	}
	for files := tar.NewReader(zip); ; {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if header.Name == version.name || strings.Contains(header.Name, preferredSuffix) {
			continue
		}
		content, err := io.ReadAll(files)
		if err != nil {
			return err
		}
		if _, err := decode(content); err != nil {
			return err
		}
	}
	resources, err := live.Resources(ctx)
	for _, r := range resources {
		if err == nil {
			err = live.List(ctx, r, nil, func(map[string]any) error { return nil })
		}
	}
	return err
}

func BenchmarkDecodeBoth(b *testing.B) {
	tarball, live := generated(b, objects)
	b.ReportAllocs()
	for b.Loop() {
		if err := decodeBoth(b.Context(), bytes.NewReader(tarball), live); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCompare(b *testing.B) {
	tarball, live := generated(b, objects)
	runtime.GC()
	var before, now runtime.MemStats
	runtime.ReadMemStats(&before)
	peak := make(chan uint64)
	done := make(chan struct{})
	go func() {
		var most uint64
		ticker := time.NewTicker(20 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				peak <- most
				return
			case <-ticker.C:
				runtime.ReadMemStats(&now)
				most = max(most, now.HeapInuse)
			}
		}
	}()
	b.ReportAllocs()
	for b.Loop() {
		r, err := Compare(b.Context(), bytes.NewReader(tarball), live, Options{Restore: "drill"})
		if err != nil || r.Population != objects || r.Changed+r.Lost+r.Unexpected != 0 {
			b.Fatalf("%v: %s", err, strings.Join(r.Summary().Fail, "; "))
		}
	}
	close(done)
	if most := <-peak; most > before.HeapInuse {
		b.ReportMetric(float64(most-before.HeapInuse)/(1<<20), "MiB-peak")
	}
}
