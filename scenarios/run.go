package scenarios

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// NewRun returns an identity for a drill of the named scenario, fit for a Kubernetes label: the name (shortened), the time
// (UTC) and four random bytes.
func NewRun(scenario string, now time.Time) string {
	var random [4]byte
	_, _ = rand.Read(random[:]) // never fails, by its documentation
	const longest = 24          // leaves room for a step's name behind it, within a label's 63
	name := strings.TrimRight(scenario[:min(len(scenario), longest)], "-")
	return fmt.Sprintf("%s-%s-%s", name, now.UTC().Format("20060102-150405"), hex.EncodeToString(random[:]))
}
