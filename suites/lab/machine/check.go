package machine

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"
)

const (
	defaultInterval = 200 * time.Millisecond
	probeTimeout    = 3 * time.Second
)

type probe func(ctx context.Context) error

// probe turns the target into one question that can be asked again and again.
func (c Check) probe() (probe, error) {
	u, err := url.Parse(c.Target)
	if err != nil {
		return nil, fmt.Errorf("read check target: %w", err)
	}
	switch u.Scheme {
	case "http", "https":
		return probeHTTP(c.Target), nil
	case "tcp":
		return probeDial("tcp", u.Host), nil
	case "unix":
		return probeDial("unix", u.Path), nil
	case "file":
		return func(context.Context) error {
			_, err := os.Stat(u.Path)
			return err
		}, nil
	}
	return nil, fmt.Errorf("check target %q: want http://, https://, tcp://, unix:// or file://", c.Target)
}

func probeHTTP(target string) probe {
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		Proxy:             nil, // parts are asked directly
		// The question is whether a part of our own on this machine answers, not who it is.
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // see above
	}}
	return func(ctx context.Context) (err error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, resp.Body.Close()) }()
		if resp.StatusCode/100 != 2 {
			return fmt.Errorf("get %s: %s", target, resp.Status)
		}
		return nil
	}
}

func probeDial(network, address string) probe {
	return func(ctx context.Context) error {
		var d net.Dialer
		conn, err := d.DialContext(ctx, network, address)
		if err != nil {
			return err
		}
		return conn.Close()
	}
}

// await asks until the answer is yes; each new no is told.
func (c Check) await(ctx context.Context, told func(error)) error {
	ask, err := c.probe()
	if err != nil {
		return err
	}
	interval := c.Interval
	if interval <= 0 {
		interval = defaultInterval
	}
	last := ""
	for {
		one, cancel := context.WithTimeout(ctx, probeTimeout)
		err := ask(one)
		cancel()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			return nil
		}
		if err.Error() != last {
			last = err.Error()
			told(err)
		}
		if err := pause(ctx, interval); err != nil {
			return err
		}
	}
}

// pause waits for a while or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
