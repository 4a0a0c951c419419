package probes

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	grpcstatus "google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

func tlsListener(listener net.Listener, pair tls.Certificate) net.Listener {
	return tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12})
}

// healthServer is a real gRPC server.
func healthServer(t *testing.T, service healthv1.HealthServer, options ...grpc.ServerOption) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(options...)
	if service != nil {
		healthv1.RegisterHealthServer(server, service)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	t.Cleanup(func() { server.Stop(); <-ended })
	return listener.Addr().String()
}

// answers is a health service with an answer of the test's own.
type answers struct {
	healthv1.UnimplementedHealthServer
	check func(ctx context.Context) (*healthv1.HealthCheckResponse, error)
}

func (a answers) Check(ctx context.Context, _ *healthv1.HealthCheckRequest) (*healthv1.HealthCheckResponse, error) {
	return a.check(ctx)
}

func TestGRPCReadsTheHealthOfAServer(t *testing.T) {
	states := health.NewServer()
	states.SetServingStatus("shop.Orders", healthv1.HealthCheckResponse_SERVING)
	states.SetServingStatus("shop.Stock", healthv1.HealthCheckResponse_NOT_SERVING)
	states.SetServingStatus("shop.Mail", healthv1.HealthCheckResponse_UNKNOWN)
	address := healthServer(t, states)
	a := newAuthority(t, time.Hour)
	pair, _, _ := a.sign(t, time.Hour)
	secure := healthServer(t, states, grpc.Creds(credentials.NewServerTLSFromCert(&pair)))
	fails := func(err error) string {
		return healthServer(t, answers{check: func(context.Context) (*healthv1.HealthCheckResponse, error) { return nil, err }})
	}
	hangs := healthServer(t, answers{check: func(ctx context.Context) (*healthv1.HealthCheckResponse, error) { <-ctx.Done(); return nil, ctx.Err() }})
	odd := healthServer(t, answers{check: func(context.Context) (*healthv1.HealthCheckResponse, error) {
		return &healthv1.HealthCheckResponse{Status: 77}, nil
	}})
	h2 := func(handler http.HandlerFunc) string {
		server := httptest.NewUnstartedServer(handler)
		server.Config.Protocols = new(http.Protocols)
		server.Config.Protocols.SetUnencryptedHTTP2(true)
		server.Start()
		t.Cleanup(server.Close)
		return strings.TrimPrefix(server.URL, "http://")
	}
	trust := &TLSConfig{CA: &Secret{Value: a.pem}, ServerName: "shop.test"}
	for name, test := range map[string]struct {
		config GRPC
		want   string
	}{
		"the server serves":          {GRPC{Address: address}, ""},
		"on kept connections":        {GRPC{Address: address, KeepConnections: true}, ""},
		"the service serves":         {GRPC{Address: address, Service: "shop.Orders"}, ""},
		"the service does not":       {GRPC{Address: address, Service: "shop.Stock"}, "status: NOT_SERVING, want SERVING"},
		"the service does not know":  {GRPC{Address: address, Service: "shop.Mail"}, "status: UNKNOWN, want SERVING"},
		"there is no such service":   {GRPC{Address: address, Service: "bank"}, "status: NOT_FOUND: unknown service"},
		"over TLS":                   {GRPC{Address: secure, TLS: trust}, ""},
		"over TLS that none trusts":  {GRPC{Address: secure, TLS: &TLSConfig{}}, "tls"},
		"plain text where TLS is":    {GRPC{Address: secure}, "*"},
		"it knows no health":         {GRPC{Address: healthServer(t, nil)}, "status: UNIMPLEMENTED: unknown service grpc.health.v1.Health"},
		"it is overloaded":           {GRPC{Address: fails(grpcstatus.Error(codes.ResourceExhausted, "full"))}, "status: RESOURCE_EXHAUSTED: full"},
		"its own deadline was short": {GRPC{Address: fails(grpcstatus.Error(codes.DeadlineExceeded, "db"))}, "timeout"},
		"it does not answer":         {GRPC{Address: hangs}, "timeout"},
		"a status nobody knows":      {GRPC{Address: odd}, "status: serving status 77, want SERVING"},
		"nobody listens":             {GRPC{Address: closedPort(t)}, "refused"},
		"nobody accepts":             {GRPC{Address: serve(t, nil)}, "timeout"},
		"it closes":                  {GRPC{Address: serve(t, says("", false))}, "reset"},
		"no HTTP/2":                  {GRPC{Address: serve(t, says("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false))}, "*"},
		"no gRPC":                    {GRPC{Address: h2(func(http.ResponseWriter, *http.Request) {})}, "body: an answer that is no gRPC"},
		"the stream is reset":        {GRPC{Address: h2(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })}, "reset"},
		"an HTTP error":              {GRPC{Address: h2(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(502) })}, "status: HTTP 502 Bad Gateway"},
		"no status": {GRPC{Address: h2(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/grpc")
			_, _ = w.Write(healthRequest(""))
		})}, "reset: the answer ends without a gRPC status"},
		"no message": {GRPC{Address: h2(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/grpc")
			w.Header().Set("Grpc-Status", "0")
		})}, "body: 0 bytes that are no HealthCheckResponse"},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			if err := ask(t, name == "it does not answer" || name == "nobody accepts", test.config); err != nil {
				got = err.Error()
			}
			if !begins(got, test.want) && (test.want != "*" || got == "") {
				t.Errorf("got %q, want %q", got, test.want)
			}
			t.Log(got)
		})
	}
	if s := falsified(t, GRPC{Address: address}); s.Reason != ReasonRefused {
		t.Errorf("falsified: got %+v, want refused", s)
	}
}

// No bytes, however strange, are taken for SERVING unless they say so.
func FuzzServingStatus(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 2, 8, 1})
	f.Add([]byte{0, 0, 0, 0, 0})
	f.Add([]byte{1, 0, 0, 0, 2, 8, 1})
	f.Add([]byte{0, 0, 0, 0, 9, 18, 1, 65, 8, 2, 8, 1})
	f.Fuzz(func(t *testing.T, body []byte) {
		name, ok := servingStatus(body)
		if ok == (name == "") {
			t.Fatalf("%v gives %q, %v", body, name, ok)
		}
		var message healthv1.HealthCheckResponse
		theirs := len(body) >= 5 && proto.Unmarshal(body[5:], &message) == nil
		if ok && name == "SERVING" && (!theirs || message.GetStatus() != healthv1.HealthCheckResponse_SERVING) {
			t.Errorf("%v is taken for SERVING", body)
		}
	})
}
