package play

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"k8s.io/client-go/rest"
)

// clockOffset tells how far a cluster's clock is ahead of ours, in words: the truth lies between the two times. It is read from the
// Date of an answer, which has whole seconds and was stamped some time between asking and being answered. A drill's times are all
// by our clock; this is what to add to find them in the cluster's logs.
func clockOffset(ctx context.Context, config *rest.Config) string {
	lo, hi, err := measureOffset(ctx, config)
	if err != nil {
		return "unknown: " + err.Error()
	}
	return fmt.Sprintf("%v to %v", lo.Truncate(time.Millisecond)-time.Millisecond, hi.Truncate(time.Millisecond)+time.Millisecond)
}

func measureOffset(ctx context.Context, config *rest.Config) (lo, hi time.Duration, err error) {
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return 0, 0, fmt.Errorf("make a client: %w", err)
	}
	base, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return 0, 0, fmt.Errorf("find the API server: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, base.JoinPath("version").String(), http.NoBody)
	if err != nil {
		return 0, 0, fmt.Errorf("ask for the time: %w", err)
	}
	asked := time.Now()
	response, err := client.Do(request)
	if err != nil {
		return 0, 0, fmt.Errorf("ask for the time: %w", err)
	}
	answered := asked.Add(time.Since(asked)) // by the same clock, also when the wall clock is set meanwhile
	_, readErr := io.Copy(io.Discard, io.LimitReader(response.Body, 1<<20))
	if err := errors.Join(readErr, response.Body.Close()); err != nil {
		return 0, 0, fmt.Errorf("ask for the time: %w", err)
	}
	date, err := http.ParseTime(response.Header.Get("Date"))
	if err != nil {
		return 0, 0, fmt.Errorf("read the time of the answer: %w", err)
	}
	return date.Sub(answered), date.Add(time.Second).Sub(asked), nil
}
