package machine

import "time"

// Status is what a machine says about itself.
type Status struct {
	Name     string       `json:"name"`
	Hostname string       `json:"hostname"`
	PID      int          `json:"pid,omitempty"` // of PID 1 as the host sees it, filled in by the client
	Since    time.Time    `json:"since"`
	Revision uint64       `json:"revision"` // grows with every change
	Parts    []PartStatus `json:"parts"`
}

// State is where a part stands.
type State string

// The states of a part. A crashed part that may restart is Crashed only while it backs off.
const (
	Waiting  State = "waiting" // for the parts named by After
	Starting State = "starting"
	Ready    State = "ready"
	Stopped  State = "stopped" // told to, or ended by itself without an error
	Crashed  State = "crashed"
)

// PartStatus is what a machine says about one part.
type PartStatus struct {
	Name      string    `json:"name"`
	Version   string    `json:"version,omitempty"`
	State     State     `json:"state"`
	Paused    bool      `json:"paused,omitempty"`
	PID       int       `json:"pid,omitempty"`     // inside the machine
	HostPID   int       `json:"hostPid,omitempty"` // filled in by the client
	Since     time.Time `json:"since"`             // of the state
	Restarts  int       `json:"restarts"`
	LastError string    `json:"lastError,omitempty"`
	Log       string    `json:"log"`
	Final     bool      `json:"final,omitempty"` // stays as it is until somebody starts it
}

// Up says whether the part is ready and not paused.
func (p PartStatus) Up() bool { return p.State == Ready && !p.Paused }

// Part finds a part by its name.
func (s Status) Part(name string) (PartStatus, bool) {
	for _, p := range s.Parts {
		if p.Name == name {
			return p, true
		}
	}
	return PartStatus{}, false
}
