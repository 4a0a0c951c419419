package scenarios

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// answerWithin bounds how long the API may take to begin an answer. A server that accepts connections and says nothing must
// not hold a drill; a watch that has begun is not bounded by it.
const answerWithin = 10 * time.Second

// Connect returns a client of the cluster that config names, for Kubernetes' own types and those that add registers.
// It does not call the cluster yet.
func Connect(config *rest.Config, add ...func(*runtime.Scheme) error) (client.WithWatch, error) {
	scheme := runtime.NewScheme()
	for _, register := range append(add, clientgoscheme.AddToScheme) {
		if err := register(scheme); err != nil {
			return nil, fmt.Errorf("register types: %w", err)
		}
	}
	config = rest.CopyConfig(config)
	// The API server shares itself out fairly. A limit of ours on top would hold an undo up behind a monitor's questions.
	config.QPS = -1
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return bounded{next} })
	c, err := client.NewWithWatch(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", config.Host, err)
	}
	return c, nil
}

// bounded ends a request whose answer does not begin in time.
type bounded struct{ next http.RoundTripper }

var errNoAnswer = fmt.Errorf("the API server gave no answer within %v", answerWithin)

// RoundTrip forwards the request.
func (b bounded) RoundTrip(request *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(request.Context())
	timer := time.AfterFunc(answerWithin, func() { cancel(errNoAnswer) })
	response, err := b.next.RoundTrip(request.WithContext(ctx))
	timer.Stop()
	if err != nil {
		if errors.Is(context.Cause(ctx), errNoAnswer) {
			err = errors.Join(errNoAnswer, err)
		}
		cancel(nil)
		return nil, err
	}
	response.Body = body{response.Body, cancel}
	return response, nil
}

// body ends the request's context once the answer was read.
type body struct {
	io.ReadCloser
	cancel context.CancelCauseFunc
}

// Close closes the body and frees the request's context.
func (b body) Close() error {
	err := b.ReadCloser.Close()
	b.cancel(nil)
	return err
}
