package reports

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/gamedayhq/gameday/probes"
)

// line is one line of a journal: its number, the hash of the line before with its newline, and one of header, event, block,
// end; in a journal of the first version also a sample.
type line struct {
	N      int64          `json:"n"`
	Prev   string         `json:"prev"`
	Header *Header        `json:"header,omitempty"`
	Event  *Event         `json:"event,omitempty"`
	Block  *blockLine     `json:"block,omitempty"`
	End    *endLine       `json:"end,omitempty"`
	Sample *probes.Sample `json:"sample,omitempty"`

	stamp bool // a zero time of the event is the time at which it takes its place
}

// blockLine tells that a block of samples is in its file, on disk.
type blockLine struct {
	Number int64  `json:"number"` // 0 is the first
	Rows   int64  `json:"rows"`   // without the header row
	Offset int64  `json:"offset"` // bytes
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"` // of the compressed bytes
}

// endLine is the last line of a journal that was closed in good order, and says what the samples' file holds.
type endLine struct {
	Blocks int64 `json:"blocks"`
	Rows   int64 `json:"rows"`
	Size   int64 `json:"size"`
}

// chain numbers and links lines.
type chain struct {
	n    int64
	prev string
}

// append encodes a line into the buffer, with its newline. A line that cannot be encoded leaves the chain as it was.
func (c *chain) append(to *bytes.Buffer, l line) error {
	l.N, l.Prev = c.n, c.prev
	raw, err := marshal(l)
	if err != nil {
		return fmt.Errorf("encode line %d of the journal: %w", c.n+1, err)
	}
	if len(raw) >= maxLine {
		return fmt.Errorf("encode line %d of the journal: %d bytes are more than a line may have (%d)", c.n+1, len(raw), maxLine)
	}
	raw = append(raw, '\n')
	to.Write(raw)
	c.n, c.prev = c.n+1, hashLine(raw)
	return nil
}

// hashLine returns the hash of a line with its newline.
func hashLine(raw []byte) string {
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}
