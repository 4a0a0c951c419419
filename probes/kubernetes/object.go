// Package kubernetes asks a Kubernetes API about one object: whether it is there, a condition of it, how many of its replicas are
// ready, a value in it. It turns one read into one answer and knows nothing of scenarios.
package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gamedayhq/gameday/probes"
)

// Object asks about one object. All that is said of it must hold; if nothing is said, it must be there. An API that does not
// answer, or with anything but the object or that there is none, says nothing of the system: such a slot is missed.
type Object struct {
	Cluster    string `json:"cluster,omitempty"` // the drill's own unless said
	APIVersion string `json:"apiVersion"`        // apps/v1
	Kind       string `json:"kind"`              // Deployment
	Namespace  string `json:"namespace,omitempty"`
	Name       string `json:"name"`

	Condition *Condition `json:"condition,omitempty"`
	// ReadyReplicas is how many replicas must be ready at least, or "all" that are wanted, of which there must be one.
	ReadyReplicas probes.Scalar `json:"readyReplicas,omitempty"`
	JSONPath      *JSONPath     `json:"jsonPath,omitempty"`

	reader client.Reader
	never  bool // no object is good: see probes.Falsifier
}

// Condition is an entry of the list status.conditions.
type Condition struct {
	Type   string        `json:"type"`
	Status probes.Scalar `json:"status,omitempty"` // True unless said
}

// JSONPath is a place in the object, in kubectl's JSONPath, and what must stand there. The place must be there, and each value that
// it selects must be as expected.
type JSONPath struct {
	Path string `json:"path"` // {.status.phase}; the braces may be left out
	probes.Comparator
}

// Problems says what is wrong with the question, each as "field: what, and the mend".
func (o Object) Problems() []string {
	var problems []string
	add := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	if gv, err := schema.ParseGroupVersion(o.APIVersion); o.APIVersion == "" || err != nil || gv.Version == "" {
		add("apiVersion: %q is none: want v1, apps/v1, …", o.APIVersion)
	}
	if o.Kind == "" {
		add("kind: missing")
	}
	if o.Name == "" {
		add("name: missing")
	}
	if o.Kind == "Secret" && o.JSONPath != nil {
		add("jsonPath: what a Secret holds must not reach the evidence: ask whether it is there")
	}
	if o.Condition != nil && o.Condition.Type == "" {
		add("condition.type: missing")
	}
	if o.ReadyReplicas != "" {
		if _, err := replicas(o.ReadyReplicas); err != nil {
			add("readyReplicas: %v", err)
		}
	}
	if o.JSONPath != nil {
		if _, err := o.JSONPath.parse(); err != nil {
			add("jsonPath.path: %v", err)
		}
		for _, problem := range o.JSONPath.Comparator.Problems() {
			add("jsonPath.%s", problem)
		}
	}
	return problems
}

// String says in words what is asked.
func (o Object) String() string {
	var wants []string
	if o.Condition != nil {
		wants = append(wants, fmt.Sprintf("condition %s %s", o.Condition.Type, o.Condition.status()))
	}
	if o.ReadyReplicas != "" {
		wants = append(wants, fmt.Sprintf("%s replicas ready", o.ReadyReplicas))
	}
	if o.JSONPath != nil {
		wants = append(wants, o.JSONPath.Path+" "+o.JSONPath.Comparator.String())
	}
	if len(wants) == 0 {
		wants = []string{"it there"}
	}
	text := o.name()
	if o.Cluster != "" {
		text += fmt.Sprintf(" in cluster %q", o.Cluster)
	}
	return fmt.Sprintf("%s, want %s", text, strings.Join(wants, " and "))
}

func (o Object) name() string {
	return o.Kind + " " + strings.TrimPrefix(o.Namespace+"/"+o.Name, "/")
}

// Place names the cluster that is asked.
func (o Object) Place() string { return o.Cluster }

// In returns the question with the API of its cluster to put it to.
func (o Object) In(reader client.Reader) probes.Question {
	o.reader = reader
	return o
}

// New makes the probe ready to ask, or returns all that is wrong with it.
func (o Object) New() (probes.Probe, error) {
	if problems := o.Problems(); len(problems) > 0 {
		return nil, fmt.Errorf("kubernetes probe: %s", strings.Join(problems, "; "))
	}
	if o.reader == nil {
		return nil, errors.New("kubernetes probe: no cluster was given to ask")
	}
	return &objectProbe{config: o}, nil
}

// Falsified asks for the same object and takes none for a good one, neither that it is there nor that it is not.
func (o Object) Falsified() (probes.Probe, string) {
	o.never = true
	return &objectProbe{config: o}, "with no object taken for a good one, it must be bad"
}

// objectProbe is an Object made ready.
type objectProbe struct{ config Object }

var _ probes.Witness = (*objectProbe)(nil)

// Witness names the API.
func (p *objectProbe) Witness() string {
	if p.config.Cluster == "" {
		return "the Kubernetes API"
	}
	return fmt.Sprintf("the Kubernetes API of cluster %q", p.config.Cluster)
}

// Probe asks once.
func (p *objectProbe) Probe(ctx context.Context) error {
	if p.config.reader == nil {
		return fmt.Errorf("%w: no cluster was given to ask", probes.ErrNotAsked)
	}
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(schema.FromAPIVersionAndKind(p.config.APIVersion, p.config.Kind))
	err := p.config.reader.Get(ctx, client.ObjectKey{Namespace: p.config.Namespace, Name: p.config.Name}, object)
	switch {
	case apierrors.IsNotFound(err):
		return &probes.Failure{Reason: probes.ReasonAbsent, Detail: p.config.name()}
	case err != nil:
		return fmt.Errorf("%w: ask %s: %w", probes.ErrNotAsked, p.Witness(), err)
	case p.config.never:
		return &probes.Failure{Reason: probes.ReasonValue, Detail: p.config.name() + " is there, want neither that nor that it is not"}
	}
	return p.config.judge(object.Object)
}
