package probes

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Comparator says which values are good, in the words of Litmus' comparator. The zero value expects nothing.
type Comparator struct {
	// Type says how values are read: int, float or string. Unless said, two numbers are compared as numbers and all else as text.
	Type     string `json:"type,omitempty"`
	Criteria string `json:"criteria,omitempty"` // ==, !=, <, <=, >, >=, contains, matches, notMatches, oneOf, between; == unless said
	Value    Scalar `json:"value,omitempty"`
	Values   List   `json:"values,omitempty"` // of oneOf, and the two ends of between, which belong to it

	never bool // nothing is good: see Falsifier
}

// Scalar is a text that JSON may also write as a number or as true or false.
type Scalar string

// List is a list of them.
type List []Scalar

// UnmarshalJSON reads a text, a number, or true or false.
func (s *Scalar) UnmarshalJSON(data []byte) error {
	var text string
	if json.Unmarshal(data, &text) == nil && string(data) != "null" {
		*s = Scalar(text)
		return nil
	}
	if len(data) == 0 || strings.ContainsRune(`{["n`, rune(data[0])) {
		return errors.New("want a text, a number, or true or false")
	}
	*s = Scalar(data)
	return nil
}

// Never returns a comparator that no value meets: see [Falsifier].
func Never() Comparator { return Comparator{never: true} }

const howNever = "with an expectation that nothing meets, it must be bad"

func criteriaNames() []string {
	return []string{"==", "!=", "<", "<=", ">", ">=", "contains", "matches", "notMatches", "oneOf", "between"}
}

func (c Comparator) empty() bool {
	return c.Type == "" && c.Criteria == "" && c.Value == "" && len(c.Values) == 0 && !c.never
}

func (c Comparator) criteria() string {
	switch {
	case c.Criteria != "":
		return c.Criteria
	case len(c.Values) > 0:
		return "oneOf"
	default:
		return "=="
	}
}

// Problems says what is wrong with it, each as "field: what, and the mend".
func (c Comparator) Problems() []string {
	if c.empty() {
		return nil
	}
	var problems []string
	add := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	if !slices.Contains([]string{"", "int", "float", "string"}, c.Type) {
		add("type: is %q, want int, float or string", c.Type)
	}
	if !slices.Contains(criteriaNames(), c.criteria()) {
		add("criteria: is %q, want one of: %s", c.Criteria, strings.Join(criteriaNames(), ", "))
		return problems
	}
	switch many := c.criteria() == "oneOf" || c.criteria() == "between"; {
	case many && c.Value != "":
		add("value: stands beside %s: give a list as values", c.criteria())
	case !many && len(c.Values) > 0:
		add("values: is of no use to %s: give one value", c.criteria())
	case c.criteria() == "between" && len(c.Values) != 2:
		add("values: has %d, want the two ends of between", len(c.Values))
	case c.criteria() == "oneOf" && len(c.Values) == 0:
		add("values: is empty: give those that are good")
	}
	for _, value := range c.wanted() {
		if _, ok := c.number(string(value)); !ok && c.numeric() {
			add("value: %q is no number as %s needs it", string(value), strings.TrimSpace(c.Type+" "+c.criteria()))
		}
	}
	if _, err := c.pattern(); err != nil {
		add("value: %v", err)
	}
	return problems
}

func (c Comparator) wanted() []Scalar {
	if c.criteria() == "oneOf" || c.criteria() == "between" {
		return c.Values
	}
	return []Scalar{c.Value}
}

// numeric says whether only numbers can be compared so.
func (c Comparator) numeric() bool {
	return c.Type == "int" || c.Type == "float" || slices.Contains([]string{"<", "<=", ">", ">=", "between"}, c.criteria())
}

func (c Comparator) pattern() (*regexp.Regexp, error) {
	if c.criteria() != "matches" && c.criteria() != "notMatches" {
		return nil, nil //nolint:nilnil // none is wanted
	}
	return regexp.Compile(string(c.Value))
}

// number reads an exact number, so that large ones are told apart; NaN and infinities are none.
func (c Comparator) number(text string) (*big.Rat, bool) {
	text = strings.TrimSpace(text)
	if c.Type == "string" {
		return nil, false
	}
	if c.Type == "int" {
		n, ok := new(big.Int).SetString(text, 10)
		if !ok {
			return nil, false
		}
		return new(big.Rat).SetInt(n), true
	}
	// A float64 bounds the exponent, so that no text can ask for a number of a million digits.
	if f, err := strconv.ParseFloat(text, 64); err != nil || f != f || f-f != 0 {
		return nil, false
	}
	if strings.ContainsAny(text, "_xXpP/") {
		return nil, false
	}
	return new(big.Rat).SetString(text)
}

// String says in words what is good.
func (c Comparator) String() string {
	switch {
	case c.never:
		return "a value that there is not"
	case c.empty():
		return "any value"
	case c.criteria() == "oneOf" || c.criteria() == "between":
		texts := make([]string, 0, len(c.Values))
		for _, value := range c.Values {
			texts = append(texts, string(value))
		}
		return c.criteria() + " " + strings.Join(texts, ", ")
	case c.Value == "" || strings.ContainsAny(string(c.Value), " \n\t"):
		return fmt.Sprintf("%s %q", c.criteria(), string(c.Value))
	default:
		return c.criteria() + " " + string(c.Value)
	}
}

// Judge returns nothing for a value that is good, and else a bad answer. It is for comparators without problems.
func (c Comparator) Judge(got string) error {
	if c.empty() || c.holds(got) {
		return nil
	}
	return &Failure{Reason: ReasonValue, Detail: fmt.Sprintf("got %q, want %s", got, c)}
}

func (c Comparator) holds(got string) bool {
	if c.never {
		return false
	}
	switch want := string(c.Value); c.criteria() {
	case "==":
		return c.equal(got, c.Value)
	case "!=":
		return !c.equal(got, c.Value)
	case "contains":
		return strings.Contains(got, want)
	case "matches", "notMatches":
		pattern, err := c.pattern()
		return err == nil && pattern.MatchString(got) == (c.criteria() == "matches")
	case "oneOf":
		return slices.ContainsFunc(c.Values, func(one Scalar) bool { return c.equal(got, one) })
	case "between":
		return len(c.Values) == 2 && c.ordered(got, ">=", string(c.Values[0])) && c.ordered(got, "<=", string(c.Values[1]))
	default:
		return c.ordered(got, c.criteria(), want)
	}
}

// equal compares numbers as numbers: 3 is 3.0. What is no number is never equal to one, and with a type of number to nothing.
func (c Comparator) equal(got string, want Scalar) bool {
	a, aIs := c.number(got)
	b, bIs := c.number(string(want))
	if aIs && bIs {
		return a.Cmp(b) == 0
	}
	return !c.numeric() && got == string(want)
}

func (c Comparator) ordered(got, criteria, want string) bool {
	a, aIs := c.number(got)
	b, bIs := c.number(want)
	if !aIs || !bIs {
		return false
	}
	switch order := a.Cmp(b); criteria {
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	case ">=":
		return order >= 0
	default:
		return false
	}
}
