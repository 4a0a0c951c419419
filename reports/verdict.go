package reports

import "fmt"

// Verdict is the judgement of a check or of a whole drill. The zero value is no verdict.
type Verdict uint8

// The verdicts, from best to worst.
const (
	Pass         Verdict = iota + 1 // everything asked for was seen to hold
	Inconclusive                    // not enough was seen to say
	Fail                            // something asked for was seen not to hold
)

var verdictNames = map[Verdict]string{Pass: "pass", Inconclusive: "inconclusive", Fail: "fail"}

// String returns the verdict's name in evidence.
func (v Verdict) String() string {
	if name, ok := verdictNames[v]; ok {
		return name
	}
	return fmt.Sprintf("Verdict(%d)", uint8(v))
}

// MarshalText writes the verdict's name; a verdict that is none is an error.
func (v Verdict) MarshalText() ([]byte, error) {
	if _, ok := verdictNames[v]; !ok {
		return nil, fmt.Errorf("%v is no verdict", v)
	}
	return []byte(v.String()), nil
}

// UnmarshalText reads a verdict's name; an unknown name is an error.
func (v *Verdict) UnmarshalText(text []byte) error {
	for value, name := range verdictNames {
		if name == string(text) {
			*v = value
			return nil
		}
	}
	return fmt.Errorf("%q is no verdict (want pass, fail or inconclusive)", text)
}

// Worst returns the worst of the verdicts: fail before inconclusive before pass. Nothing judged is inconclusive, and so is
// a verdict that is none: what was not looked at never passes.
func Worst(verdicts ...Verdict) Verdict {
	worst := Pass
	for _, v := range verdicts {
		if _, known := verdictNames[v]; !known {
			v = Inconclusive
		}
		worst = max(worst, v)
	}
	if len(verdicts) == 0 {
		return Inconclusive
	}
	return worst
}
