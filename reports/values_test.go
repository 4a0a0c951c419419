package reports

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestRatioReadsAndWrites(t *testing.T) {
	for _, r := range []struct {
		json  string
		want  Ratio
		write string
	}{
		{`"99.9%"`, 0.999, `"99.9%"`},
		{`0.999`, 0.999, `"99.9%"`},
		{`"99.99%"`, 0.9999, `"99.99%"`},
		{`"100%"`, 1, `"100%"`},
		{`1`, 1, `"100%"`},
		{`0`, 0, `"0%"`},
		{`"0%"`, 0, `"0%"`},
		{`"7%"`, 0.07, `"7%"`},
		{`"0.05%"`, 0.0005, `"0.05%"`},
		{`1.5`, 1.5, `"150%"`},
		{`-0.5`, -0.5, `"-50%"`},
		{`5e-1`, 0.5, `"50%"`},
	} {
		var got Ratio
		if err := json.Unmarshal([]byte(r.json), &got); err != nil || got != r.want {
			t.Errorf("read %s: %v, %v; want %v", r.json, got, err, r.want)
		}
		if raw, err := json.Marshal(got); err != nil || string(raw) != r.write {
			t.Errorf("write %v: %s, %v; want %s", got, raw, err, r.write)
		}
	}
}

func TestRatioIsReadBackAsWritten(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		want := Ratio(random.Float64())
		raw, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got Ratio
		if err := json.Unmarshal(raw, &got); err != nil || got != want {
			t.Fatalf("%v was written %s and read %v, %v", float64(want), raw, float64(got), err)
		}
	}
}

func TestRatioRefuses(t *testing.T) {
	for _, raw := range []string{`"99.9"`, `"%"`, `"a%"`, `"1e2%"`, `"NaN%"`, `true`, `null`, `[]`, `"--1%"`, `1e999`, `" 5%"`} {
		var r Ratio
		if err := json.Unmarshal([]byte(raw), &r); err == nil {
			t.Errorf("%s was read as %v", raw, r)
		}
	}
	if _, err := json.Marshal(Ratio(math.NaN())); err == nil {
		t.Error("not a number was written")
	}
}

func TestDurationReadsAndWrites(t *testing.T) {
	for raw, want := range map[string]time.Duration{`"5s"`: 5 * time.Second, `"250ms"`: 250 * time.Millisecond, `"1m30s"`: 90 * time.Second} {
		var got Duration
		if err := json.Unmarshal([]byte(raw), &got); err != nil || got.D() != want {
			t.Errorf("read %s: %v, %v", raw, got, err)
		}
		if back, err := json.Marshal(got); err != nil || string(back) != raw {
			t.Errorf("write %v: %s, %v", got, back, err)
		}
	}
	for _, raw := range []string{`5`, `"5"`, `null`, `"five"`, `{}`, `""`} {
		var d Duration
		if err := json.Unmarshal([]byte(raw), &d); err == nil {
			t.Errorf("%s was read as %v", raw, d)
		} else if !strings.Contains(err.Error(), `"5s"`) {
			t.Errorf("%s: %q does not show how to write it", raw, err)
		}
	}
}

const allObjectives = `[{"availability":{"of":"shop","during":"break","atLeast":"99.9%"}},` +
	`{"latency":{"of":"shop","after":"break","quantile":"99%","atMost":"200ms"}},` +
	`{"outage":{"of":"shop","during":"whole","longest":"1s","total":"2s","count":3}},` +
	`{"recovery":{"of":"shop","after":"break","from":"end","within":"5s","good":3}},` +
	`{"detection":{"by":"alert","after":"break","within":"1m0s"}},` +
	`{"data":{"of":"orders","backup":"copy","lost":1}}]`

func TestObjectivesReadAndWrite(t *testing.T) {
	var o Objectives
	if err := json.Unmarshal([]byte(allObjectives), &o); err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(o)
	if err != nil || string(raw) != allObjectives {
		t.Errorf("written %s, %v", raw, err)
	}
	for i, one := range o {
		if problems := one.Problems(); len(problems) > 0 {
			t.Errorf("objective %d has problems: %q", i, problems)
		}
	}
	if raw, err := json.Marshal(Objectives(nil)); err != nil || string(raw) != "[]" {
		t.Errorf("none is written %s, %v", raw, err)
	}
	if _, err := json.Marshal(Objectives{(*Data)(nil)}); err == nil {
		t.Error("an empty objective was written")
	}
}

func TestObjectivesRefuse(t *testing.T) {
	for raw, want := range map[string]string{
		`[{"availabilty":{}}]`:                              `"availabilty" is no kind of objective: want one of availability, data`,
		`[{"availability":{"off":"shop"}}]`:                 `unknown field "off"`,
		`[{"availability":{},"latency":{}}]`:                "has 2 keys",
		`[{}]`:                                              "has 0 keys",
		`[{"availability":null}]`:                           "want fields",
		`[{"availability":[]}]`:                             "want fields",
		`[{"recovery":{"within":5}}]`:                       "5 is no time",
		`[{"availability":{"atLeast":"high"}}]`:             `"high" is no ratio`,
		`{"availability":{}}`:                               "read objectives",
		`[{"availability":{"of":"a"}},{"latency":{"x":1}}]`: "read objective 1",
	} {
		var o Objectives
		if err := json.Unmarshal([]byte(raw), &o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", raw, err, want)
		}
	}
}

func TestEveryKindCanBeMade(t *testing.T) {
	if !slices.IsSorted(ObjectiveKinds()) {
		t.Error("kinds are not sorted")
	}
	for _, kind := range ObjectiveKinds() {
		o, err := NewObjective(kind)
		if err != nil {
			t.Fatal(err)
		}
		if o.kind() != kind {
			t.Errorf("%s is of kind %s", kind, o.kind())
		}
		if len(o.Problems()) == 0 {
			t.Errorf("an empty %s has no problem", kind)
		}
	}
	if _, err := NewObjective("luck"); err == nil {
		t.Error("luck is no objective")
	}
}

func TestProblems(t *testing.T) {
	ok := Window{During: "break"}
	for _, r := range []struct {
		name string
		o    Objective
		want []string
	}{
		{"availability without anything", &Availability{}, []string{"of: is missing", "during: is missing", "atLeast: is missing"}},
		{"availability with both bounds", &Availability{Of: "shop", Window: ok, AtLeast: ratio(1), AtMost: ratio(0)}, []string{"atMost: stands beside atLeast"}},
		{"availability in percent", &Availability{Of: "shop", Window: ok, AtLeast: ratio(99.9)}, []string{`atLeast: 9990% is outside 0% to 100%: write "99.9%"`}},
		{"availability below nothing", &Availability{Of: "shop", Window: ok, AtMost: ratio(-0.1)}, []string{"atMost: -10% is outside"}},
		{"availability in two windows", &Availability{Of: "shop", Window: Window{During: "a", AfterEnd: "b"}, AtLeast: ratio(1)}, []string{"after: stands beside during"}},
		{"after a window", &Availability{Of: "shop", Window: Window{AfterEnd: "baseline"}, AtLeast: ratio(1)}, []string{`after: "baseline" is a window, not a step`}},
		{"latency without anything", &Latency{}, []string{"of: is missing", "during: is missing", "quantile: is missing", "atMost: is missing"}},
		{"latency of a negative bound", &Latency{Of: "shop", Window: ok, Quantile: 2, AtMost: -1}, []string{"quantile: 200% is outside", "atMost: -1ns is negative"}},
		{"outage without a bound", &Outage{Of: "shop", Window: ok}, []string{"longest: is missing: bound at least one"}},
		{"outage of negative bounds", &Outage{Of: "shop", Window: ok, Longest: duration(-1), Total: duration(-1), Count: number(-1)}, []string{"longest: -1ns is negative", "total: -1ns is negative", "count: -1 is negative"}},
		{"recovery without anything", &Recovery{}, []string{"of: is missing", "after: is missing", "within: is missing"}},
		{"recovery from nowhere", &Recovery{Of: "shop", After: "whole", From: "middle", Within: -5, Good: -1}, []string{`after: "whole" is a window`, "within: -5ns is negative", `from: "middle" is no anchor`, "good: -1 is negative"}},
		{"detection without anything", &Detection{}, []string{"by: is missing", "after: is missing", "within: is missing"}},
		{"data without anything", &Data{Lost: -1}, []string{"of: is missing", "lost: -1 is negative"}},
		{"data of a window", &Data{Of: "orders", Backup: "whole"}, []string{`backup: "whole" is a window`}},
	} {
		t.Run(r.name, func(t *testing.T) {
			got := r.o.Problems()
			if len(got) != len(r.want) {
				t.Fatalf("got %q, want %q", got, r.want)
			}
			for _, want := range r.want {
				if !slices.ContainsFunc(got, func(text string) bool { return strings.HasPrefix(text, want) }) {
					t.Errorf("got %q, want one to begin with %q", got, want)
				}
			}
		})
	}
}

func TestRefs(t *testing.T) {
	var o Objectives
	if err := json.Unmarshal([]byte(allObjectives), &o); err != nil {
		t.Fatal(err)
	}
	var all References
	for _, one := range o {
		refs := Refs(one)
		all.Monitors = append(all.Monitors, refs.Monitors...)
		all.Steps = append(all.Steps, refs.Steps...)
		all.Ledgers = append(all.Ledgers, refs.Ledgers...)
	}
	if want := []string{"shop", "shop", "shop", "shop", "alert"}; !slices.Equal(all.Monitors, want) {
		t.Errorf("monitors %q, want %q", all.Monitors, want)
	}
	if want := []string{"break", "break", "break", "break", "copy"}; !slices.Equal(all.Steps, want) {
		t.Errorf("steps %q, want %q", all.Steps, want)
	}
	if want := []string{"orders"}; !slices.Equal(all.Ledgers, want) {
		t.Errorf("ledgers %q, want %q", all.Ledgers, want)
	}
}

func TestWorst(t *testing.T) {
	for _, r := range []struct {
		of   []Verdict
		want Verdict
	}{
		{nil, Inconclusive},
		{[]Verdict{Pass, Pass}, Pass},
		{[]Verdict{Pass, Inconclusive}, Inconclusive},
		{[]Verdict{Fail, Inconclusive, Pass}, Fail},
		{[]Verdict{Pass, 0}, Inconclusive},
		{[]Verdict{Pass, 9}, Inconclusive},
	} {
		if got := Worst(r.of...); got != r.want {
			t.Errorf("worst of %v is %v, want %v", r.of, got, r.want)
		}
	}
	var v Verdict
	if err := v.UnmarshalText([]byte("maybe")); err == nil {
		t.Error("maybe is no verdict")
	}
	if _, err := v.MarshalText(); err == nil {
		t.Error("no verdict was written")
	}
}

func TestHistogram(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	var h histogram
	var all []time.Duration
	for range 5000 {
		d := time.Duration(math.Exp(random.Float64() * 30))
		h.add(d)
		all = append(all, d)
	}
	slices.Sort(all)
	for _, q := range []Ratio{0.001, 0.5, 0.9, 0.99, 0.999, 1} {
		rank := rankOf(q, int64(len(all)))
		truth, got := all[rank-1], h.at(rank)
		if truth < got.Lo || truth > got.Hi {
			t.Errorf("p%v: %v is outside %+v", q, truth, got)
		}
		if float64(got.Hi-got.Lo) > float64(got.Lo)*0.01 {
			t.Errorf("p%v: %+v is wider than 1 %%", q, got)
		}
	}
	for _, d := range []time.Duration{0, 1, 255, 256, 257, 511, 512, math.MaxInt64} {
		if lo, hi := edges(bucketOf(d)); d < lo || d > hi {
			t.Errorf("%d is outside its bucket, %d to %d", d, lo, hi)
		}
	}
}

func TestRankOf(t *testing.T) {
	for _, r := range []struct {
		q    Ratio
		n    int64
		want int64
	}{{0.99, 100, 99}, {0.07, 100, 7}, {0.999, 1000, 999}, {1, 7, 7}, {0.001, 10, 1}, {0.5, 3, 2}, {0.29, 100, 29}, {0.995, 100, 100}} {
		if got := rankOf(r.q, r.n); got != r.want {
			t.Errorf("rank of %v in %d is %d, want %d", r.q, r.n, got, r.want)
		}
	}
}

func TestShareNeverRoundsUp(t *testing.T) {
	for _, r := range []struct {
		n, all int64
		want   string
	}{{1, 1, "100%"}, {999_999, 1_000_000, "99.999%"}, {9_999_999, 10_000_000, "99.999%"}, {1, 3, "33.333%"}, {0, 5, "0%"}, {1, 0, "no share"}, {1, 200, "0.5%"}, {1, 1000, "0.1%"}} {
		if got := share(r.n, r.all); got != r.want {
			t.Errorf("%d of %d is %s, want %s", r.n, r.all, got, r.want)
		}
	}
}
