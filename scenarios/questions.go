package scenarios

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gamedayhq/gameday/probes"
	"github.com/gamedayhq/gameday/probes/kubernetes"
	"github.com/gamedayhq/gameday/reports"
)

// Question is a probe's configuration. One that is no [probes.Falsifier] as well makes a drill inconclusive: it cannot be proved
// able to be answered badly.
type Question = probes.Question

// Located is a question that is put to a cluster of the drill.
type Located interface {
	Place() string // the cluster's name
	In(reader client.Reader) probes.Question
}

// questionKind is a question that a file can put: the key of a monitor, and the form of what stands under it.
type questionKind struct {
	key  string
	form Question
}

func questionKinds() []questionKind {
	return []questionKind{
		{"http", probes.HTTP{}},
		{"tcp", probes.TCP{}},
		{"tls", probes.TLS{}},
		{"dns", probes.DNS{}},
		{"grpc", probes.GRPC{}},
		{"exec", probes.Exec{}},
		{"sql", probes.SQL{}},
		{"prometheus", probes.Prometheus{}},
		{"alert", probes.Alert{}},
		{"kubernetes", kubernetes.Object{}},
	}
}

// Questions returns an empty question of each kind that a file can put, by its key in a monitor.
func Questions() map[string]Question {
	out := map[string]Question{}
	for _, kind := range questionKinds() {
		out[kind.key] = kind.form
	}
	return out
}

func questionKeys() []string {
	var keys []string
	for _, kind := range questionKinds() {
		keys = append(keys, kind.key)
	}
	return keys
}

// questionKey returns the key of a question in a file; of one that files do not know, its type's name.
func questionKey(q Question) string {
	for _, kind := range questionKinds() {
		if reflect.TypeOf(kind.form) == reflect.TypeOf(q) {
			return kind.key
		}
	}
	name := fmt.Sprintf("%T", q)
	return strings.ToLower(name[strings.LastIndex(name, ".")+1:])
}

// monitor reads a monitor: its own fields, and one key that names the question.
func (d *decoder) monitor(node *yaml.Node, path string) Monitor {
	var own struct {
		Name    string           `json:"name"`
		Every   reports.Duration `json:"every"`
		Timeout reports.Duration `json:"timeout"`
	}
	fields := structFields(reflect.ValueOf(&own).Elem())
	for _, kind := range questionKinds() {
		fields[kind.key] = reflect.New(reflect.TypeOf(kind.form)).Elem()
	}
	var asks []Question
	d.eachPair(node, path, func(key, value *yaml.Node) {
		field, known := fields[key.Value]
		if !known {
			d.unknown(key, path, fields)
			return
		}
		d.into(value, join(path, key.Value), field)
		if q, ok := field.Interface().(Question); ok {
			asks = append(asks, q)
		}
	})
	out := Monitor{Name: own.Name, Every: own.Every.D(), Timeout: own.Timeout.D()}
	if len(asks) != 1 {
		d.mistake(node, path, "asks %d questions, want one of: %s", len(asks), strings.Join(questionKeys(), ", "))
		return out
	}
	out.Ask = asks[0]
	return out
}

// findWithin bounds how long a cluster may take to give all the secrets that monitors need.
const findWithin = 20 * time.Second

// ready returns the monitors with all that their questions need: the secrets that clusters keep, and the cluster that is asked.
func ready(ctx context.Context, monitors []Monitor, clusters Clusters) ([]Monitor, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, findWithin, fmt.Errorf("no answer within %v", findWithin))
	defer cancel()
	out := slices.Clone(monitors)
	for i, m := range out {
		if m.Ask == nil {
			return nil, fmt.Errorf("monitor %q asks nothing: give it a probe", m.Name)
		}
		q, err := withSecrets(m.Ask, func(ref probes.SecretRef) (string, error) { return clusters.secret(ctx, ref) })
		if err != nil {
			return nil, fmt.Errorf("monitor %q: %w", m.Name, err)
		}
		if located, ok := q.(Located); ok {
			cluster, err := clusters.Get(located.Place())
			if err != nil {
				return nil, fmt.Errorf("monitor %q: %w", m.Name, err)
			}
			q = located.In(cluster)
		}
		out[i].Ask = q
	}
	return out, nil
}

// secret reads a key of a Secret. Its error names no value.
func (c Clusters) secret(ctx context.Context, ref probes.SecretRef) (string, error) {
	cluster, err := c.Get(ref.Cluster)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", ref, err)
	}
	var secret corev1.Secret
	if err := cluster.Get(ctx, client.ObjectKey{Namespace: ref.Namespace, Name: ref.Name}, &secret); err != nil {
		return "", fmt.Errorf("read %s: %w", ref, err)
	}
	value, ok := secret.Data[ref.Key]
	if !ok {
		return "", fmt.Errorf("read %s: the Secret has no such key", ref)
	}
	return string(value), nil
}

// withSecrets returns a copy of the question whose references to Kubernetes Secrets know what those hold.
func withSecrets(q Question, find func(probes.SecretRef) (string, error)) (Question, error) {
	filled := reflect.New(reflect.TypeOf(q)).Elem()
	filled.Set(reflect.ValueOf(q))
	if err := fillSecrets(filled, find); err != nil {
		return nil, err
	}
	out, ok := filled.Interface().(Question)
	if !ok {
		return q, nil
	}
	return out, nil
}

// fillSecrets fills the secrets in v, which can be set. What it changes behind pointers and in maps and lists it copies first.
func fillSecrets(v reflect.Value, find func(probes.SecretRef) (string, error)) error {
	if v.Type() == reflect.TypeFor[probes.Secret]() {
		secret, ok := v.Interface().(probes.Secret)
		if !ok || secret.FromSecret == nil {
			return nil
		}
		value, err := find(*secret.FromSecret)
		if err == nil {
			v.Set(reflect.ValueOf(secret.Found(value)))
		}
		return err
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if !v.Field(i).CanSet() {
				continue
			}
			if err := fillSecrets(v.Field(i), find); err != nil {
				return err
			}
		}
	case reflect.Pointer:
		if v.IsNil() || v.Type().Elem().Kind() != reflect.Struct {
			return nil
		}
		copied := reflect.New(v.Type().Elem())
		copied.Elem().Set(v.Elem())
		v.Set(copied)
		return fillSecrets(copied.Elem(), find)
	case reflect.Map:
		return fillMap(v, find)
	default: // no question keeps secrets elsewhere
	}
	return nil
}

func fillMap(v reflect.Value, find func(probes.SecretRef) (string, error)) error {
	if v.IsNil() {
		return nil
	}
	copied := reflect.MakeMapWithSize(v.Type(), v.Len())
	for entries := v.MapRange(); entries.Next(); {
		element := reflect.New(v.Type().Elem()).Elem()
		element.Set(entries.Value())
		if err := fillSecrets(element, find); err != nil {
			return err
		}
		copied.SetMapIndex(entries.Key(), element)
	}
	v.Set(copied)
	return nil
}
