package reports

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gamedayhq/gameday/probes"
)

// A sample is kept as a row of CSV (RFC 4180, with \n at the end of a row):
//
//	monitor,slot,late_us,took_us,outcome,reason,detail
//	checkout,1200,83,4127,good,,
//	checkout,,61,3980,good,,
//	checkout,,70,1071,bad,refused,connect: connection refused
//
// A slot that is empty is the one after the monitor's row before it. In each block, and in the tail, a monitor's first row says
// its slot, and so does each that does not follow. A slot was due at slot × the monitor's pace, so that is not written.
//
// Times are whole microseconds, rounded so that no interval that is measured from them gets narrower than the truth: what is
// counted from (late) down, what is counted to (took) up.
//
// A row is one line: within a field a newline is written \n, a carriage return \r, and a backslash \\. What could be written in
// two ways is only read in the one in which it is written, so that the same samples are always the same bytes.
const rowHeader = "monitor,slot,late_us,took_us,outcome,reason,detail\n"

const (
	// maxRow bounds a row, for the writer and for the reader.
	maxRow = 1 << 20
	// maxTime bounds Late and Took, so that no sum of them overflows: thirty years.
	maxTime = 1e15 * time.Microsecond
	// maxDigits is how many digits a number in a row may have.
	maxDigits = 18
	// mostEndings bounds how many kinds of row endings are remembered by a reader.
	mostEndings   = 1024
	longestEnding = 512 // bytes
)

// track follows the rows of one monitor within a block.
type track struct {
	name  string
	field []byte // the name as it stands in a row, with its comma
	every time.Duration
	most  int64 // the last slot whose due time can be said
	next  int64 // the slot that need not be written
	begun bool
	rows  []byte // written since the block began; not used by a reader
}

// tracks makes a track for each monitor that has a pace.
func tracks(monitors []MonitorInfo) (order []*track, byName map[string]*track) {
	byName = map[string]*track{}
	for _, m := range monitors {
		if _, twice := byName[m.Name]; twice || m.Every <= 0 {
			continue
		}
		t := &track{name: m.Name, field: append(appendField(nil, m.Name), ','), every: m.Every, most: math.MaxInt64 / 2 / int64(m.Every)}
		order, byName[m.Name] = append(order, t), t
	}
	return order, byName
}

// problem says why a sample cannot be written.
func (t *track) problem(s probes.Sample) string {
	switch {
	case s.Outcome != probes.Good && s.Outcome != probes.Bad && s.Outcome != probes.Missed:
		return s.Outcome.String() + " is no outcome"
	case s.Slot < 0 || s.Slot > t.most || s.Due != time.Duration(s.Slot)*t.every:
		return fmt.Sprintf("it is due at %v, which is not its time", s.Due)
	case s.Late < 0 || s.Late >= maxTime || s.Took < 0 || s.Took >= maxTime:
		return fmt.Sprintf("its times (late %v, took %v) are out of bounds", s.Late, s.Took)
	case len(s.Reason)+len(s.Detail)+len(t.field) > maxRow/4:
		return "its words are longer than a row may be"
	default:
		return ""
	}
}

// append writes the row of a sample that has no problem.
func (t *track) append(to []byte, s probes.Sample) []byte {
	to = append(to, t.field...)
	if !t.begun || s.Slot != t.next {
		to = strconv.AppendInt(to, s.Slot, 10)
	}
	t.begun, t.next = true, s.Slot+1
	to = append(to, ',')
	to = strconv.AppendInt(to, int64(s.Late/time.Microsecond), 10)
	to = append(to, ',')
	to = strconv.AppendInt(to, int64((s.Took+time.Microsecond-1)/time.Microsecond), 10)
	if s.Outcome == probes.Good && s.Reason == "" && s.Detail == "" {
		return append(to, ",good,,\n"...)
	}
	to = append(append(to, ','), s.Outcome.String()...)
	to = appendField(append(to, ','), string(s.Reason))
	to = appendField(append(to, ','), s.Detail)
	return append(to, '\n')
}

var escaper = strings.NewReplacer("\\", `\\`, "\n", `\n`, "\r", `\r`)

// appendField writes a text as a field.
func appendField(to []byte, text string) []byte {
	if strings.ContainsAny(text, "\\\n\r") {
		text = escaper.Replace(text)
	}
	if !utf8.ValidString(text) {
		text = strings.ToValidUTF8(text, "\uFFFD")
	}
	if !strings.ContainsAny(text, `,"`) {
		return append(to, text...)
	}
	to = append(to, '"')
	to = append(to, strings.ReplaceAll(text, `"`, `""`)...)
	return append(to, '"')
}

// cutField takes the first field off a row, and the comma behind it. It takes only what appendField writes.
func cutField(row []byte) (text string, rest []byte, ok bool) {
	raw := row
	if len(row) > 0 && row[0] == '"' {
		end := 1
		for {
			at := bytes.IndexByte(row[end:], '"')
			if at < 0 {
				return "", nil, false
			}
			end += at + 1
			if end == len(row) || row[end] != '"' {
				break
			}
			end++
		}
		raw, rest = row[:end], row[end:]
		text = strings.ReplaceAll(string(raw[1:end-1]), `""`, `"`)
	} else {
		end := bytes.IndexByte(row, ',')
		if end < 0 {
			end = len(row)
		}
		raw, rest = row[:end], row[end:]
		text = string(raw)
	}
	text = unescape(text)
	if !bytes.Equal(appendField(nil, text), raw) {
		return "", nil, false
	}
	if len(rest) > 0 {
		return text, rest[1:], rest[0] == ','
	}
	return text, nil, true
}

func unescape(text string) string {
	if strings.IndexByte(text, '\\') < 0 {
		return text
	}
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' || i+1 == len(text) {
			out.WriteByte(text[i])
			continue
		}
		i++
		switch text[i] {
		case 'n':
			out.WriteByte('\n')
		case 'r':
			out.WriteByte('\r')
		default:
			out.WriteByte(text[i]) // what is no escape does not read back as it stands
		}
	}
	return out.String()
}

// ending is what stands behind the numbers of a row.
type ending struct {
	outcome probes.Outcome
	reason  probes.Reason
	detail  string
}

// rowReader reads rows. Strings are made once for all rows that hold them.
type rowReader struct {
	order   []*track
	byName  map[string]*track
	last    *track // of the row before
	endings map[string]ending
}

func newRowReader(monitors []MonitorInfo) *rowReader {
	r := &rowReader{endings: map[string]ending{}}
	r.order, r.byName = tracks(monitors)
	return r
}

// restart begins a new block.
func (r *rowReader) restart() {
	for _, t := range r.order {
		t.begun = false
	}
}

var goodEnding = []byte("good,,")

// read reads a row without its newline, or says what is wrong with it.
func (r *rowReader) read(row []byte) (s probes.Sample, wrong string) {
	t := r.last
	if t != nil && bytes.HasPrefix(row, t.field) {
		row = row[len(t.field):]
	} else {
		name, rest, ok := cutField(row)
		if !ok || len(rest) == 0 {
			return s, "is no row"
		}
		if t = r.byName[name]; t == nil {
			return s, fmt.Sprintf("names %q, which is no monitor of the drill", name)
		}
		r.last, row = t, rest
	}
	s.Monitor = t.name
	if row, s.Slot = t.cutSlot(row); row == nil {
		return s, "has a slot that is not as it is written"
	}
	row, late := cutNumber(row)
	row, took := cutNumber(row)
	if row == nil || late > int64(maxTime/time.Microsecond) || took > int64(maxTime/time.Microsecond) {
		return s, "has a time that is not as it is written"
	}
	s.Due, s.Late, s.Took = time.Duration(s.Slot)*t.every, time.Duration(late)*time.Microsecond, time.Duration(took)*time.Microsecond
	if bytes.Equal(row, goodEnding) {
		s.Outcome = probes.Good
		return s, ""
	}
	end, ok := r.ending(row)
	if !ok {
		return s, "has an outcome, reason or detail that is not as it is written"
	}
	s.Outcome, s.Reason, s.Detail = end.outcome, end.reason, end.detail
	return s, ""
}

// cutSlot takes the slot off a row; nil when it is not as it is written.
func (t *track) cutSlot(row []byte) ([]byte, int64) {
	slot := t.next
	if len(row) > 0 && row[0] == ',' {
		if !t.begun {
			return nil, 0
		}
		row = row[1:]
	} else {
		row, slot = cutNumber(row)
		if row == nil || t.begun && slot == t.next {
			return nil, 0
		}
	}
	if slot > t.most {
		return nil, 0
	}
	t.begun, t.next = true, slot+1
	return row, slot
}

// cutNumber takes a number and the comma behind it off a row; nil when there is none.
func cutNumber(row []byte) ([]byte, int64) {
	var n int64
	for i, c := range row {
		if c == ',' {
			if i == 0 || i > 1 && row[0] == '0' {
				return nil, 0
			}
			return row[i+1:], n
		}
		if c < '0' || c > '9' || i == maxDigits {
			return nil, 0
		}
		n = n*10 + int64(c-'0')
	}
	return nil, 0
}

func (r *rowReader) ending(raw []byte) (ending, bool) {
	if known, ok := r.endings[string(raw)]; ok {
		return known, true
	}
	outcome, rest, ok := bytes.Cut(raw, []byte{','})
	if !ok {
		return ending{}, false
	}
	var e ending
	if err := e.outcome.UnmarshalText(outcome); err != nil {
		return ending{}, false
	}
	reason, rest, ok := cutField(rest)
	if !ok || rest == nil {
		return ending{}, false
	}
	e.reason = probes.Reason(reason)
	if e.detail, rest, ok = cutField(rest); !ok || rest != nil {
		return ending{}, false
	}
	if len(r.endings) < mostEndings && len(raw) <= longestEnding {
		r.endings[string(raw)] = e
	}
	return e, true
}
