package safety

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gamedayhq/gameday/scenarios"
)

// LeverName is the ConfigMap that is the safety lever of a cluster.
const LeverName = "safety-lever"

// Keys of the lever's data.
const (
	leverEngaged = "engaged"
	leverReason  = "reason"
	leverBy      = "by"
	leverSince   = "since"
)

// State is how a cluster's lever stands.
type State struct {
	Engaged bool   `json:"engaged"`
	Reason  string `json:"reason,omitempty"`
	By      string `json:"by,omitempty"`
	Since   string `json:"since,omitempty"`
}

// String says how it stands, why and by whom.
func (s State) String() string {
	if !s.Engaged {
		return "disengaged"
	}
	text := "engaged"
	if s.By != "" {
		text += " by " + s.By
	}
	if s.Since != "" {
		text += " since " + s.Since
	}
	if s.Reason != "" {
		text += ": " + s.Reason
	}
	return text
}

// Lever is the safety lever of a cluster, and the guard that minds it: engaged, no drill starts, and a running one stops and
// undoes what it did. A lever that is not there is disengaged; one that cannot be read, or says neither, counts as engaged.
type Lever struct {
	Namespace string // of gameday's own objects; [DefaultNamespace] unless said
}

var _ scenarios.Guard = Lever{}

func (l Lever) object() *corev1.ConfigMap {
	if l.Namespace == "" {
		l.Namespace = DefaultNamespace
	}
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: l.Namespace, Name: LeverName}}
}

// Show reads the lever.
func (l Lever) Show(ctx context.Context, cluster client.Reader) (State, error) {
	object := l.object()
	err := cluster.Get(ctx, client.ObjectKeyFromObject(object), object)
	if apierrors.IsNotFound(err) {
		return State{}, nil
	}
	if err != nil {
		return State{Engaged: true}, fmt.Errorf("read the safety lever: %w", explain(err, object.Namespace))
	}
	return stateOf(object), nil
}

func stateOf(object *corev1.ConfigMap) State {
	return State{
		Engaged: object.Data[leverEngaged] != "false",
		Reason:  object.Data[leverReason], By: object.Data[leverBy], Since: object.Data[leverSince],
	}
}

// Engage stops all drills on the cluster and lets none start.
func (l Lever) Engage(ctx context.Context, cluster client.Client, reason string) error {
	return l.set(ctx, cluster, map[string]string{leverEngaged: "true", leverReason: reason})
}

// Disengage lets drills start again.
func (l Lever) Disengage(ctx context.Context, cluster client.Client) error {
	return l.set(ctx, cluster, map[string]string{leverEngaged: "false"})
}

func (l Lever) set(ctx context.Context, cluster client.Client, data map[string]string) error {
	object := l.object()
	data[leverBy], data[leverSince] = Me(), time.Now().UTC().Format(time.RFC3339)
	object.Labels = map[string]string{"app.kubernetes.io/managed-by": "gameday"}
	object.Data = data
	err := inNamespace(ctx, cluster, object.Namespace, func(ctx context.Context) error { return cluster.Create(ctx, object.DeepCopy()) })
	if apierrors.IsAlreadyExists(err) { // whoever sets it last is obeyed: no version is asked for
		err = cluster.Update(ctx, object)
	}
	if err != nil {
		return fmt.Errorf("set the safety lever %s: %w", client.ObjectKeyFromObject(object), err)
	}
	return nil
}

// Enter refuses while a lever is engaged, and watches the levers of all clusters while the drill runs.
func (l Lever) Enter(ctx context.Context, env scenarios.Env, stop func(cause error)) (func(ctx context.Context) error, error) {
	if err := l.Look(ctx, env); err != nil {
		return nil, err
	}
	watch, cancel := context.WithCancel(ctx)
	err := each(env.Clusters, func(_ string, cluster client.WithWatch) error {
		go l.watch(watch, cluster, func(state State) {
			// The record may be what fails; the drill stops all the same.
			cause := fmt.Errorf("%w: the safety lever is %s", scenarios.ErrInterrupted, state)
			if err := env.Fact(TopicLever, state, state.String()); err != nil {
				cause = fmt.Errorf("%w: %w", cause, err)
			}
			stop(cause)
		})
		return nil
	})
	return func(context.Context) error { cancel(); return nil }, err
}

// watch calls engaged once the lever is seen engaged, and returns. While the lever cannot be read it goes on trying: a drill whose
// API is away for long ends by its heartbeat.
func (l Lever) watch(ctx context.Context, cluster client.WithWatch, engaged func(State)) {
	for ctx.Err() == nil {
		object := l.object()
		err := scenarios.Await(ctx, cluster, object, func(here bool) scenarios.State {
			state := State{}
			if here {
				state = stateOf(object)
			}
			return scenarios.State{Done: state.Engaged, Seen: state.String()}
		})
		if err == nil {
			engaged(stateOf(object))
			return
		}
		if scenarios.Sleep(ctx, time.Second) != nil {
			return
		}
	}
}
