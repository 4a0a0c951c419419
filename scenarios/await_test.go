package scenarios

import (
	"context"
	"errors"
	"net"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

func configMap(value string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "b"}, Data: map[string]string{"state": value}}
}

// builder makes fakes that, like the real API, select by name.
func builder() *fake.ClientBuilder {
	return fake.NewClientBuilder().WithIndex(&corev1.ConfigMap{}, "metadata.name", func(object client.Object) []string {
		return []string{object.GetName()}
	})
}

// awaitReady waits until the config map says ready.
func awaitReady(ctx context.Context, c client.WithWatch) error {
	got := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "b"}}
	return Await(ctx, c, got, func(found bool) State {
		if !found {
			return State{Seen: "absent"}
		}
		return State{Done: got.Data["state"] == "ready", Seen: got.Data["state"]}
	})
}

func TestAwaitSeesWhatComes(t *testing.T) {
	for name, change := range map[string]func(ctx context.Context, c client.Client) error{
		"created ready": func(ctx context.Context, c client.Client) error { return c.Create(ctx, configMap("ready")) },
		"created, then ready": func(ctx context.Context, c client.Client) error {
			object := configMap("not yet")
			if err := c.Create(ctx, object); err != nil {
				return err
			}
			object.Data["state"] = "ready"
			return c.Update(ctx, object)
		},
	} {
		t.Run(name, func(t *testing.T) {
			// Unlike the real API, the fake does not tell a watch what happened since the list: the change comes after.
			watching := make(chan struct{}, 1)
			c := builder().WithInterceptorFuncs(interceptor.Funcs{
				Watch: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) (watch.Interface, error) {
					events, err := c.Watch(ctx, list, opts...)
					watching <- struct{}{}
					return events, err
				},
			}).Build()
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			done := make(chan error, 1)
			go func() { done <- awaitReady(ctx, c) }()
			select {
			case <-watching:
			case err := <-done:
				t.Fatal(err)
			}
			if err := change(ctx, c); err != nil {
				t.Fatal(err)
			}
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAwaitSaysWhatItSawLast(t *testing.T) {
	c := builder().WithObjects(configMap("half way")).Build()
	ctx, cancel := context.WithTimeoutCause(t.Context(), 100*time.Millisecond, errors.New("not done within a moment"))
	defer cancel()
	err := awaitReady(ctx, c)
	for _, want := range []string{"ConfigMap a/b", "not done within a moment", "last seen: half way"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
}

func TestAwaitEndsOnWhatCanNoLongerCome(t *testing.T) {
	c := builder().WithObjects(configMap("broken")).Build()
	never := errors.New("it is broken for good")
	err := Await(t.Context(), c, configMap(""), func(bool) State { return State{Err: never} })
	if !errors.Is(err, never) {
		t.Errorf("got %v, want %v", err, never)
	}
}

// failing is a client whose lists fail for a while.
func failing(until time.Time, with error) client.WithWatch {
	return builder().WithObjects(configMap("ready")).WithInterceptorFuncs(interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			if time.Now().Before(until) {
				return with
			}
			return c.List(ctx, list, opts...)
		},
	}).Build()
}

var refused = &url.Error{Op: "Get", URL: "https://x", Err: &net.OpError{Op: "dial", Err: errors.New("connection refused")}}

func TestAwaitOutlastsAShortOutageOfTheAPI(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if err := awaitReady(t.Context(), failing(time.Now().Add(10*time.Second), refused)); err != nil {
			t.Error(err)
		}
	})
}

func TestAwaitGivesUpOnAnAPIThatIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		err := awaitReady(t.Context(), failing(time.Now().Add(time.Hour), refused))
		if !errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), "connection refused") {
			t.Errorf("got %v, want that the API is unreachable and why", err)
		}
		if took := time.Since(began); took < PatienceUnreachable || took > PatienceUnreachable+5*time.Second {
			t.Errorf("gave up after %v", took)
		}
	})
}

// A denied call is no slowness: the error says it.
func TestAwaitSaysThatItIsDenied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		denied := apierrors.NewForbidden(schema.GroupResource{Resource: "configmaps"}, "b", errors.New("no right"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := awaitReady(ctx, failing(time.Now().Add(time.Hour), denied)); err == nil || !strings.Contains(err.Error(), "forbidden") {
			t.Errorf("got %v, want the denial", err)
		}
	})
}

func TestInsistEndsWithAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		err := Insist(t.Context(), func(context.Context) error {
			if calls++; calls < 5 {
				return refused
			}
			return apierrors.NewNotFound(schema.GroupResource{}, "b")
		})
		if !apierrors.IsNotFound(err) || calls != 5 {
			t.Errorf("got %v after %d calls", err, calls)
		}
		if err := Insist(t.Context(), func(context.Context) error { return refused }); !errors.Is(err, ErrUnreachable) {
			t.Errorf("got %v, want that the API is unreachable", err)
		}
	})
}

// An undo that cannot reach the cluster is recorded as not proven, and is the harness's error as well.
func TestAnUndoWithoutAnAPIIsTheHarnesssError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		s := drillOf(w, Step{Name: "break", Action: breaks{world: w, name: "a", undoing: ErrUnreachable}, Hold: time.Second})
		ev, err := playAt(t, t.Context(), s)
		if !errors.Is(err, ErrUnreachable) || ev.Verdict == 0 || ev.Complete == false {
			t.Errorf("error %v, verdict %v, complete %v", err, ev.Verdict, ev.Complete)
		}
	})
}
