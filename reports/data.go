package reports

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// write is what the record tells of one numbered write.
type write struct {
	sent, acked time.Duration
	wasAcked    bool
}

// ledger is what the record tells of one ledger.
type ledger struct {
	writes     map[int64]write
	found      map[int64]bool
	last       int64 // the greatest number found
	others     int64
	readAt     moment // when the last read-back was recorded
	unreadable string
}

func (p *plan) ledger(name string) *ledger {
	l := &ledger{writes: map[int64]write{}}
	for _, e := range p.record.Events {
		if e.Kind != Fact {
			continue
		}
		switch e.Topic {
		case TopicMarker:
			l.marker(name, e)
		case TopicReadBack:
			l.readBack(name, e)
		}
	}
	return l
}

func (l *ledger) marker(name string, e Event) {
	var m Marker
	if err := json.Unmarshal(e.Data, &m); err != nil {
		l.unreadable = fmt.Sprintf("a marker at %v is not readable: %v", e.At, err)
		return
	}
	if m.Ledger != name {
		return
	}
	w, twice := l.writes[m.Number]
	if !twice || m.Sent < w.sent {
		w.sent = m.Sent
	}
	if m.Acked > 0 && (!w.wasAcked || m.Acked < w.acked) {
		w.acked, w.wasAcked = m.Acked, true
	}
	l.writes[m.Number] = w
}

func (l *ledger) readBack(name string, e Event) {
	var r ReadBack
	if err := json.Unmarshal(e.Data, &r); err != nil {
		l.unreadable = fmt.Sprintf("a read-back at %v is not readable: %v", e.At, err)
		return
	}
	if r.Ledger != name {
		return
	}
	l.readAt = moment{at: e.At, reached: true}
	l.found, l.last, l.others = make(map[int64]bool, len(r.Found)), 0, r.Others
	for _, number := range r.Found {
		l.found[number] = true
		l.last = max(l.last, number)
	}
}

// dataAudit compares what was written with what was found.
type dataAudit struct {
	must, mustNot int     // how many must be there, and must not
	lost          []int64 // must be there and are not
	holes         []int64 // lost ones of which a later one is there
	wrong         []int64 // must not be there and are
	foreign       []int64 // are there and were never sent
}

// audit goes through the ledger. before and after bound the backup: what was acknowledged before must be there, what was
// sent after must not.
func (l *ledger) audit(before, after moment) dataAudit {
	var a dataAudit
	for number, w := range l.writes {
		switch {
		case w.wasAcked && w.acked <= l.readAt.at && (!before.reached || w.acked < before.at):
			a.must++
			if !l.found[number] {
				a.lost = append(a.lost, number)
			}
		case after.reached && w.sent > after.at:
			a.mustNot++
			if l.found[number] {
				a.wrong = append(a.wrong, number)
			}
		}
	}
	for number := range l.found {
		if _, sent := l.writes[number]; !sent {
			a.foreign = append(a.foreign, number)
		}
	}
	for _, list := range []*[]int64{&a.lost, &a.wrong, &a.foreign} {
		slices.Sort(*list)
	}
	for _, number := range a.lost {
		if number < l.last {
			a.holes = append(a.holes, number)
		}
	}
	return a
}

func (o *Data) judge(p *plan) judged {
	l := p.ledger(o.Of)
	c := Check{Name: "data of " + o.Of, Kind: o.kind(), Step: o.Backup, Want: o.want(), Got: "nothing"}
	var before, after moment
	if o.Backup != "" {
		step, known := p.steps[o.Backup]
		switch {
		case !known:
			return settled{c.inconclusive(fmt.Sprintf("the drill has no step %q", o.Backup))}
		case !step.started.reached || !step.done.reached:
			return settled{c.inconclusive(fmt.Sprintf("the backup %q was not done", o.Backup))}
		}
		before, after = step.started, step.done
	}
	switch {
	case l.unreadable != "":
		return settled{c.inconclusive(l.unreadable)}
	case !l.readAt.reached:
		return settled{c.inconclusive("the ledger was never read back")}
	case after.reached && l.readAt.at < after.at:
		return settled{c.inconclusive("the ledger was read back before the backup was done, and never again")}
	}
	return settled{o.verdict(c, l, l.audit(before, after))}
}

func (o *Data) want() string {
	want := "all that was acknowledged"
	if o.Backup != "" {
		want = fmt.Sprintf("all that was acknowledged before %q, and nothing sent after it", o.Backup)
	}
	if o.Lost > 0 {
		want += fmt.Sprintf("; at most %d lost", o.Lost)
	}
	return want
}

func (o *Data) verdict(c Check, l *ledger, a dataAudit) Check {
	c.Got = fmt.Sprintf("%d of %d found, %d lost", a.must-len(a.lost), a.must, len(a.lost))
	if o.Backup != "" {
		c.Got += fmt.Sprintf("; %d of %d sent after the backup found", len(a.wrong), a.mustNot)
	}
	if l.others > 0 {
		c.Got += fmt.Sprintf("; %d entries of others", l.others)
	}
	var broken []string
	if len(a.wrong) > 0 {
		broken = append(broken, fmt.Sprintf("wrong data: what was written after the backup is present: %s", numbers(a.wrong)))
	}
	if len(a.foreign) > 0 {
		broken = append(broken, fmt.Sprintf("foreign data: found what was never sent: %s", numbers(a.foreign)))
	}
	lost := ""
	if len(a.lost) > 0 {
		lost = "lost: " + numbers(a.lost)
	}
	if len(a.holes) > 0 {
		lost += fmt.Sprintf(" (corruption: later writes than %s are there)", numbers(a.holes))
	}
	if int64(len(a.lost)) > o.Lost {
		broken = append(broken, lost)
	}
	switch {
	case len(broken) > 0:
		return c.fail(strings.Join(broken, "; "))
	case a.must == 0:
		return c.inconclusive("no acknowledged write was to be found, so nothing is proven")
	case o.Backup != "" && a.mustNot == 0:
		return c.inconclusive("no marker was written after the backup, so a stale or live copy could not be told apart")
	default:
		return c.pass(lost)
	}
}

// numbers lists the first few.
func numbers(list []int64) string {
	const most = 10
	var words []string
	for i, n := range list {
		if i == most {
			words = append(words, fmt.Sprintf("and %d more", len(list)-most))
			break
		}
		words = append(words, strconv.FormatInt(n, 10))
	}
	return strings.Join(words, ", ")
}
