package kubernetes

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/util/jsonpath"

	"github.com/gamedayhq/gameday/probes"
)

// judge looks at an object that is there.
func (o Object) judge(object map[string]any) error {
	for _, look := range []func(map[string]any) error{o.condition, o.ready, o.value} {
		if err := look(object); err != nil {
			return err
		}
	}
	return nil
}

func bad(format string, args ...any) error {
	return &probes.Failure{Reason: probes.ReasonValue, Detail: fmt.Sprintf(format, args...)}
}

func (c Condition) status() string {
	if c.Status == "" {
		return "True"
	}
	return string(c.Status)
}

// condition looks at the condition that is asked about.
func (o Object) condition(object map[string]any) error {
	want := o.Condition
	if want == nil {
		return nil
	}
	list, _, err := unstructured.NestedSlice(object, "status", "conditions")
	if err != nil {
		return bad("its conditions cannot be read: %v", err)
	}
	for _, entry := range list {
		condition, ok := entry.(map[string]any)
		if !ok || condition["type"] != want.Type {
			continue
		}
		if got := fmt.Sprint(condition["status"]); !strings.EqualFold(got, want.status()) {
			return bad("condition %s is %s (%v), want %s", want.Type, got, condition["reason"], want.status())
		}
		return nil
	}
	return bad("no condition %s, want it %s", want.Type, want.status())
}

const all = -1

// replicas reads how many replicas are wanted.
func replicas(text probes.Scalar) (int64, error) {
	if text == "all" {
		return all, nil
	}
	n, err := strconv.ParseInt(string(text), 10, 32)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("is %q, want a number above zero, or all", string(text))
	}
	return n, nil
}

// ready looks at how many replicas are ready: as a Deployment, StatefulSet, ReplicaSet or ReplicationController says it, or as a
// DaemonSet does. One that says nothing has none.
func (o Object) ready(object map[string]any) error {
	if o.ReadyReplicas == "" {
		return nil
	}
	want, err := replicas(o.ReadyReplicas)
	if err != nil {
		return fmt.Errorf("%w: readyReplicas %w", probes.ErrNotAsked, err)
	}
	readyAt, wantedAt := []string{"status", "readyReplicas"}, []string{"spec", "replicas"}
	if o.Kind == "DaemonSet" {
		readyAt, wantedAt = []string{"status", "numberReady"}, []string{"status", "desiredNumberScheduled"}
	}
	got, _, err := unstructured.NestedInt64(object, readyAt...)
	if err != nil {
		return bad("its ready replicas cannot be read: %v", err)
	}
	if want == all {
		if want, _, err = unstructured.NestedInt64(object, wantedAt...); err != nil {
			return bad("its replicas cannot be read: %v", err)
		}
		if want == 0 {
			return bad("it wants no replica, so none is ready")
		}
	}
	if got < want {
		return bad("%d replicas ready, want %d", got, want)
	}
	return nil
}

// parse reads the path; kubectl, too, takes one without braces.
func (p JSONPath) parse() (*jsonpath.JSONPath, error) {
	if p.Path == "" {
		return nil, errors.New("missing")
	}
	text := p.Path
	if !strings.HasPrefix(text, "{") {
		text = "{" + text + "}"
	}
	path := jsonpath.New("path").AllowMissingKeys(true)
	return path, path.Parse(text)
}

// value looks at what stands at the path.
func (o Object) value(object map[string]any) error {
	if o.JSONPath == nil {
		return nil
	}
	path, err := o.JSONPath.parse()
	if err != nil {
		return fmt.Errorf("%w: jsonPath %w", probes.ErrNotAsked, err)
	}
	lists, err := path.FindResults(object)
	if err != nil {
		return bad("nothing at %s: %v", o.JSONPath.Path, err)
	}
	selected := 0
	for _, list := range lists {
		for _, one := range list {
			text, err := plain(one.Interface())
			if err == nil {
				err = o.JSONPath.Judge(text)
			}
			if err != nil {
				return err
			}
			selected++
		}
	}
	if selected == 0 {
		return bad("nothing at %s, want %s", o.JSONPath.Path, o.JSONPath.Comparator)
	}
	return nil
}

// plain writes a value as a comparator reads it: a text without quotes, all else as JSON.
func plain(value any) (string, error) {
	if text, ok := value.(string); ok {
		return text, nil
	}
	raw, err := json.Marshal(value)
	if err != nil {
		return "", bad("a value that has no form in JSON: %v", err)
	}
	return string(raw), nil
}
