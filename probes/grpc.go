package probes

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// GRPC asks a server by the gRPC health checking protocol, v1 (https://github.com/grpc/grpc/blob/master/doc/health-checking.md),
// whether a service is serving. It is spoken over net/http, whose errors tell why there was no answer. The server is told no deadline:
// one that it kept itself would look like its own doing.
type GRPC struct {
	Address string     `json:"address"`           // host:port
	Service string     `json:"service,omitempty"` // the server as a whole unless said
	TLS     *TLSConfig `json:"tls,omitempty"`     // {} for the standard configuration; plain text unless said
	// KeepConnections asks on kept connections instead of on a new one each time.
	KeepConnections bool `json:"keepConnections,omitempty"`
}

// Problems says what is wrong with the question, each as "field: what, and the mend".
func (g GRPC) Problems() []string {
	return append(addressProblems("address", g.Address), prefixed("tls.", g.TLS.problems())...)
}

// String says in words what is asked.
func (g GRPC) String() string {
	text := "gRPC health of "
	if g.Service == "" {
		text += g.Address
	} else {
		text += fmt.Sprintf("%s at %s", g.Service, g.Address)
	}
	if g.TLS != nil {
		text += " over TLS"
		if g.TLS.InsecureSkipVerify {
			text += ", accepting any certificate"
		}
	}
	text += ", want SERVING"
	if g.KeepConnections {
		text += ", on kept connections"
	}
	return text
}

// New makes the probe ready to ask, or returns all that is wrong with it.
func (g GRPC) New() (Probe, error) {
	if problems := g.Problems(); len(problems) > 0 {
		return nil, fmt.Errorf("grpc probe: %s", strings.Join(problems, "; "))
	}
	scheme := "http"
	if g.TLS != nil {
		scheme = "https"
	}
	request, err := http.NewRequest(http.MethodPost, scheme+"://"+g.Address+"/grpc.health.v1.Health/Check", http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("grpc probe: %w", err)
	}
	request.Header = http.Header{"Content-Type": {"application/grpc"}, "Te": {"trailers"}, "User-Agent": {"gameday"}}
	var v vault
	p := &grpcProbe{request: request, message: healthRequest(g.Service), client: &http.Client{
		Transport:     transport(way{keep: g.KeepConnections, http2: true, tls: g.TLS.config(&v)}),
		CheckRedirect: noRedirect,
	}}
	if err := v.err(); err != nil {
		return nil, fmt.Errorf("grpc probe: %w", err)
	}
	return v.seal(p), nil
}

// Falsified puts the question at a closed port of ours.
func (g GRPC) Falsified() (Probe, string) {
	return atClosedPort{put: func(address string) (Probe, error) {
		g.Address = address
		return g.New()
	}}, howClosed
}

// healthRequest returns a grpc.health.v1.HealthCheckRequest as it goes over the wire: a byte that says it is not compressed, its
// length, and the service as field 1.
func healthRequest(service string) []byte {
	var message []byte
	if service != "" {
		message = protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), service)
	}
	frame := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))) //nolint:gosec // a service's name is short
	return append(frame, message...)
}

// grpcProbe is a GRPC made ready.
type grpcProbe struct {
	request *http.Request // never sent itself: each ask sends a copy
	message []byte
	client  *http.Client
}

// Probe asks once.
func (p *grpcProbe) Probe(ctx context.Context) error {
	request := p.request.Clone(context.WithValue(ctx, askKey{}, ctx))
	request.Body, request.ContentLength = io.NopCloser(bytes.NewReader(p.message)), int64(len(p.message))
	response, err := p.client.Do(request)
	if err != nil {
		return answered(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxReceived))
	switch {
	case response.StatusCode != http.StatusOK:
		return &Failure{Reason: ReasonStatus, Detail: "HTTP " + response.Status}
	case err != nil:
		return answered(fmt.Errorf("read the answer: %w", err))
	case !strings.HasPrefix(response.Header.Get("Content-Type"), "application/grpc"):
		return &Failure{Reason: ReasonBody, Detail: "an answer that is no gRPC"}
	}
	return judgeHealth(response, body)
}

// judgeHealth reads the outcome of the call, and then what it said.
func judgeHealth(response *http.Response, body []byte) error {
	outcome := response.Trailer
	if outcome.Get("Grpc-Status") == "" {
		outcome = response.Header // an answer of trailers only
	}
	switch code := outcome.Get("Grpc-Status"); code {
	case "0":
	case "":
		return &Failure{Reason: ReasonReset, Detail: "the answer ends without a gRPC status"}
	case "4":
		return &Failure{Reason: ReasonTimeout, Detail: "the server says DEADLINE_EXCEEDED"}
	default:
		return &Failure{Reason: ReasonStatus, Detail: strings.TrimSuffix(grpcCode(code)+": "+outcome.Get("Grpc-Message"), ": ")}
	}
	status, ok := servingStatus(body)
	switch {
	case !ok:
		return &Failure{Reason: ReasonBody, Detail: fmt.Sprintf("%d bytes that are no HealthCheckResponse", len(body))}
	case status != "SERVING":
		return &Failure{Reason: ReasonStatus, Detail: status + ", want SERVING"}
	}
	return nil
}

// grpcCode names a status code: https://grpc.io/docs/guides/status-codes/.
func grpcCode(code string) string {
	names := []string{
		"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED",
		"RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS",
		"UNAUTHENTICATED",
	}
	if number, err := strconv.Atoi(code); err == nil && number >= 0 && number < len(names) {
		return names[number]
	}
	return "gRPC status " + strconv.Quote(code)
}

// servingStatus reads a grpc.health.v1.HealthCheckResponse: its field 1 is the status, 0 when it is left out.
func servingStatus(body []byte) (string, bool) {
	const head = 5
	if len(body) < head || body[0] != 0 || int(binary.BigEndian.Uint32(body[1:head])) != len(body)-head {
		return "", false
	}
	status := uint64(0)
	for rest := body[head:]; len(rest) > 0; {
		number, kind, n := protowire.ConsumeTag(rest)
		if n < 0 {
			return "", false
		}
		rest = rest[n:]
		if number == 1 && kind == protowire.VarintType {
			status, n = protowire.ConsumeVarint(rest)
		} else {
			n = protowire.ConsumeFieldValue(number, kind, rest)
		}
		if n < 0 {
			return "", false
		}
		rest = rest[n:]
	}
	names := []string{"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"}
	if status >= uint64(len(names)) {
		return fmt.Sprintf("serving status %d", status), true
	}
	return names[status], true
}
