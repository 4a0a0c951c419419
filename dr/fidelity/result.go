package fidelity

import "fmt"

// Schema names the form of a Result.
const Schema = "gameday.dev/fidelity/v1"

// Result says how much of a backup stands at the target. Population = Same + Explained + Changed + Lost.
type Result struct {
	Schema string `json:"schema"`
	Backup Backup `json:"backup"`

	Population int `json:"population"` // objects in the backup
	Same       int `json:"same"`       // as in the backup, but for the server's own bookkeeping (rules of class drop)
	Explained  int `json:"explained"`  // each difference, or the absence, is covered by a rule
	Changed    int `json:"changed"`
	Lost       int `json:"lost"`

	Unexpected      int `json:"unexpected"`      // at the target and not in the backup
	UnexpectedKnown int `json:"unexpectedKnown"` // likewise, and a rule says why
	OutsideScope    int `json:"outsideScope"`    // cluster-scoped, not in the backup, which does not claim the whole cluster

	// The lists are bounded; the counts above are not. Omitted says how many more there are in each.
	ChangedObjects    []Change  `json:"changedObjects,omitempty"`
	LostObjects       []Loss    `json:"lostObjects,omitempty"`
	UnexpectedObjects []Object  `json:"unexpectedObjects,omitempty"`
	Findings          []Finding `json:"findings,omitempty"`
	FindingCount      int       `json:"findingCount"`
	Rules             []RuleUse `json:"rules,omitempty"`
	Omitted           Omitted   `json:"omitted,omitzero"`
}

// Backup identifies the tarball that was read.
type Backup struct {
	SHA256 string `json:"sha256"` // of the packed bytes
	Bytes  int64  `json:"bytes"`  // packed
	Format string `json:"format"` // Velero's version of the layout
	Files  int    `json:"files"`
}

// Object names an object. In LostObjects the namespace is the backup's, elsewhere too unless the object is in no backup.
type Object struct {
	Resource  string `json:"resource"` // group-resource, as in the tarball
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
}

// String is resource namespace/name.
func (o Object) String() string {
	if o.Namespace == "" {
		return o.Resource + " " + o.Name
	}
	return o.Resource + " " + o.Namespace + "/" + o.Name
}

// Loss is an object of the backup that is not at the target. Reason is "absent" or "api missing".
type Loss struct {
	Object `json:",inline"`
	Reason string `json:"reason"`
}

// Change is an object with differences that no rule covers.
type Change struct {
	Object  `json:",inline"`
	Fields  []Field `json:"fields"`
	Omitted int     `json:"omitted,omitempty"` // further fields
}

// Field is one difference. Want is the backup's value, Got the target's, as compact JSON, shortened, or a keyed hash ("hmac:…") where
// the value may be secret; "absent" if there is none.
type Field struct {
	Path string `json:"path"`
	Want string `json:"want"`
	Got  string `json:"got"`
}

// Finding is something that the comparison of single objects does not show. Reason is "dangling" (a reference to an object that is not
// there), "production" (a sandbox's object that names the namespace that it was restored from), or "orphaned" (its owner's
// reference did not come back).
type Finding struct {
	Object `json:",inline"`
	Reason string `json:"reason"`
	Path   string `json:"path"`
	Names  string `json:"names"` // what the reference names
}

// RuleUse says what a rule explained.
type RuleUse struct {
	ID       string   `json:"id"`
	Class    Class    `json:"class"`
	Source   string   `json:"source"`
	By       string   `json:"by"` // "velero", "kubernetes" or "operator"
	Objects  int      `json:"objects"`
	Fields   int      `json:"fields"`
	Examples []string `json:"examples,omitempty"` // the first few objects and paths, no values
}

// Omitted counts what the lists do not hold.
type Omitted struct {
	Changed    int `json:"changed,omitempty"`
	Lost       int `json:"lost,omitempty"`
	Unexpected int `json:"unexpected,omitempty"`
	Findings   int `json:"findings,omitempty"`
}

// Summary is what a verdict needs: with Fail empty and Void empty the restore is faithful.
type Summary struct {
	Fail []string `json:"fail,omitempty"` // what the restore did wrong
	Void []string `json:"void,omitempty"` // why nothing can be said
}

// Summary states the defects in words. Unexpected objects and orphans are named, but only references that lead nowhere or into
// production, changes and losses are defects; an empty backup proves nothing.
func (r Result) Summary() Summary {
	var s Summary
	if r.Population == 0 {
		s.Void = append(s.Void, "the backup holds no object: nothing was compared")
	}
	if sum := r.Same + r.Explained + r.Changed + r.Lost; sum != r.Population {
		s.Void = append(s.Void, fmt.Sprintf("%d objects in the backup, but %d accounted for", r.Population, sum))
	}
	if r.Lost > 0 {
		s.Fail = append(s.Fail, fmt.Sprintf("%d of %d objects lost, first %s (%s)", r.Lost, r.Population, r.LostObjects[0].Object, r.LostObjects[0].Reason))
	}
	if r.Changed > 0 {
		first := r.ChangedObjects[0]
		s.Fail = append(s.Fail, fmt.Sprintf("%d of %d objects changed, first %s at %s", r.Changed, r.Population, first.Object, first.Fields[0].Path))
	}
	for _, reason := range []string{"dangling", "production"} {
		for _, f := range r.Findings {
			if f.Reason == reason {
				s.Fail = append(s.Fail, fmt.Sprintf("%s reference, first %s at %s to %s", reason, f.Object, f.Path, f.Names))
				break
			}
		}
	}
	return s
}
