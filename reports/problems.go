package reports

import (
	"fmt"
	"slices"
)

// The windows that are no step's.
const (
	windowBaseline = "baseline"
	windowWhole    = "whole"
)

func windowNames() []string { return []string{windowBaseline, windowWhole} }

// Problems says what is wrong with the objective.
func (o *Availability) Problems() []string {
	out := slices.Concat(missing("of", o.Of, "a monitor"), o.Window.problems())
	switch {
	case o.AtLeast == nil && o.AtMost == nil:
		out = append(out, "atLeast: is missing: say the share of good slots that must be reached, such as 99.9%")
	case o.AtLeast != nil && o.AtMost != nil:
		out = append(out, "atMost: stands beside atLeast: keep one of them")
	}
	if o.AtLeast != nil {
		out = append(out, o.AtLeast.problem("atLeast")...)
	}
	if o.AtMost != nil {
		out = append(out, o.AtMost.problem("atMost")...)
	}
	if o.Confidence != 0 && (o.Confidence < 0.5 || o.Confidence >= 1) {
		out = append(out, fmt.Sprintf("confidence: %v is no confidence: want 50%% or more and less than 100%%, such as 95%%", o.Confidence))
	}
	return append(out, o.Rigor.problems()...)
}

// Problems says what is wrong with the objective.
func (o *ErrorBudget) Problems() []string {
	out := slices.Concat(missing("of", o.Of, "a monitor"), o.Window.problems(), o.Rigor.problems())
	if o.SLO <= 0 || o.SLO >= 1 {
		out = append(out, fmt.Sprintf("slo: %v leaves no budget or asks for nothing: give a share such as 99.9%%", o.SLO))
	}
	if o.Period < 0 {
		out = append(out, fmt.Sprintf("period: %v is negative: give a time such as 720h", o.Period))
	}
	if o.Burned == nil && o.BurnRate5m == nil && o.BurnRate1h == nil {
		out = append(out, "burned: is missing: bound at least one of burned, burnRate5m, burnRate1h")
	}
	if o.Burned != nil && *o.Burned < 0 {
		out = append(out, fmt.Sprintf("burned: %v is negative: give a share such as 5%%", *o.Burned))
	}
	return slices.Concat(out, natural("burnRate5m", o.BurnRate5m), natural("burnRate1h", o.BurnRate1h))
}

// Problems says what is wrong with the objective.
func (o *Value) Problems() []string {
	out := slices.Concat(missing("of", o.Of, "a recorded number"), o.Window.problems())
	switch o.Take {
	case "", TakeLast, TakeMin, TakeMax, TakeMean:
	default:
		out = append(out, fmt.Sprintf("take: %q is none of last, min, max, mean", string(o.Take)))
	}
	if o.AtLeast == nil && o.AtMost == nil {
		out = append(out, "atLeast: is missing: bound the number by atLeast, by atMost, or by both")
	}
	if o.AtLeast != nil && o.AtMost != nil && *o.AtLeast > *o.AtMost {
		out = append(out, fmt.Sprintf("atLeast: %v is more than atMost, %v: no number is both", *o.AtLeast, *o.AtMost))
	}
	return out
}

func natural(field string, limit *float64) []string {
	if limit == nil || *limit >= 0 {
		return nil
	}
	return []string{fmt.Sprintf("%s: %v is negative: want 0 or more", field, *limit)}
}

func (r Rigor) problems() []string {
	out := r.Coverage.problem("coverage")
	if r.MinSlots < 0 {
		out = append(out, fmt.Sprintf("minSlots: %d is negative: want 1 or more", r.MinSlots))
	}
	return out
}

// coverage and minSlots are what is asked for, or the standard.
func (r Rigor) coverage() float64 {
	if r.Coverage == 0 {
		return leastCoverage
	}
	return float64(r.Coverage)
}

func (r Rigor) minSlots() int64 {
	if r.MinSlots == 0 {
		return leastSlots
	}
	return r.MinSlots
}

// Problems says what is wrong with the objective.
func (o *Latency) Problems() []string {
	out := slices.Concat(missing("of", o.Of, "a monitor"), o.Window.problems())
	if o.Quantile == 0 {
		out = append(out, `quantile: is missing: say which, such as 99% for p99`)
	} else {
		out = append(out, o.Quantile.problem("quantile")...)
	}
	return slices.Concat(out, positive("atMost", o.AtMost), o.Rigor.problems())
}

// Problems says what is wrong with the objective.
func (o *Outage) Problems() []string {
	out := slices.Concat(missing("of", o.Of, "a monitor"), o.Window.problems())
	if o.Longest == nil && o.Total == nil && o.Count == nil {
		out = append(out, "longest: is missing: bound at least one of longest, total, count")
	}
	if o.Longest != nil && *o.Longest < 0 {
		out = append(out, fmt.Sprintf("longest: %v is negative: want 0s or more", o.Longest))
	}
	if o.Total != nil && *o.Total < 0 {
		out = append(out, fmt.Sprintf("total: %v is negative: want 0s or more", o.Total))
	}
	if o.Count != nil && *o.Count < 0 {
		out = append(out, fmt.Sprintf("count: %d is negative: want 0 or more", *o.Count))
	}
	return out
}

// Problems says what is wrong with the objective.
func (o *Recovery) Problems() []string {
	out := slices.Concat(missing("of", o.Of, "a monitor"), stepName("after", o.After), positive("within", o.Within))
	if o.From != "" && o.From != FromStart && o.From != FromEnd {
		out = append(out, fmt.Sprintf("from: %q is no anchor: want start or end", string(o.From)))
	}
	if o.Good < 0 {
		out = append(out, fmt.Sprintf("good: %d is negative: want how many good slots in a row are a recovery, such as 10", o.Good))
	}
	return out
}

// Problems says what is wrong with the objective.
func (o *Detection) Problems() []string {
	return slices.Concat(missing("by", o.By, "a monitor"), stepName("after", o.After), positive("within", o.Within))
}

// Problems says what is wrong with the objective.
func (o *Data) Problems() []string {
	out := missing("of", o.Of, "a ledger")
	if o.Backup != "" {
		out = append(out, stepName("backup", o.Backup)...)
	}
	if o.Lost < 0 {
		out = append(out, fmt.Sprintf("lost: %d is negative: want how many acknowledged writes may be lost, 0 or more", o.Lost))
	}
	return out
}

func (w Window) problems() []string {
	switch {
	case w.During == "" && w.AfterEnd == "":
		return []string{"during: is missing: name a step, baseline or whole; or name a step under after"}
	case w.During != "" && w.AfterEnd != "":
		return []string{"after: stands beside during: keep one of them"}
	case w.AfterEnd != "":
		return stepName("after", w.AfterEnd)
	default:
		return nil
	}
}

func missing(field, value, what string) []string {
	if value != "" {
		return nil
	}
	return []string{fmt.Sprintf("%s: is missing: name %s", field, what)}
}

func stepName(field, value string) []string {
	if slices.Contains(windowNames(), value) {
		return []string{fmt.Sprintf("%s: %q is a window, not a step: name a step", field, value)}
	}
	return missing(field, value, "a step")
}

func positive(field string, d Duration) []string {
	switch {
	case d == 0:
		return []string{fmt.Sprintf(`%s: is missing or zero: give a time, such as "5s"`, field)}
	case d < 0:
		return []string{fmt.Sprintf("%s: %v is negative: want more than nothing", field, d)}
	default:
		return nil
	}
}
