package reports

import "testing"

func TestRecovery(t *testing.T) {
	within := func(n int64, from Anchor) Objective {
		return &Recovery{Of: "shop", After: "break", From: from, Within: limit(n), Good: 3}
	}
	copied := &Recovery{Of: "shop", After: "copy", From: FromEnd, Within: limit(1000), Good: 3}
	runTable(t, []row{
		{name: "from the start to the first of three good in a row", drill: "B+10b STID+2-5+10URVE+10MZ", objective: within(1000, ""), want: Pass, interval: &Interval{Lo: ms(600), Hi: ms(710)}, got: "recovered after 600ms to 710ms"},
		{name: "it is judged on the later bound", drill: "B+10b STID+2-5+10URVE+10MZ", objective: within(709, FromStart), want: Fail, reason: "600ms to 710ms"},
		{name: "exactly within the limit is a pass", drill: "B+10b STID+2-5+10URVE+10MZ", objective: within(710, FromStart), want: Pass},
		{name: "two good slots in a row are no recovery", drill: "B+10b STID-1+2-1+10URVE+10MZ", objective: within(1000, FromStart), want: Pass, interval: &Interval{Lo: ms(300), Hi: ms(410)}},
		{name: "a missed slot breaks the row", drill: "B+10b STID-1+2.1+10URVE+10MZ", objective: within(1000, FromStart), want: Pass, interval: &Interval{Lo: 0, Hi: ms(410)}},
		{name: "a slot without a sample breaks the row", drill: "B+10b STID-1+2_1+10URVE+10MZ", objective: within(1000, FromStart), want: Pass, interval: &Interval{Lo: 0, Hi: ms(410)}},
		{name: "no bad slot is a recovery at once, and says so", drill: "B+10b STID+20URVE+10MZ", objective: within(1000, FromStart), want: Pass, reason: "no bad slot was seen", interval: &Interval{Lo: 0, Hi: ms(10)}},
		{name: "no bad slot among too few that were asked is open", drill: "B+10b STID+5.10URVE+10MZ", objective: within(1000, FromStart), want: Inconclusive, reason: "no bad slot was seen, but only 60%"},
		{name: "nothing asked after the anchor is open", drill: "B+10b STID.20URVE.10MZ", objective: within(1000, FromStart), want: Inconclusive, reason: "no good slot was seen"},
		{name: "a record that ends too soon to see three good is open", drill: "B+10b STID+2URVEMZ", objective: within(1000, FromStart), want: Inconclusive, reason: "only 2 good ones"},
		{name: "never good again is a fail", drill: "B+10b STID+2-30URVEMZ", objective: within(1000, FromStart), want: Fail, reason: "not recovered within the record: at least 3.1s"},
		{name: "not good again before an early end is open", drill: "B+10b STID+2-5URVEMZ", objective: within(1000, FromStart), want: Inconclusive, reason: "within the limit"},
		{name: "a recovery that the record's end cut is open", drill: "B+10b STID+2-5+2URVEMZ", objective: within(1000, FromStart), want: Inconclusive, reason: "not 3 good slots in a row"},
		{name: "a late recovery that the record's end cut is a fail", drill: "B+10b STID+2-12+2URVEMZ", objective: within(1000, FromStart), want: Fail, reason: "at least 1.3s"},
		{name: "missed to the end after a bad slot within the limit is open", drill: "B+10b STID+2-5.30URVEMZ", objective: within(1000, FromStart), want: Inconclusive, reason: "not 3 good slots"},
		{name: "missed slots before a recovery that may have come in time leave it open", drill: "B+10b STID+2-5.20+10URVE+10MZ", objective: within(1000, FromStart), want: Inconclusive, reason: "slots were missed", interval: &Interval{Lo: ms(600), Hi: ms(2710)}},
		{name: "missed slots before a recovery that may have come just in time leave it open", drill: "B+10b STID+2-5.20+10URVE+10MZ", objective: within(700, FromStart), want: Inconclusive, reason: "slots were missed"},
		{name: "missed slots before a recovery that came too late by a hair change nothing", drill: "B+10b STID+2-5.20+10URVE+10MZ", objective: within(699, FromStart), want: Fail},
		{name: "a recovery after which hardly anybody asked is open", drill: "B+10b STID-2+5.20URVE+5MZ", objective: within(1000, FromStart), want: Inconclusive, reason: "of the slots were asked"},
		{name: "missed slots before a recovery that was late anyway change nothing", drill: "B+10b STID+2-15.20+10URVE+10MZ", objective: within(1000, FromStart), want: Fail},
		{name: "who relapses was not back", drill: "B+10b STID+2-5+10-2+9URVE+10MZ", objective: within(1000, FromStart), want: Fail, reason: "seemed to be back after 710ms, and was bad again", interval: &Interval{Lo: ms(1800), Hi: ms(1910)}},
		{name: "who relapses within the limit is back in time", drill: "B+10b STID+2-1+4-1+19URVE+10MZ", objective: within(1000, FromStart), want: Pass, reason: "seemed to be back after 310ms, and was bad again", interval: &Interval{Lo: ms(700), Hi: ms(810)}},
		{name: "who relapses twice says so", drill: "B+10b STID-1+4-1+4-1+4URVE+10MZ", objective: within(2000, FromStart), want: Pass, reason: "2 times"},
		{name: "who relapses to the end of the record and too late fails", drill: "B+10b STID-1+14-1+2URVEMZ", objective: within(1000, FromStart), want: Fail, reason: "not recovered within the record: at least 1.5s; it seemed to be back after 110ms"},
		{name: "what the next step does to a system that was not back counts", drill: "B+10b STID-5+2URVE sd-5+20eMZ", objective: within(1000, FromStart), want: Fail, interval: &Interval{Lo: ms(1100), Hi: ms(1210)}},
		{name: "harm of the next step is no relapse", drill: "B+10b STID-5+10URVE sd-5+20eMZ", objective: within(1000, FromStart), want: Pass, reason: ""},
		{name: "an outage that came only with the next step says so", drill: "B+10b STID+15URVE sd-5+20eMZ", objective: within(3000, FromStart), want: Pass, reason: "only after the next step had started"},
		{name: "from the end counts from the undo", drill: "B+10b STID-20URV-3E+20MZ", objective: within(500, FromEnd), want: Pass, interval: &Interval{Lo: ms(200), Hi: ms(310)}},
		{name: "from the end a system that is down is down from there", drill: "B+10b STID-20URVE+20MZ", objective: within(500, FromEnd), want: Pass, interval: &Interval{Lo: 0, Hi: ms(10)}, got: "recovered after 0s to 10ms"},
		{name: "an anchor between two slots", drill: "B+10b STID-20'URVE-2+20MZ", objective: within(500, FromEnd), want: Pass, interval: &Interval{Lo: ms(150), Hi: ms(260)}},
		{name: "from the end without an undo is open", drill: "B+10b STID-20E+20MZ", objective: within(500, FromEnd), want: Inconclusive, reason: "undo was never asked for"},
		{name: "a step that is no fault counts from its end", drill: "B+10bsd-5e-2+20MZ", objective: copied, want: Pass, interval: &Interval{Lo: ms(100), Hi: ms(210)}},
		{name: "a step that never ended is open", drill: "B+10bsd-5-2+20MZ", objective: copied, want: Inconclusive, reason: "never ended"},
		{name: "a step that never started is open", drill: "B+10bsde+5DMZ", objective: within(500, FromStart), want: Inconclusive, reason: "never started"},
		{name: "ten good slots in a row are asked for unless said", drill: "B+10b STID-1+9-1+20URVE+10MZ", objective: &Recovery{Of: "shop", After: "break", Within: limit(2000)}, want: Pass, interval: &Interval{Lo: ms(1000), Hi: ms(1110)}},
		{name: "what is good only after the monitors were told to stop still counts as seen", drill: "B+10b STID-5+2URVEM+2Z", objective: within(1000, FromStart), want: Pass},
	})
}

func TestDetection(t *testing.T) {
	byAlert := func(n int64) Objective { return &Detection{By: "alert", After: "break", Within: limit(n)} }
	drill := "B+10b STID-20URVE+20MZ"
	runTable(t, []row{
		{name: "the alert fires in time", drill: drill, alert: "+10 +5-10+25", objective: byAlert(1000), want: Pass, interval: &Interval{Lo: ms(400), Hi: ms(520)}},
		{name: "it is judged on the later bound", drill: drill, alert: "+10 +5-10+25", objective: byAlert(519), want: Fail, reason: "detected after 400ms to 520ms"},
		{name: "the alert fires too late", drill: drill, alert: "+10 +15-10+15", objective: byAlert(1000), want: Fail, reason: "detected after 1.4s to 1.52s"},
		{name: "the alert fires at once", drill: drill, alert: "+10 -10+30", objective: byAlert(1000), want: Pass, interval: &Interval{Lo: 0, Hi: ms(20)}},
		{name: "the alert never fires", drill: drill, alert: "+50", objective: byAlert(1000), want: Fail, got: "never detected"},
		{name: "an alert that was firing before detects nothing", drill: drill, alert: "+9-1 -10+30", objective: byAlert(1000), want: Inconclusive, reason: "was firing before"},
		{name: "an alert that was firing and stopped before detects", drill: drill, alert: "+7-1+2 +3-10+27", objective: byAlert(1000), want: Pass},
		{name: "nobody asked after the step", drill: drill, alert: "+10 .40", objective: byAlert(1000), want: Inconclusive, reason: "never asked"},
		{name: "too few asked after the step", drill: drill, alert: "+10 +5.5+30", objective: byAlert(1000), want: Inconclusive, reason: "50% of the slots"},
		{name: "missed slots before the first bad one widen the interval", drill: drill, alert: "+10 +1.4-10+25", objective: byAlert(1000), want: Pass, interval: &Interval{Lo: 0, Hi: ms(520)}},
		{name: "missed slots before a late first bad one leave it open", drill: drill, alert: "+10 +5.10-10+15", objective: byAlert(1000), want: Inconclusive, reason: "slots were missed"},
		{name: "a drill that ended within the limit is open", drill: drill, alert: "+50", objective: byAlert(9000), want: Inconclusive, reason: "before the drill ended"},
		{name: "a record that was cut within the limit is open", drill: "B+10b STID-20", alert: "+30", objective: byAlert(2050), want: Inconclusive, reason: "before the record ended"},
		{name: "a monitor of buyers detects as well", drill: "B+10b STID+3-17URVE+20MZ", objective: &Detection{By: "shop", After: "break", Within: limit(500)}, want: Pass, interval: &Interval{Lo: ms(200), Hi: ms(320)}},
	})
}

func TestGround(t *testing.T) {
	fine := avail(during("whole"), 0)
	runTable(t, []row{
		{name: "a good baseline is steady", drill: "B+40b STID+5URVE+40MZ", objective: fine, kind: "steady", want: Pass, got: "shop: 40 good, 0 bad of 40 slots"},
		{name: "one bad slot is not steady", drill: "B+39-1b STID+5URVE+40MZ", objective: fine, kind: "steady", want: Inconclusive, reason: `monitor "shop": was bad before`},
		{name: "a baseline that was hardly asked is not steady", drill: "B+35.5b STID+5URVE+40MZ", objective: fine, kind: "steady", want: Inconclusive, reason: "87.5% of the slots"},
		{name: "a monitor that never asked is named", drill: "B.40b STID+5URVE+40MZ", objective: fine, kind: "steady", want: Inconclusive, reason: `monitor "shop": never asked`},
		{name: "a monitor without samples is named", drill: "B_40b STID+5URVE+40MZ", objective: fine, kind: "steady", want: Inconclusive, reason: `monitor "shop": never asked`},
		{name: "no baseline is not steady", drill: "+40 STID+5URVE+40MZ", objective: fine, kind: "steady", want: Inconclusive, reason: "no baseline"},
		{name: "a baseline of no length is none", drill: "+40Bb STID+5URVE+40MZ", objective: fine, kind: "steady", want: Inconclusive, reason: "no baseline"},
		{name: "a baseline that never ended is none", drill: "B+40", objective: fine, kind: "steady", want: Inconclusive, reason: "no whole baseline"},
		{name: "an alert that was asked and silent is steady", drill: "B+40b STID+5URVE+40MZ", alert: ".20+20+45", objective: fine, kind: "steady", want: Pass},
		{name: "an alert that fired is not steady", drill: "B+40b STID+5URVE+40MZ", alert: "+20-1+64", objective: fine, kind: "steady", want: Inconclusive, reason: `monitor "alert": was firing`},
		{name: "an alert that was never asked is not steady", drill: "B+40b STID+5URVE+40MZ", alert: ".40+45", objective: fine, kind: "steady", want: Inconclusive, reason: `monitor "alert": never asked`},

		{name: "a proven injection", drill: "B+40b STID+5URVE+40MZ", objective: fine, kind: "injected", want: Pass, got: "1 targets; proven by uid gone"},
		{name: "an injection without proof", drill: "B+40b STD+5URVE+40MZ", objective: fine, kind: "injected", want: Inconclusive, reason: "no proof"},
		{name: "an injection without a target", drill: "B+40b SID+5URVE+40MZ", objective: fine, kind: "injected", want: Inconclusive, reason: "no target"},
		{name: "a fault that failed", drill: "B+40b STIF+5URVE+40MZ", objective: fine, kind: "injected", want: Inconclusive, reason: "the daemon said no"},
		{name: "a fault that never started", drill: "B+40b T+5MZ", objective: fine, kind: "injected", want: Inconclusive, reason: "never started"},
		{name: "a proven undo", drill: "B+40b STID+5URVE+40MZ", objective: fine, kind: "undone", want: Pass, got: "proven by uid gone"},
		{name: "an undo without proof", drill: "B+40b STID+5UVE+40MZ", objective: fine, kind: "undone", want: Inconclusive, reason: "no proof"},
		{name: "a failed undo is a fail", drill: "B+40b STID+5UXE+40MZ", objective: fine, kind: "undone", want: Fail, reason: "NOT PROVEN UNDONE: the finalizer stays"},
		{name: "a failed undo that a later one made good", drill: "B+40b STID+5UXE+40RVMZ", objective: fine, kind: "undone", want: Pass, reason: "the first undo failed"},
		{name: "an undo that failed after one that did not", drill: "B+40b STID+5URVXE+40MZ", objective: fine, kind: "undone", want: Fail, reason: "NOT PROVEN UNDONE"},
		{name: "a fault that nobody undid is a fail", drill: "B+40b STID+5E+40MZ", objective: fine, kind: "undone", want: Fail, reason: "NOT PROVEN UNDONE: the drill ended"},
		{name: "a record that was cut inside a fault is open", drill: "B+40b STID+5", objective: fine, kind: "undone", want: Inconclusive, reason: "NOT PROVEN UNDONE: the record was cut"},
		{name: "a fault that never started needs no undo, and proves nothing", drill: "B+40b T+5MZ", objective: fine, kind: "undone", want: Inconclusive, reason: "never started"},

		{name: "a step that was done", drill: "B+40bs+3de+40MZ", objective: fine, kind: "done", want: Pass, got: "done 300ms after its start"},
		{name: "a step that failed for the harness", drill: "B+40bsfe+40MZ", objective: fine, kind: "done", want: Inconclusive, reason: "no permission"},
		{name: "a step that the system under test failed", drill: "B+40bsge+40MZ", objective: fine, kind: "done", want: Fail, reason: "PartiallyFailed"},
		{name: "a step that was never done", drill: "B+40bs+40", objective: fine, kind: "done", want: Inconclusive, reason: "ends before the step was done"},

		{name: "a drill that ended", drill: "B+40bsde+40MZ", objective: fine, kind: "ended", want: Pass},
		{name: "a drill that was aborted", drill: "B+40bsde+40AMZ", objective: fine, kind: "ended", want: Inconclusive, reason: "cut short: stop condition"},
		{name: "a drill that never ended", drill: "B+40bsde+40M", objective: fine, kind: "ended", want: Inconclusive, reason: "ends before the drill did"},
		{name: "a void drill", drill: "B+40-1bWAZ", objective: fine, kind: "void", want: Inconclusive, reason: "not steady"},
		{name: "a drill that asks for nothing", drill: "B+40bsde+40MZ", kind: "objectives", want: Inconclusive, reason: "asks for nothing"},

		{name: "a record in order", drill: "B+40bsde+40MZ", objective: fine, kind: "record", want: Pass, got: "80 samples"},
		{name: "a step that started twice", drill: "B+40bsdse+40MZ", objective: fine, kind: "record", want: Inconclusive, reason: "started twice"},
	})
}
