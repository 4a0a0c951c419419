package chaosmesh

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/chaos-mesh/chaos-mesh/api/v1alpha1"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"
	kjson "sigs.k8s.io/json"

	"github.com/gamedayhq/gameday/scenarios"
)

// payload is what stands under a step's key "chaos".
type payload struct {
	Cluster   string          `json:"cluster"`
	Kind      string          `json:"kind"`
	Namespace string          `json:"namespace"`
	Spec      json.RawMessage `json:"spec"`
	Manifest  json.RawMessage `json:"manifest"` // instead of kind and spec: a file's name, or the whole object
	Undo      Ladder          `json:"undo"`
}

// Decode reads a fault from a scenario file: strictly, defaulted and validated by Chaos Mesh's own code.
func Decode(p *scenarios.Payload) scenarios.Action {
	var in payload
	if !p.Into(&in) {
		return nil
	}
	object := in.object(p)
	if !p.OK() {
		return nil
	}
	fault := &Fault{Cluster: in.Cluster, Namespace: in.Namespace, Object: object, Ladder: in.Undo}
	if fault.Namespace == "" {
		fault.Namespace = object.GetNamespace()
	}
	if fault.Namespace == "" {
		fault.Namespace = fault.ownNamespace()
	}
	object.SetNamespace(fault.Namespace)
	validate(p, in.below(), object)
	if !p.OK() {
		return nil
	}
	return fault
}

// below is where the fault's spec stands in the payload.
func (in *payload) below() string {
	if len(in.Manifest) > 0 {
		return "manifest."
	}
	return ""
}

// object reads the chaos object from the manifest, or from kind and spec.
func (in *payload) object(p *scenarios.Payload) v1alpha1.InnerObject {
	if len(in.Manifest) > 0 {
		if in.Kind != "" || len(in.Spec) > 0 {
			p.Mistake("manifest", "stands beside kind or spec: the manifest has both, leave those out")
			return nil
		}
		return manifest{raw: in.Manifest}.object(p)
	}
	object := spawn(p, "kind", in.Kind)
	if object == nil {
		return nil
	}
	if len(in.Spec) == 0 {
		p.Mistake("spec", "is missing: it is the spec of a %s as Chaos Mesh documents it", in.Kind)
		return nil
	}
	whole, err := json.Marshal(map[string]json.RawMessage{"spec": in.Spec})
	if err != nil {
		p.Mistake("spec", "%v", err)
		return nil
	}
	strictly(p, "", whole, object)
	object.GetObjectKind().SetGroupVersionKind(v1alpha1.SchemeGroupVersion.WithKind(in.Kind))
	return object
}

// playsItself are the kinds that play faults by themselves, and what to write instead. See docs/decisions.
var playsItself = map[string]string{
	v1alpha1.KindSchedule: "starts faults by its own clock, so that none of them could be proven: write its fault as a step, and repeat the step",
	v1alpha1.KindWorkflow: "plays steps of its own, beside those of the scenario: write its templates as steps",
}

// spawn returns an empty object of the kind, or notes what is wrong with it.
func spawn(p *scenarios.Payload, below, kind string) v1alpha1.InnerObject {
	if why, ok := playsItself[kind]; ok {
		p.Mistake(below, "a %s %s", kind, why)
		return nil
	}
	known, ok := v1alpha1.AllKinds()[kind]
	if !ok {
		p.Mistake(below, "is %q, want one of: %s", kind, strings.Join(slices.Sorted(maps.Keys(v1alpha1.AllKinds())), ", "))
		return nil
	}
	object, ok := known.SpawnObject().(v1alpha1.InnerObject)
	if !ok {
		p.Mistake(below, "%s injects nothing by itself: name the kind of a fault", kind)
		return nil
	}
	return object
}

// unknownField matches the strict decoder's complaints.
var unknownField = regexp.MustCompile(`(unknown|duplicate) field "([^"]+)"`)

// strictly decodes JSON into the typed object and notes every mistake.
func strictly(p *scenarios.Payload, below string, whole []byte, object v1alpha1.InnerObject) {
	strict, err := kjson.UnmarshalStrict(whole, object)
	if err != nil {
		p.Mistake(below+"spec", "%v", err)
	}
	for _, mistake := range strict {
		if found := unknownField.FindStringSubmatch(mistake.Error()); found != nil {
			p.Mistake(below+found[2], "%s field of %s", found[1], reflect.TypeOf(object).Elem().Name())
			continue
		}
		p.Mistake(below+"spec", "%v", mistake)
	}
}

// validate lets Chaos Mesh's own code default and judge the object, offline. Its webhooks do the same in the cluster.
func validate(p *scenarios.Payload, below string, object v1alpha1.InnerObject) {
	ctx := context.Background() //nolint:forbidigo // the webhook's interface asks for one; it calls nothing
	if err := object.Default(ctx, object); err != nil {
		p.Mistake(below+"spec", "%v", err)
		return
	}
	_, err := object.ValidateCreate(ctx, object)
	for _, one := range flatten(err) {
		var invalid *field.Error
		if errors.As(one, &invalid) {
			p.Mistake(below+invalid.Field, "%s", invalid.ErrorBody())
			continue
		}
		p.Mistake(below+"spec", "%v", one)
	}
}

func flatten(err error) []error {
	if err == nil {
		return nil
	}
	var many utilerrors.Aggregate
	if errors.As(err, &many) {
		return utilerrors.Flatten(many).Errors()
	}
	return []error{err}
}

// ownNamespace is where the object stands unless said: with its targets if they are in one namespace.
func (f *Fault) ownNamespace() string {
	if selector := f.selector(); selector != nil && len(selector.Selector.Namespaces) > 0 {
		return selector.Selector.Namespaces[0]
	}
	return ""
}

// Problems says what gameday itself asks of a fault beyond Chaos Mesh's rules.
func (f *Fault) Problems() []string {
	var out []string
	if f.Namespace == "" {
		out = append(out, "chaos.namespace: is empty: name the namespace that the chaos object is created in")
	}
	if remote, ok := f.Object.(v1alpha1.RemoteObject); ok && remote.GetRemoteCluster() != "" {
		out = append(out, fmt.Sprintf("chaos.spec.remoteCluster: is %q: aim at another cluster with chaos.cluster", remote.GetRemoteCluster()))
	}
	if f.Object.IsOneShot() {
		return append(out, f.selectorProblems()...)
	}
	switch duration, err := f.duration(); {
	case err != nil:
		out = append(out, fmt.Sprintf("chaos.spec.duration: %v", err))
	case duration < 0:
		out = append(out, fmt.Sprintf("chaos.spec.duration: is %v, want more than nothing, or leave it out: it is then made of the step's hold and timeout", duration))
	}
	return append(out, f.selectorProblems()...)
}

func (f *Fault) selectorProblems() []string {
	selector := f.selector()
	if selector == nil {
		return nil
	}
	var out []string
	if len(selector.Selector.Namespaces) == 0 && len(selector.Selector.Pods) == 0 {
		out = append(out, "chaos.spec.selector.namespaces: is empty: name the namespaces that the fault may touch")
	}
	if selector.Mode == "" {
		out = append(out, "chaos.spec.mode: is missing: one, all, fixed, fixed-percent or random-max-percent")
	}
	return out
}

// Holds bounds a lasting fault by the step's times where its spec has no duration of its own: the injection, the hold and the
// undo fit into it. It says offline when a duration ends before the hold does: Chaos Mesh counts it from the creation.
func (f *Fault) Holds(hold, timeout time.Duration) []string {
	if f.Object.IsOneShot() {
		return nil
	}
	own, err := f.duration()
	switch {
	case err != nil:
		return nil // Problems says so
	case own == 0 || f.bounded:
		f.bounded = true
		f.setDuration(timeout + hold + timeout)
	case own > 0 && own <= hold:
		return []string{fmt.Sprintf("chaos.spec.duration: is %v, and Chaos Mesh counts it from creation: the fault would be over before hold: %v is; "+
			"give more than the hold and the time to inject, or leave it out", own, hold)}
	}
	return nil
}

// setDuration writes the spec's duration.
func (f *Fault) setDuration(d time.Duration) {
	text := d.String()
	reflect.ValueOf(f.Object).Elem().FieldByName("Spec").FieldByName("Duration").Set(reflect.ValueOf(&text))
}

// duration returns the spec's duration; zero when there is none.
func (f *Fault) duration() (time.Duration, error) {
	spec := reflect.ValueOf(f.Object).Elem().FieldByName("Spec").Addr().Interface()
	with, ok := spec.(v1alpha1.ContainsDuration)
	if !ok {
		return 0, fmt.Errorf("%s has no duration: it cannot be bounded", f.kind())
	}
	duration, err := with.GetDuration()
	if err != nil || duration == nil {
		return 0, err
	}
	return *duration, nil
}
