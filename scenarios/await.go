package scenarios

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// State is what a wait saw.
type State struct {
	Done bool   // what was awaited holds
	Seen string // the state in words: the last one stands in the error of a wait that ended in vain
	Err  error  // ends the wait: what was awaited can no longer come
}

// PatienceUnreachable is how long a wait goes on while the API cannot be reached at all.
const PatienceUnreachable = 20 * time.Second

// ErrUnreachable is wrapped by the error of a wait that gave up since the API could not be reached.
var ErrUnreachable = errors.New("the Kubernetes API cannot be reached")

// Await watches one object until see says that it is done. It fills obj with what it sees; found is false while there is no
// such object. It ends with ctx, or when the API cannot be reached for [PatienceUnreachable]; its error says what was seen last.
func Await(ctx context.Context, c client.WithWatch, obj client.Object, see func(found bool) State) error {
	key := client.ObjectKeyFromObject(obj)
	gvk, err := apiutil.GVKForObject(obj, c.Scheme())
	if err != nil {
		return fmt.Errorf("wait for %s: %w", key, err)
	}
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(gvk.GroupVersion().WithKind(gvk.Kind + "List"))
	take := func(found bool, from runtime.Object) State {
		if found {
			if err := convert(from, obj); err != nil {
				return State{Err: err}
			}
		}
		return see(found)
	}
	w := waiter{
		client: c, what: fmt.Sprintf("%s %s", gvk.Kind, key), list: list,
		options: client.ListOptions{Namespace: key.Namespace, FieldSelector: fields.OneTermEqualSelector("metadata.name", key.Name)},
		listed: func() State {
			if len(list.Items) == 0 {
				return take(false, nil)
			}
			return take(true, &list.Items[0])
		},
		happened: func(_ context.Context, event watch.Event) State {
			return take(event.Type != watch.Deleted, event.Object)
		},
	}
	return w.wait(ctx)
}

// AwaitList watches a list until see says that it is done. It fills list anew on every change.
func AwaitList(ctx context.Context, c client.WithWatch, list client.ObjectList, options client.ListOptions, see func() State) error {
	w := waiter{client: c, what: fmt.Sprintf("%T in %q", list, options.Namespace), list: list, options: options, listed: see}
	w.happened = func(ctx context.Context, _ watch.Event) State {
		if err := c.List(ctx, list, &options); err != nil {
			w.lastErr = err
			return State{Seen: w.last}
		}
		return see()
	}
	return w.wait(ctx)
}

// Insist makes a call again while the API cannot be reached, for [PatienceUnreachable] or until ctx ends; any answer of the API,
// an error among it, ends it. It is for calls that may be made twice.
func Insist(ctx context.Context, call func(ctx context.Context) error) error {
	began := time.Now()
	for {
		err := call(ctx)
		if err == nil || !unreachable(err) {
			return err
		}
		if time.Since(began) > PatienceUnreachable {
			return fmt.Errorf("%w for %v: %w", ErrUnreachable, PatienceUnreachable, err)
		}
		if cause := Sleep(ctx, 500*time.Millisecond); cause != nil {
			return fmt.Errorf("%w: %w: %w", ErrUnreachable, cause, err)
		}
	}
}

// convert copies what a watch or list saw into the caller's object.
func convert(from runtime.Object, into client.Object) error {
	seen, err := runtime.DefaultUnstructuredConverter.ToUnstructured(from)
	if err != nil {
		return fmt.Errorf("read what was seen: %w", err)
	}
	if into, ok := into.(*unstructured.Unstructured); ok {
		into.Object = seen
		return nil
	}
	return runtime.DefaultUnstructuredConverter.FromUnstructured(seen, into)
}

// waiter is the one wait loop over the API: it lists, watches from there, and lists again when the watch ends.
type waiter struct {
	client   client.WithWatch
	what     string
	list     client.ObjectList
	options  client.ListOptions
	listed   func() State
	happened func(ctx context.Context, event watch.Event) State
	last     string
	lastErr  error
	lost     time.Time // since when the API cannot be reached; zero while it can
}

func (w *waiter) wait(ctx context.Context) error {
	for {
		done, err := w.once(ctx)
		if done || err != nil {
			return err
		}
		// A watch that ends at once (an API server that restarts) must not become a busy loop.
		if err := Sleep(ctx, 200*time.Millisecond); err != nil {
			return w.inVain(err)
		}
	}
}

// once lists and then watches until the watch ends. A failed call is remembered, not returned: the API may come back.
func (w *waiter) once(ctx context.Context) (done bool, err error) {
	if err := w.client.List(ctx, w.list, &w.options); err != nil {
		return false, w.failed(ctx, err)
	}
	w.lost, w.lastErr = time.Time{}, nil
	if done, err := w.judge(w.listed()); done || err != nil {
		return done, err
	}
	from := w.options
	from.Raw = &metav1.ListOptions{ResourceVersion: w.list.GetResourceVersion()}
	events, err := w.client.Watch(ctx, w.list, &from)
	if err != nil {
		return false, w.failed(ctx, err)
	}
	defer events.Stop()
	return w.follow(ctx, events)
}

func (w *waiter) follow(ctx context.Context, events watch.Interface) (done bool, err error) {
	for {
		select {
		case <-ctx.Done():
			return false, w.inVain(context.Cause(ctx))
		case event, open := <-events.ResultChan():
			if !open || event.Type == watch.Error {
				return false, nil
			}
			if event.Type == watch.Bookmark {
				continue
			}
			if done, err := w.judge(w.happened(ctx, event)); done || err != nil {
				return done, err
			}
		}
	}
}

func (w *waiter) judge(state State) (done bool, err error) {
	w.last = state.Seen
	if state.Err != nil {
		return false, fmt.Errorf("wait for %s: %w", w.what, state.Err)
	}
	return state.Done, nil
}

// failed remembers why a call failed, and ends the wait when the API is away for too long or the caller's time is over.
func (w *waiter) failed(ctx context.Context, err error) error {
	w.lastErr = err
	if ctx.Err() != nil {
		return w.inVain(context.Cause(ctx))
	}
	if !unreachable(err) {
		w.lost = time.Time{}
		return nil
	}
	if w.lost.IsZero() {
		w.lost = time.Now()
	}
	if time.Since(w.lost) > PatienceUnreachable {
		return w.inVain(fmt.Errorf("%w for %v", ErrUnreachable, PatienceUnreachable))
	}
	return nil
}

// unreachable tells an API that gave no answer from one that answered with an error.
func unreachable(err error) bool {
	var netErr net.Error
	var urlErr *url.Error
	return errors.As(err, &netErr) || errors.As(err, &urlErr)
}

func (w *waiter) inVain(cause error) error {
	seen := w.last
	if seen == "" {
		seen = "nothing"
	}
	if w.lastErr != nil {
		return fmt.Errorf("wait for %s: %w; last seen: %s; last error: %w", w.what, cause, seen, w.lastErr)
	}
	return fmt.Errorf("wait for %s: %w; last seen: %s", w.what, cause, seen)
}

// Sleep waits for d, or returns the cause for which ctx ended, also when it had ended before.
func Sleep(ctx context.Context, d time.Duration) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
