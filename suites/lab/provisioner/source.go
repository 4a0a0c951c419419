package provisioner

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"strings"
)

//go:embed *.go
var source embed.FS

// SourceKey identifies the provisioner's program by its sources: the first 12 hex digits
// of a sha256. It runs from the harness's own binary, and an image tag made
// from that binary's bytes would roll it at every change of the harness.
func SourceKey() string {
	sum := sha256.New()
	// The walk is in lexical order; reading what was embedded cannot fail.
	for _, name := range must(fs.Glob(source, "*.go")) {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		text := must(source.ReadFile(name))
		sum.Write([]byte(name + "\x00"))
		sum.Write(text)
		sum.Write([]byte{0})
	}
	return hex.EncodeToString(sum.Sum(nil))[:12]
}

func must[T any](value T, err error) T {
	if err != nil {
		panic("read the embedded sources: " + err.Error())
	}
	return value
}
