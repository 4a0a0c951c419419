package reports

import (
	"encoding/json"
	"fmt"
)

// TopicMonitorProof tells whether a monitor was proved able to say bad, before the baseline. Data: MonitorProof.
const TopicMonitorProof = "monitor-proof"

// MonitorProof tells how a monitor's question was put so that only a bad answer is right, and what came of it.
type MonitorProof struct {
	Monitor string `json:"monitor"`
	Proven  bool   `json:"proven"`
	How     string `json:"how"` // how it was put, in words
	Got     string `json:"got"` // what came of it: "bad: refused: …"
}

// monitorProofs judges of each monitor that says how it can fail whether it was seen to, before the baseline. Evidence of drills
// that were played before monitors said so has no such check.
func (p *plan) monitorProofs() []judged {
	var out []judged
	for _, m := range p.record.Header.Drill.Monitors {
		if m.CanFail != "" {
			out = append(out, settled{p.canSayBad(m)})
		}
	}
	return out
}

func (p *plan) canSayBad(m MonitorInfo) Check {
	c := Check{
		Name: "can say bad: " + m.Name, Kind: "canSayBad", Monitor: m.Name,
		Want: m.CanFail, Got: "no proof",
	}
	proofs, unreadable := p.proofsOf(m.Name)
	for _, proof := range proofs {
		c.Got = proof.Got
		if !proof.Proven {
			return c.inconclusive("the monitor was not seen to say bad when it had to: " + proof.Got)
		}
	}
	switch {
	case unreadable != "":
		return c.inconclusive(unreadable)
	case len(proofs) == 0:
		return c.inconclusive("nothing tells that the monitor was proved able to say bad before the baseline")
	default:
		return c.pass("")
	}
}

// proofsOf returns the proofs of a monitor that stand before the baseline: what is proved later proves nothing of it.
func (p *plan) proofsOf(monitor string) (proofs []MonitorProof, unreadable string) {
	for _, e := range p.record.Events {
		if e.Kind == BaselineStarted {
			break
		}
		if e.Kind != Fact || e.Topic != TopicMonitorProof {
			continue
		}
		var proof MonitorProof
		if err := json.Unmarshal(e.Data, &proof); err != nil {
			unreadable = fmt.Sprintf("a proof at %v is not readable", e.At)
			continue
		}
		if proof.Monitor == monitor {
			proofs = append(proofs, proof)
		}
	}
	return proofs, unreadable
}
