package html

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/gamedayhq/gameday/reports"
)

// page is all that the template shows, in the order in which it shows it.
type page struct {
	Evidence   reports.Evidence
	Alarms     []alarm
	Head       head
	Duration   time.Duration
	Picture    picture
	Clusters   []cluster
	Steps      []*step
	Baseline   *window
	Checks     []checkView
	Faults     []*step
	DataChecks []checkView
	ReadBacks  []readBack
	Monitors   []monitorView
	Events     []eventView
	EventsCut  int // how many of the timeline are not shown
	Started    string
	Date       string // empty when the drill crosses midnight
}

// alarm is a fault that was not proven undone: the loudest thing on the page.
type alarm struct{ Step, Action, Why string }

// head is the verdict in three lines.
type head struct {
	Verdict, First, Tally string
	More                  []string
}

// checkView is a check as the page shows it.
type checkView struct {
	reports.Check
	Word  string // pass, fail or inconclusive
	Note  string // the reason, unless it says no more than what was got
	Span  string // the measured interval, unless what was got tells it
	Where string // the window
	Count string // the slots
}

func newPage(ev reports.Evidence, s *strips) page {
	steps, baseline := readSteps(ev, s.total)
	p := page{
		Evidence: ev, Duration: ev.Ended, Steps: steps, Baseline: baseline, ReadBacks: readBacks(ev.Timeline),
		Clusters: clusters(ev.Environment),
		Picture:  newPicture(ev, s, steps, baseline), Monitors: monitorViews(ev),
		Started: ev.Started.UTC().Format("2006-01-02 15:04:05 UTC"),
	}
	for _, c := range ev.Checks {
		view := newCheckView(c)
		p.Checks = append(p.Checks, view)
		if c.Kind == kindData {
			p.DataChecks = append(p.DataChecks, view)
		}
	}
	slices.SortStableFunc(p.Checks, func(a, b checkView) int { return rank(b.Word) - rank(a.Word) })
	for _, st := range steps {
		if st.Fault == nil {
			continue
		}
		p.Faults = append(p.Faults, st)
		if why := st.NotUndone(); why != "" {
			p.Alarms = append(p.Alarms, alarm{st.Info.Name, st.Info.Action, why})
		}
	}
	p.Head = newHead(ev, p.Faults, len(p.Alarms))
	first, last := ev.Started.UTC(), ev.Started.Add(s.total).UTC()
	if first.Format(time.DateOnly) == last.Format(time.DateOnly) {
		p.Date = first.Format(time.DateOnly)
	}
	p.Events, p.EventsCut = eventViews(ev, p.Date == "")
	return p
}

// cluster is a cluster with the versions that a reader looks for first.
type cluster struct {
	Name     string
	Versions []string
}

func clusters(environment map[string]map[string]string) []cluster {
	var out []cluster
	for _, name := range slices.Sorted(maps.Keys(environment)) {
		c := cluster{Name: name}
		keys := slices.Sorted(maps.Keys(environment[name]))
		for _, product := range []string{"kubernetes", "chaos", "velero"} {
			is := func(key string) bool { return strings.HasPrefix(strings.ToLower(key), product) }
			if i := slices.IndexFunc(keys, is); i >= 0 {
				c.Versions = append(c.Versions, keys[i]+" "+environment[name][keys[i]])
			}
		}
		out = append(out, c)
	}
	return out
}

// word names a verdict; what is none is shown as inconclusive, never as pass.
func word(v reports.Verdict) string {
	if v == reports.Pass || v == reports.Fail {
		return v.String()
	}
	return reports.Inconclusive.String()
}

// rank orders verdicts from best to worst.
func rank(word string) int { return slices.Index([]string{"pass", "inconclusive", "fail"}, word) }

func newHead(ev reports.Evidence, faults []*step, alarms int) head {
	h := head{Verdict: word(ev.Verdict), First: "No reason is recorded."}
	whys := ev.Why
	if cause := ending(ev); cause != "" && h.Verdict == reports.Inconclusive.String() {
		// What ended the drill is why all the rest was not seen.
		whys = slices.DeleteFunc(slices.Clone(whys), func(why string) bool { return strings.HasSuffix(why, cause) })
		whys = slices.Insert(whys, 0, "The drill ended early: "+cause)
	}
	for i, why := range whys {
		if i == 0 {
			h.First = sentence(why)
		} else {
			h.More = append(h.More, sentence(why))
		}
	}
	var parts []string
	if h.Verdict == reports.Pass.String() {
		parts = measured(ev.Checks)
	} else {
		parts = []string{tally(ev.Checks)}
	}
	begun := int64(0)
	for _, f := range faults {
		if f.Window != nil {
			begun++
		}
	}
	switch {
	case alarms > 0:
		parts = append(parts, fmt.Sprintf("Not proven undone: %d of %s.", alarms, counted(begun, "fault")))
	case begun > 0:
		parts = append(parts, "Every fault is proven undone.")
	}
	if !ev.Complete {
		parts = append(parts, "The journal does not end in good order: the record is cut short.")
	}
	h.Tally = strings.Join(parts, " ")
	return h
}

// ending is what cut the drill short, in words.
func ending(ev reports.Evidence) string {
	for _, e := range ev.Timeline {
		if e.Kind == reports.Aborted {
			return e.Detail
		}
	}
	return ""
}

// tally counts the checks by verdict.
func tally(checks []reports.Check) string {
	counts := map[string]int{}
	for _, c := range checks {
		counts[word(c.Verdict)]++
	}
	var parts []string
	for _, one := range [][2]string{{"fail", "failed"}, {"inconclusive", "inconclusive"}, {"pass", "passed"}} {
		if n := counts[one[0]]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, one[1]))
		}
	}
	if len(parts) == 0 {
		return "No check was made."
	}
	return fmt.Sprintf("%s: %s.", counted(int64(len(checks)), "check"), strings.Join(parts, ", "))
}

// measured tells the times that a reader of a passed drill asks for first.
func measured(checks []reports.Check) []string {
	const most = 2
	var out []string
	for _, c := range checks {
		if (c.Kind == kindRecovery || c.Kind == kindDetection) && len(out) < most {
			out = append(out, sentence(c.Name+": "+c.Got)+".")
		}
	}
	return out
}

// sentence begins with a capital letter.
func sentence(text string) string {
	first, n := utf8.DecodeRuneInString(text)
	if n == 0 || first == utf8.RuneError {
		return text
	}
	return string(unicode.ToUpper(first)) + text[n:]
}

func newCheckView(c reports.Check) checkView {
	v := checkView{Check: c, Word: word(c.Verdict)}
	if c.Reason != c.Got {
		v.Note = c.Reason
	}
	if c.Interval != nil && !strings.Contains(c.Got, " to ") {
		v.Span = fmt.Sprintf("%s to %s", span(c.Interval.Lo), span(c.Interval.Hi))
	}
	switch {
	case c.From != nil && c.To != nil:
		v.Where = offset(*c.From) + " to " + offset(*c.To)
	case c.From != nil:
		v.Where = "from " + offset(*c.From)
	}
	if c.Slots != nil {
		v.Count = slotWords(*c.Slots)
	}
	return v
}

func slotWords(s reports.Slots) string {
	text := fmt.Sprintf("%s due: %s good, %s bad, %s missed", count(s.Due), count(s.Good), count(s.Bad), count(s.Missed))
	if why := reasons(s); why != "" {
		text += " (" + why + ")"
	}
	return text
}

// reasons lists why slots were not good, the most frequent first.
func reasons(s reports.Slots) string {
	var names []string
	for name := range s.Reasons {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		if s.Reasons[a] != s.Reasons[b] {
			return int(min(max(s.Reasons[b]-s.Reasons[a], -1), 1))
		}
		return strings.Compare(a, b)
	})
	for i, name := range names {
		names[i] = fmt.Sprintf("%s %s", name, count(s.Reasons[name]))
	}
	return strings.Join(names, ", ")
}
