package probes

import (
	"encoding/json"
	"io"
	"math/big"
	"net/http"
	"strings"
	"testing"
)

func TestComparatorHolds(t *testing.T) {
	for _, test := range []struct {
		got  string
		c    Comparator
		want bool
	}{
		{"3", Comparator{Value: "3"}, true},
		{"3.0", Comparator{Value: "3"}, true},
		{"3.0", Comparator{Type: "string", Value: "3"}, false},
		{"3.0", Comparator{Type: "int", Value: "3"}, false},
		{"3e0", Comparator{Type: "float", Value: "3"}, true},
		{"ready", Comparator{Value: "ready"}, true},
		{"Ready", Comparator{Value: "ready"}, false},
		{"", Comparator{Criteria: "==", Value: ""}, true},
		{"x", Comparator{Criteria: "==", Value: ""}, false},
		{"4", Comparator{Criteria: "!=", Value: "3"}, true},
		{"3.0", Comparator{Criteria: "!=", Value: "3"}, false},
		{"2", Comparator{Criteria: "<", Value: "3"}, true},
		{"3", Comparator{Criteria: "<", Value: "3"}, false},
		{"3", Comparator{Criteria: "<=", Value: "3"}, true},
		{"3.001", Comparator{Criteria: "<=", Value: "3"}, false},
		{"10", Comparator{Criteria: ">", Value: "9"}, true},
		{"9", Comparator{Criteria: ">", Value: "9"}, false},
		{"9", Comparator{Criteria: ">=", Value: "9"}, true},
		{"8.9", Comparator{Criteria: ">=", Value: "9"}, false},
		{"text", Comparator{Criteria: ">=", Value: "0"}, false},
		{"text", Comparator{Criteria: "<", Value: "0"}, false},
		{"NaN", Comparator{Criteria: ">=", Value: "0"}, false},
		{"9007199254740993", Comparator{Value: "9007199254740992"}, false},
		{"9007199254740993", Comparator{Criteria: ">", Value: "9007199254740992"}, true},
		{"123456789012345678901", Comparator{Type: "int", Criteria: ">", Value: "123456789012345678900"}, true},
		{"all is ready", Comparator{Criteria: "contains", Value: "is"}, true},
		{"all is ready", Comparator{Criteria: "contains", Value: "was"}, false},
		{"v1.2", Comparator{Criteria: "matches", Value: `^v\d`}, true},
		{"1.2", Comparator{Criteria: "matches", Value: `^v\d`}, false},
		{"1.2", Comparator{Criteria: "notMatches", Value: `^v\d`}, true},
		{"v1", Comparator{Criteria: "notMatches", Value: `^v\d`}, false},
		{"2", Comparator{Values: List{"1", "2.0"}}, true},
		{"3", Comparator{Criteria: "oneOf", Values: List{"1", "2"}}, false},
		{"1", Comparator{Criteria: "between", Values: List{"1", "2"}}, true},
		{"2", Comparator{Criteria: "between", Values: List{"1", "2"}}, true},
		{"2.1", Comparator{Criteria: "between", Values: List{"1", "2"}}, false},
		{"0.9", Comparator{Criteria: "between", Values: List{"1", "2"}}, false},
		{"1", Comparator{Value: "1", never: true}, false},
		{"x", Comparator{Criteria: "!=", Value: "y", never: true}, false},
	} {
		if problems := test.c.Problems(); problems != nil {
			t.Errorf("%s: %v", test.c, problems)
		}
		if got := test.c.holds(test.got); got != test.want {
			t.Errorf("%q %s: got %v, want %v", test.got, test.c, got, test.want)
		}
	}
}

func TestComparatorProblems(t *testing.T) {
	for want, c := range map[string]Comparator{
		`type: is "number", want int, float or string`:        {Type: "number", Value: "1"},
		`criteria: is "=~", want one of: ==, !=, <`:           {Criteria: "=~", Value: "1"},
		"values: is of no use to <: give one value":           {Criteria: "<", Value: "1", Values: List{"1"}},
		"value: stands beside oneOf: give a list as values":   {Value: "1", Values: List{"2"}},
		"values: has 1, want the two ends of between":         {Criteria: "between", Values: List{"2"}},
		"values: is empty: give those that are good":          {Criteria: "oneOf"},
		`value: "much" is no number as > needs it`:            {Criteria: ">", Value: "much"},
		`value: "1.5" is no number as int == needs it`:        {Type: "int", Value: "1.5"},
		`value: "inf" is no number as between needs it`:       {Criteria: "between", Values: List{"1", "inf"}},
		"value: error parsing regexp: missing closing ): `(`": {Criteria: "matches", Value: "("},
		`value: "0x10" is no number as < needs it`:            {Criteria: "<", Value: "0x10"},
		`value: "1e999999999" is no number as < needs it`:     {Criteria: "<", Value: "1e999999999"},
		`value: "" is no number as >= needs it`:               {Criteria: ">="},
	} {
		if got := strings.Join(c.Problems(), "; "); !strings.HasPrefix(got, want) {
			t.Errorf("%+v: got %q, want %q", c, got, want)
		}
	}
}

func TestScalarsAreTextsNumbersAndTruths(t *testing.T) {
	var c Comparator
	if err := json.Unmarshal([]byte(`{"value": 12.50, "values": ["a", 1, true]}`), &c); err != nil {
		t.Fatal(err)
	}
	if c.Value != "12.50" || len(c.Values) != 3 || c.Values[2] != "true" {
		t.Errorf("got %+v", c)
	}
	for _, text := range []string{`{"value": null}`, `{"value": {}}`, `{"value": [1]}`} {
		if err := json.Unmarshal([]byte(text), new(Comparator)); err == nil || !strings.Contains(err.Error(), "want a text, a number") {
			t.Errorf("%s gives %v", text, err)
		}
	}
}

// An order is one: what is above is not below, and no text takes long or panics.
func FuzzComparator(f *testing.F) {
	f.Add("1", "2", "int")
	f.Add("1e400", "-0", "")
	f.Add("0x1p9", "1/3", "float")
	f.Fuzz(func(t *testing.T, got, want, kind string) {
		c := Comparator{Type: kind, Value: Scalar(want)}
		holds := func(criteria string) bool { c.Criteria = criteria; return c.holds(got) }
		if less, more, same := holds("<"), holds(">"), holds("=="); less && more || less && same || more && same {
			t.Errorf("%q and %q: < %v, > %v, == %v", got, want, less, more, same)
		}
		if holds("==") == holds("!=") {
			t.Errorf("%q and %q are equal and are not", got, want)
		}
		if n, ok := c.number(got); ok && n.Cmp(new(big.Rat)) > 0 && !strings.ContainsAny(got, "123456789") {
			t.Errorf("%q is %v", got, n)
		}
	})
}

func TestHTTPLooksAtJSON(t *testing.T) {
	server := webServer(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/none":
			_, _ = io.WriteString(w, "<html>")
		case "/two":
			_, _ = io.WriteString(w, "{} {}")
		default:
			_, _ = io.WriteString(w, `{"status":"up","n":9007199254740993,"parts":[{"state":"up","load":0.5},{"state":"down","load":2}],"no":null}`)
		}
	})
	for name, test := range map[string]struct {
		path string
		json JSONExpected
		want string
	}{
		"something is there": {"", JSONExpected{Path: "$.status"}, ""},
		"nothing is there":   {"", JSONExpected{Path: "$.state"}, "value: nothing at $.state, want any value"},
		"a text":             {"", JSONExpected{Path: "$.status", Comparator: Comparator{Value: "up"}}, ""},
		"another text":       {"", JSONExpected{Path: "$.status", Comparator: Comparator{Value: "ready"}}, `value: got "up", want == ready`},
		"a large number":     {"", JSONExpected{Path: "$.n", Comparator: Comparator{Value: "9007199254740993"}}, ""},
		"each of them":       {"", JSONExpected{Path: "$.parts[*].load", Comparator: Comparator{Criteria: "<=", Value: "2"}}, ""},
		"one of them is not": {"", JSONExpected{Path: "$.parts[*].state", Comparator: Comparator{Value: "up"}}, `value: got "down", want == up`},
		"a filter":           {"", JSONExpected{Path: `$.parts[?@.load > 1].state`, Comparator: Comparator{Value: "down"}}, ""},
		"null is there":      {"", JSONExpected{Path: "$.no", Comparator: Comparator{Value: "null"}}, ""},
		"a structure":        {"", JSONExpected{Path: "$.parts[0]", Comparator: Comparator{Criteria: "contains", Value: `"state":"up"`}}, ""},
		"no JSON":            {"/none", JSONExpected{Path: "$"}, "body: 6 bytes that are no JSON: invalid character '<' looking for beginning of value"},
		"more than one":      {"/two", JSONExpected{Path: "$"}, "body: 5 bytes with more than one JSON value"},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			if err := ask(t, false, HTTP{URL: server.URL + test.path, JSON: &test.json}); err != nil {
				got = err.Error()
			}
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
	if err := ask(t, false, HTTP{URL: server.URL, BodyNotRegexp: "down"}); err == nil || !strings.Contains(err.Error(), `bytes that match "down"`) {
		t.Errorf("a body that must not match: got %v", err)
	}
	if err := ask(t, false, HTTP{URL: server.URL, BodyNotRegexp: "broken"}); err != nil {
		t.Errorf("a body that does not match: got %v", err)
	}
}
