package safety

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/gamedayhq/gameday/reports"
	"github.com/gamedayhq/gameday/scenarios"
)

func TestTheLever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := kube(t)
		env, record := envOf("first", cluster)
		stopped := make(chan error, 1)
		leave, err := Lever{}.Enter(t.Context(), env, func(cause error) { stopped <- cause })
		if err != nil {
			t.Fatalf("without a lever: %v", err)
		}
		if err := (Lever{}).Engage(t.Context(), cluster, "sale today"); err != nil {
			t.Fatal(err)
		}
		var cause error
		select {
		case cause = <-stopped:
		case <-time.After(time.Minute):
		}
		if !errors.Is(cause, scenarios.ErrInterrupted) || !strings.Contains(cause.Error(), "sale today") || !record.has(reports.Fact, TopicLever, "sale today") {
			t.Errorf("stopped with %v, recorded %v", cause, record.events)
		}
		if err := leave(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := (Lever{}).Enter(t.Context(), env, noStop(t)); err == nil || !strings.Contains(err.Error(), "sale today") {
			t.Errorf("engaged, a drill enters: %v", err)
		}
		if err := (Lever{}).Disengage(t.Context(), cluster); err != nil {
			t.Fatal(err)
		}
		leave, err = Lever{}.Enter(t.Context(), env, noStop(t))
		if err != nil {
			t.Fatalf("disengaged, a drill is refused: %v", err)
		}
		if err := leave(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// Only a lever that says "false" is disengaged, and only one that is not there.
func TestALeverThatSaysNothingIsEngaged(t *testing.T) {
	for data, want := range map[string]bool{"false": false, "true": true, "": true, "False": true, "no": true} {
		if got := stateOf(&corev1.ConfigMap{Data: map[string]string{leverEngaged: data}}); got.Engaged != want {
			t.Errorf("%q: %v", data, got)
		}
	}
	blind := interceptor.NewClient(fake.NewClientBuilder().Build(), interceptor.Funcs{
		Get: func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error {
			return apierrors.NewForbidden(schema.GroupResource{Resource: "configmaps"}, LeverName, nil)
		},
	})
	env, _ := envOf("first", blind)
	if _, err := (Lever{}).Enter(t.Context(), env, noStop(t)); err == nil || !strings.Contains(err.Error(), "needs the rights") {
		t.Errorf("a lever that cannot be read: %v", err)
	}
}
