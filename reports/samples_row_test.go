package reports

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gamedayhq/gameday/probes"
)

func TestARowIsWhatItSays(t *testing.T) {
	us := time.Microsecond
	samples := []probes.Sample{
		{Monitor: "shop", Slot: 7, Due: 7 * every, Late: 1999, Took: 2001, Outcome: probes.Good},
		{Monitor: "shop", Slot: 8, Due: 8 * every, Late: 83 * us, Took: 4127 * us, Outcome: probes.Bad, Reason: "refused", Detail: `dial "a, b"` + "\n\\n\r"},
		{Monitor: "shop", Slot: 10, Due: 10 * every, Outcome: probes.Missed, Reason: "late", Detail: "\xff"},
		{Monitor: "shop", Slot: 11, Due: 11 * every, Outcome: probes.Good, Detail: "slow, but here"},
	}
	_, byName := tracks([]MonitorInfo{{Name: "shop", Every: every}})
	var raw []byte
	for _, s := range samples {
		raw = byName["shop"].append(raw, s)
	}
	want := "shop,7,1,3,good,,\n" +
		`shop,,83,4127,bad,refused,"dial ""a, b""\n\\n\r"` + "\n" +
		"shop,10,0,0,missed,late,\uFFFD\n" +
		`shop,,0,0,good,,"slow, but here"` + "\n"
	if string(raw) != want {
		t.Errorf("rows\n%s\nwant\n%s", raw, want)
	}
	samples[0].Late, samples[0].Took, samples[2].Detail = us, 3*us, "\uFFFD"
	reader := newRowReader([]MonitorInfo{{Name: "shop", Every: every}})
	for i, row := range slices.Collect(bytes.Lines(raw)) {
		got, wrong := reader.read(row[:len(row)-1])
		if wrong != "" || got != samples[i] {
			t.Errorf("row %d: %q: %+v, want %+v", i+1, wrong, got, samples[i])
		}
	}
}

// TestRoundingNeverNarrowsAnInterval: what is counted from is never later, what is counted to is never earlier than it was.
func TestRoundingNeverNarrowsAnInterval(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	monitors := []MonitorInfo{{Name: "shop", Every: every}}
	for range 10_000 {
		s := probes.Sample{Monitor: "shop", Outcome: probes.Good, Late: time.Duration(r.Int64N(1 << 30)), Took: time.Duration(r.Int64N(1 << 40))}
		_, byName := tracks(monitors)
		row := byName["shop"].append(nil, s)
		got, wrong := newRowReader(monitors).read(row[:len(row)-1])
		if wrong != "" || got.Late > s.Late || s.Late-got.Late >= time.Microsecond || got.Took < s.Took || got.Took-s.Took >= time.Microsecond {
			t.Fatalf("%q: %+v became %+v", wrong, s, got)
		}
	}
}

func TestRowsAreReadInOneFormOnly(t *testing.T) {
	for row, want := range map[string]string{
		"":                               "is no row",
		"shop":                           "is no row",
		"shop,":                          "is no row",
		"shop,,0,0,good,,":               "has a slot", // the first row of a block says it
		"shop,01,0,0,good,,":             "has a slot",
		"shop,+1,0,0,good,,":             "has a slot",
		"shop,-1,0,0,good,,":             "has a slot",
		"shop,9223372036854775807,0,0,":  "has a slot",
		"shop,922337203685477580,0,0,":   "has a slot",
		"shop,1,00,0,good,,":             "has a time",
		"shop,1,,0,good,,":               "has a time",
		"shop,1,0,1000000000000001,good": "has a time",
		"shop,1,0,0":                     "has a time",
		"shop,1,0,0,":                    "has an outcome",
		"shop,1,0,0,Good,,":              "has an outcome",
		"shop,1,0,0,good":                "has an outcome",
		"shop,1,0,0,good,":               "has an outcome",
		"shop,1,0,0,good,,,":             "has an outcome",
		`shop,1,0,0,good,,"x"`:           "has an outcome",
		`shop,1,0,0,good,,x"`:            "has an outcome",
		`shop,1,0,0,good,,"x,`:           "has an outcome",
		`shop,1,0,0,good,,"x,"y`:         "has an outcome",
		`shop,1,0,0,good,,\x`:            "has an outcome",
		`shop,1,0,0,good,,\`:             "has an outcome",
		"shop,1,0,0,good,,\r":            "has an outcome",
		"shop,1,0,0,good,,\xff":          "has an outcome",
		`"shop",1,0,0,good,,`:            "is no row",
		"cart,1,0,0,good,,":              `names "cart", which is no monitor`,
		"shop,1,0,0,good,,":              "",
	} {
		_, wrong := newRowReader([]MonitorInfo{{Name: "shop", Every: every}}).read([]byte(row))
		if wrong == "" != (want == "") || !strings.HasPrefix(wrong, want) {
			t.Errorf("%s: %q, want %q", row, wrong, want)
		}
	}
	reader := newRowReader([]MonitorInfo{{Name: "shop", Every: every}})
	if _, wrong := reader.read([]byte("shop,1,0,0,good,,")); wrong != "" {
		t.Fatal(wrong)
	}
	if _, wrong := reader.read([]byte("shop,2,0,0,good,,")); wrong == "" {
		t.Error("a slot that need not be said is read where it is")
	}
}
