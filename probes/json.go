package probes

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/theory/jsonpath"
)

// JSONExpected says what an answer must hold as JSON: the path must select something, and each value that it selects must be as
// expected.
type JSONExpected struct {
	Path string `json:"path"` // JSONPath (RFC 9535): $.items[0].state
	Comparator
}

// problems says what is wrong with it.
func (e JSONExpected) problems() []string {
	problems := e.Comparator.Problems()
	if e.Path == "" {
		return append([]string{"path: missing"}, problems...)
	}
	if _, err := jsonpath.Parse(e.Path); err != nil {
		problems = append(problems, fmt.Sprintf("path: %v", err))
	}
	return problems
}

// String says in words what is expected.
func (e JSONExpected) String() string {
	if e.empty() {
		return "something at " + e.Path
	}
	return e.Path + " " + e.Comparator.String()
}

func (e JSONExpected) judge(path *jsonpath.Path, body []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber() // so that large numbers are not rounded
	var value any
	if err := decoder.Decode(&value); err != nil {
		return &Failure{Reason: ReasonBody, Detail: fmt.Sprintf("%d bytes that are no JSON: %v", len(body), err)}
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return &Failure{Reason: ReasonBody, Detail: fmt.Sprintf("%d bytes with more than one JSON value", len(body))}
	}
	selected := path.Select(value)
	if len(selected) == 0 {
		return &Failure{Reason: ReasonValue, Detail: fmt.Sprintf("nothing at %s, want %s", e.Path, e.Comparator)}
	}
	for _, node := range selected {
		text, err := plainJSON(node)
		if err == nil {
			err = e.Comparator.Judge(text)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// plainJSON writes a value as a comparator reads it: a text without quotes, all else as JSON.
func plainJSON(value any) (string, error) {
	if text, ok := value.(string); ok {
		return text, nil
	}
	raw, err := json.Marshal(value)
	if err != nil {
		return "", &Failure{Reason: ReasonBody, Detail: fmt.Sprintf("a value that is no JSON: %v", err)}
	}
	return string(raw), nil
}
