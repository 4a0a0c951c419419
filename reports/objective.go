package reports

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Objectives are what must hold. In JSON each is an object with one key, its kind: {"availability": {…}}.
type Objectives []Objective

// Objective is something that must hold over a record. The set is closed: *Availability, *Latency, *Outage, *Recovery,
// *Detection, *Data, *ErrorBudget, *Value.
type Objective interface {
	kind() string
	// Problems returns all that is wrong with the objective itself, each as "field: what, and the mend".
	Problems() []string
	references() References
	judge(p *plan) judged
}

// References are the names that an objective speaks of: whoever reads a scenario checks that they exist.
type References struct {
	Monitors []string
	Steps    []string
	Ledgers  []string
}

// Refs returns the names that an objective speaks of.
func Refs(o Objective) References { return o.references() }

// ObjectiveKinds returns the kinds of objectives, sorted.
func ObjectiveKinds() []string {
	return []string{"availability", "data", "detection", "errorBudget", "latency", "outage", "recovery", "value"}
}

// NewObjective returns a pointer to an empty objective of the kind, to decode into.
func NewObjective(kind string) (Objective, error) {
	switch kind {
	case "availability":
		return &Availability{}, nil
	case "data":
		return &Data{}, nil
	case "detection":
		return &Detection{}, nil
	case "errorBudget":
		return &ErrorBudget{}, nil
	case "latency":
		return &Latency{}, nil
	case "outage":
		return &Outage{}, nil
	case "recovery":
		return &Recovery{}, nil
	case "value":
		return &Value{}, nil
	default:
		return nil, fmt.Errorf("%q is no kind of objective: want one of %s", kind, strings.Join(ObjectiveKinds(), ", "))
	}
}

// MarshalJSON writes each objective under its kind.
func (o Objectives) MarshalJSON() ([]byte, error) {
	list := make([]map[string]Objective, 0, len(o))
	for i, one := range o {
		if isNil(one) {
			return nil, fmt.Errorf("objective %d is none", i)
		}
		list = append(list, map[string]Objective{one.kind(): one})
	}
	return marshal(list)
}

// UnmarshalJSON reads a list of objects with one key each. Unknown kinds and unknown fields are errors.
func (o *Objectives) UnmarshalJSON(raw []byte) error {
	var list []map[string]json.RawMessage
	if err := DecodeStrict(raw, &list); err != nil {
		return fmt.Errorf("read objectives: %w", err)
	}
	out := make(Objectives, 0, len(list))
	for i, entry := range list {
		one, err := decodeObjective(entry)
		if err != nil {
			return fmt.Errorf("read objective %d: %w", i, err)
		}
		out = append(out, one)
	}
	*o = out
	return nil
}

func decodeObjective(entry map[string]json.RawMessage) (Objective, error) {
	if len(entry) != 1 {
		return nil, fmt.Errorf("has %d keys, want one of %s", len(entry), strings.Join(ObjectiveKinds(), ", "))
	}
	for kind, raw := range entry {
		one, err := NewObjective(kind)
		if err != nil {
			return nil, err
		}
		if !bytes.HasPrefix(bytes.TrimSpace(raw), []byte{'{'}) {
			return nil, fmt.Errorf("%s: is %s, want fields", kind, raw)
		}
		if err := DecodeStrict(raw, one); err != nil {
			return nil, fmt.Errorf("%s: %w", kind, err)
		}
		return one, nil
	}
	return nil, errors.New("has no key")
}

// DecodeStrict decodes one JSON value and refuses unknown fields and whatever follows the value.
func DecodeStrict(raw []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the value")
	}
	return nil
}

// marshal writes JSON as people read it: < and > stay what they are.
func marshal(value any) ([]byte, error) {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buffer.Bytes(), []byte{'\n'}), nil
}

func isNil(o Objective) bool {
	switch o := o.(type) {
	case nil:
		return true
	case *Availability:
		return o == nil
	case *Latency:
		return o == nil
	case *Outage:
		return o == nil
	case *Recovery:
		return o == nil
	case *Detection:
		return o == nil
	case *Data:
		return o == nil
	case *ErrorBudget:
		return o == nil
	case *Value:
		return o == nil
	default:
		return false
	}
}

func (o *Availability) kind() string { return "availability" }
func (o *Latency) kind() string      { return "latency" }
func (o *Outage) kind() string       { return "outage" }
func (o *Recovery) kind() string     { return "recovery" }
func (o *Detection) kind() string    { return "detection" }
func (o *Data) kind() string         { return "data" }
func (o *ErrorBudget) kind() string  { return "errorBudget" }
func (o *Value) kind() string        { return "value" }

func (o *Availability) references() References { return o.Window.references(o.Of) }
func (o *Latency) references() References      { return o.Window.references(o.Of) }
func (o *Outage) references() References       { return o.Window.references(o.Of) }

func (o *Recovery) references() References {
	return References{Monitors: []string{o.Of}, Steps: []string{o.After}}
}

func (o *Detection) references() References {
	return References{Monitors: []string{o.By}, Steps: []string{o.After}}
}

func (o *Data) references() References {
	refs := References{Ledgers: []string{o.Of}}
	if o.Backup != "" {
		refs.Steps = []string{o.Backup}
	}
	return refs
}

func (o *ErrorBudget) references() References { return o.Window.references(o.Of) }

func (o *Value) references() References {
	refs := o.Window.references("")
	refs.Monitors = nil
	return refs
}

func (w Window) references(monitor string) References {
	refs := References{Monitors: []string{monitor}}
	switch {
	case w.AfterEnd != "":
		refs.Steps = []string{w.AfterEnd}
	case w.During != "" && !slices.Contains(windowNames(), w.During):
		refs.Steps = []string{w.During}
	}
	return refs
}
