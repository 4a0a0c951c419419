package reports

import (
	"encoding/json"
	"fmt"
)

// ground judges by the events alone whether the record is ground to judge on: the steps, how the drill ended, and what made
// it void.
func (p *plan) ground() []judged {
	var out []judged
	for _, info := range p.record.Header.Drill.Steps {
		step := p.steps[info.Name]
		if info.Fault {
			out = append(out, settled{step.injected()}, settled{step.undone(p.drillEnded.reached)})
		} else {
			out = append(out, settled{step.isDone()})
		}
	}
	out = append(out, settled{p.endCheck()})
	for _, e := range p.record.Events {
		if e.Kind == Fact && e.Topic == TopicVoid {
			c := Check{Name: "void", Kind: "void", Step: e.Step, Want: "a drill that proves something", Got: "a void one"}
			out = append(out, settled{c.inconclusive(e.Detail)})
		}
	}
	return out
}

// proofs returns the step's proofs of a topic, and whether one could not be read.
func (s *stepRecord) proofs(topic string) (proofs []Proof, unreadable bool) {
	for _, e := range s.facts {
		if e.Topic != topic {
			continue
		}
		var proof Proof
		if err := json.Unmarshal(e.Data, &proof); err != nil {
			unreadable = true
			continue
		}
		proofs = append(proofs, proof)
	}
	return proofs, unreadable
}

// targets counts what the fault was aimed at.
func (s *stepRecord) targets() int {
	n := 0
	for _, e := range s.facts {
		var targets []Target
		if e.Topic == TopicTargets && json.Unmarshal(e.Data, &targets) == nil {
			n += len(targets)
		}
	}
	return n
}

const neverStarted = "the step never started"

func (s *stepRecord) injected() Check {
	c := Check{
		Name: "injected: " + s.info.Name, Kind: "injected", Step: s.info.Name,
		Want: "the fault proven to hold on at least one target", Got: "no proof",
	}
	proofs, unreadable := s.proofs(TopicInjected)
	switch targets := s.targets(); {
	case !s.started.reached:
		return c.inconclusive(neverStarted)
	case targets == 0:
		c.Got = "no target"
		return c.inconclusive("the fault had no target, so it proves nothing")
	case s.failed != nil:
		return c.inconclusive("the fault failed: " + s.failed.Detail)
	default:
		c.Got = fmt.Sprintf("%d targets, no proof", targets)
		if half := partial(proofs); half != "" {
			return c.inconclusive(half)
		}
		return c.byProof(proofs, unreadable, fmt.Sprintf("%d targets; ", targets))
	}
}

// byProof passes on a proof that holds, and says on whose word it rests.
func (c Check) byProof(proofs []Proof, unreadable bool, before string) Check {
	var best *Proof
	refuted := ""
	for i, proof := range proofs {
		switch {
		case proof.Proven && (best == nil || proof.Independent):
			best = &proofs[i]
		case !proof.Proven:
			refuted = fmt.Sprintf("not proven by %s: %s", proof.By, proof.Detail)
		}
	}
	switch {
	case best == nil && unreadable:
		return c.inconclusive("the proof is not readable")
	case best == nil && refuted != "":
		return c.inconclusive(refuted)
	case best == nil:
		return c.inconclusive("no proof was recorded")
	}
	c.Got = before + "proven by " + best.By
	if best.Independent {
		return c.pass(refuted)
	}
	return c.pass(joinNotes("this rests on the controller's own account alone", refuted))
}

// partial says which sites the fault did not reach, by its controller's account.
func partial(proofs []Proof) string {
	for _, proof := range proofs {
		reached := 0
		for _, site := range proof.Records {
			if site.Injected > 0 {
				reached++
			}
		}
		if proof.Proven && reached < len(proof.Records) {
			return fmt.Sprintf("injected on %d of %d sites only", reached, len(proof.Records))
		}
	}
	return ""
}

// undone judges whether the fault is gone. A drill that ended without an undo left its fault behind, and fails; a record that was
// cut says nothing of what came later, so that it is open, and as loud.
func (s *stepRecord) undone(ended bool) Check {
	c := Check{
		Name: "undone: " + s.info.Name, Kind: "undone", Step: s.info.Name,
		Want: "the fault proven gone", Got: "no proof",
	}
	switch {
	case !s.started.reached:
		return c.inconclusive(neverStarted)
	case s.undo == nil:
		c.Got = "the fault was started, and nothing tells that it was undone"
		if !ended {
			return c.inconclusive("NOT PROVEN UNDONE: the record was cut before the undo; look for what is left of it")
		}
		return c.fail("NOT PROVEN UNDONE: the drill ended without the undo; look for what is left of it")
	case s.undo.Kind == UndoFailed:
		c.Got = "the undo failed"
		return c.fail("NOT PROVEN UNDONE: " + s.undo.Detail)
	}
	c.Got = "undone, without proof"
	proofs, unreadable := s.proofs(TopicRecovered)
	c = c.byProof(proofs, unreadable, "")
	if s.undoFailed {
		c.Reason = joinNotes("the first undo failed, a later one did not", c.Reason)
	}
	return c
}

func (s *stepRecord) isDone() Check {
	c := Check{Name: "done: " + s.info.Name, Kind: "done", Step: s.info.Name, Want: "the step done", Got: "not done"}
	switch {
	case s.failed != nil && s.failed.Topic == TopicSystem:
		c.Got = "the system under test failed it"
		return c.fail(s.failed.Detail)
	case s.failed != nil:
		c.Got = "failed"
		return c.inconclusive(s.failed.Detail)
	case !s.started.reached:
		return c.inconclusive(neverStarted)
	case !s.done.reached:
		return c.inconclusive("the record ends before the step was done")
	}
	c.Got = "done " + atMost(s.done.at-s.started.at) + " after its start"
	return c.pass("")
}

func (p *plan) endCheck() Check {
	c := Check{Name: "drill ended", Kind: "ended", Want: "the drill played to its end", Got: "played to its end"}
	switch {
	case p.aborted != nil:
		c.Got = "aborted at " + atLeast(p.aborted.At)
		return c.inconclusive("the drill was cut short: " + p.aborted.Detail)
	case !p.drillEnded.reached:
		c.Got = "the record ends at " + atLeast(p.last)
		return c.inconclusive("the record ends before the drill did: it was killed, or could no longer record")
	default:
		return c.pass("")
	}
}
