package reports

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// D returns the duration as the standard library's.
func (d Duration) D() time.Duration { return time.Duration(d) }

// String returns the duration as Go writes it: 1m30s.
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalJSON writes the duration as text: "5s".
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(d.String()) }

// UnmarshalJSON reads text with a unit. A bare number is refused, for nobody can tell seconds from milliseconds.
func (d *Duration) UnmarshalJSON(raw []byte) error {
	var text string
	if err := json.Unmarshal(raw, &text); err != nil || !isJSONString(raw) {
		return fmt.Errorf(`%s is no time: give it a unit, such as "5s" or "250ms"`, raw)
	}
	parsed, err := time.ParseDuration(text)
	if err != nil {
		return fmt.Errorf(`%q is no time: want a number with a unit, such as "5s" or "250ms"`, text)
	}
	*d = Duration(parsed)
	return nil
}

func isJSONString(raw []byte) bool { return bytes.HasPrefix(bytes.TrimSpace(raw), []byte{'"'}) }

// String returns the ratio as a percentage without loss: 99.9%.
func (r Ratio) String() string {
	f := float64(r)
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	return shiftPoint(strconv.FormatFloat(f, 'f', -1, 64)) + "%"
}

// shiftPoint multiplies a decimal by a hundred in its text, where a multiplication of floats would leave dust behind.
func shiftPoint(decimal string) string {
	sign := ""
	if strings.HasPrefix(decimal, "-") {
		sign, decimal = "-", decimal[1:]
	}
	whole, fraction, _ := strings.Cut(decimal, ".")
	for len(fraction) < 2 {
		fraction += "0"
	}
	whole = strings.TrimLeft(whole+fraction[:2], "0")
	if whole == "" {
		whole = "0"
	}
	if fraction = fraction[2:]; fraction != "" {
		whole += "." + fraction
	}
	return sign + whole
}

// MarshalJSON writes the ratio as a percentage: "99.9%".
func (r Ratio) MarshalJSON() ([]byte, error) {
	if f := float64(r); math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, fmt.Errorf("%v is no ratio", f)
	}
	return json.Marshal(r.String())
}

// UnmarshalJSON reads "99.9%" or 0.999. Whether it lies between 0 and 1 is for the owner's Problems to say.
func (r *Ratio) UnmarshalJSON(raw []byte) error {
	var text string
	number := string(bytes.TrimSpace(raw))
	if isJSONString(raw) {
		if err := json.Unmarshal(raw, &text); err != nil {
			return fmt.Errorf("read ratio: %w", err)
		}
		percent, ok := strings.CutSuffix(text, "%")
		if !ok || !isDecimal(percent) {
			return fmt.Errorf(`%q is no ratio: want "99.9%%" or 0.999`, text)
		}
		number = percent + "e-2"
	}
	f, err := strconv.ParseFloat(number, 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return fmt.Errorf(`%s is no ratio: want "99.9%%" or 0.999`, raw)
	}
	*r = Ratio(f)
	return nil
}

// isDecimal tells plain decimals from the other forms that ParseFloat takes.
func isDecimal(text string) bool {
	return text != "" && strings.Trim(text, "0123456789.-") == ""
}

func (r Ratio) problem(field string) []string {
	if r >= 0 && r <= 1 {
		return nil
	}
	if r > 1 && r <= 100 {
		return []string{fmt.Sprintf("%s: %s is outside 0%% to 100%%: write \"%s%%\" for a percentage",
			field, r, strconv.FormatFloat(float64(r), 'f', -1, 64))}
	}
	return []string{fmt.Sprintf("%s: %s is outside 0%% to 100%%: want \"99.9%%\" or 0.999", field, r)}
}
