package probes

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// DNS asks a server for the records of a name. Over UDP one packet is sent, as a resolver does within one try; an answer that was
// cut to fit is asked for again over TCP.
type DNS struct {
	Server    string     `json:"server"`              // host:port
	Name      string     `json:"name"`                // taken as fully qualified
	Type      string     `json:"type,omitempty"`      // of the records: A unless said
	Transport string     `json:"transport,omitempty"` // udp, tcp or tls; udp unless said
	TLS       *TLSConfig `json:"tls,omitempty"`       // of transport tls
	// Rcode is the code that is good: NOERROR unless said. With NOERROR there must be a record of the type.
	Rcode   string   `json:"rcode,omitempty"`
	Answers []string `json:"answers,omitempty"` // what must be among the records, each as its data: 10.0.0.1
	// NoRecursion asks the server for what it knows itself.
	NoRecursion bool `json:"noRecursion,omitempty"`

	never bool // no answer is good: see Falsifier
}

// Problems says what is wrong with the question, each as "field: what, and the mend".
func (d DNS) Problems() []string {
	problems := addressProblems("server", d.Server)
	add := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	if _, ok := dns.IsDomainName(d.Name); d.Name == "" || !ok {
		add("name: %q is no name", d.Name)
	}
	if _, ok := dns.StringToType[d.recordType()]; !ok {
		add("type: %q is no type of record", d.Type)
	}
	if !slices.Contains([]string{"udp", "tcp", "tls"}, d.transport()) {
		add("transport: %q is none: want udp, tcp or tls", d.Transport)
	}
	if d.TLS != nil && d.transport() != "tls" {
		add("tls: is of no use to transport %s", d.transport())
	}
	if _, ok := dns.StringToRcode[d.rcode()]; !ok {
		add("rcode: %q is none: want one of %s", d.Rcode, strings.Join(slices.Sorted(maps.Keys(dns.StringToRcode)), ", "))
	}
	if len(d.Answers) > 0 && d.rcode() != "NOERROR" {
		add("answers: there are none with rcode %s", d.rcode())
	}
	return append(problems, prefixed("tls.", d.TLS.problems())...)
}

func (d DNS) recordType() string { return strings.ToUpper(cmp.Or(d.Type, "A")) }
func (d DNS) transport() string  { return cmp.Or(d.Transport, "udp") }
func (d DNS) rcode() string      { return strings.ToUpper(cmp.Or(d.Rcode, "NOERROR")) }

// String says in words what is asked.
func (d DNS) String() string {
	text := fmt.Sprintf("DNS %s %s at %s over %s, want %s", d.Name, d.recordType(), d.Server, d.transport(), d.rcode())
	if len(d.Answers) > 0 {
		text += " and among the answers " + strings.Join(d.Answers, ", ")
	}
	return text
}

// New makes the probe ready to ask, or returns all that is wrong with it.
func (d DNS) New() (Probe, error) {
	if problems := d.Problems(); len(problems) > 0 {
		return nil, fmt.Errorf("dns probe: %s", strings.Join(problems, "; "))
	}
	var v vault
	p := &dnsProbe{config: d, tls: d.TLS.config(&v)}
	if err := v.err(); err != nil {
		return nil, fmt.Errorf("dns probe: %w", err)
	}
	return v.seal(p), nil
}

// Falsified takes no answer for a good one.
func (d DNS) Falsified() (Probe, string) {
	d.never = true
	return later(d.New), howNever
}

// dnsProbe is a DNS made ready.
type dnsProbe struct {
	config DNS
	tls    *tls.Config
}

// errCut is the answer that was cut to fit a packet.
var errCut = &Failure{Reason: ReasonBody, Detail: "the answer is cut"}

// Probe asks once.
func (p *dnsProbe) Probe(ctx context.Context) error {
	switch p.config.transport() {
	case "tls":
		return handshake(ctx, p.config.Server, p.tls, p.talk)
	case "tcp":
		return converse(ctx, "tcp", p.config.Server, p.talk)
	}
	err := converse(ctx, "udp", p.config.Server, p.talk)
	if errors.Is(err, errCut) {
		return converse(ctx, "tcp", p.config.Server, p.talk)
	}
	return err
}

// talk sends the question and waits for its answer; what else comes is somebody else's.
func (p *dnsProbe) talk(conn net.Conn) error {
	question := new(dns.Msg)
	question.SetQuestion(dns.Fqdn(p.config.Name), dns.StringToType[p.config.recordType()])
	question.RecursionDesired = !p.config.NoRecursion
	const packet = 1232 // fits every path: https://www.dnsflagday.net/2020/
	question.SetEdns0(packet, false)
	talk := &dns.Conn{Conn: conn, UDPSize: packet}
	if err := talk.WriteMsg(question); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	for {
		answer, err := talk.ReadMsg()
		if malformed, ok := errors.AsType[*dns.Error](err); ok {
			return &Failure{Reason: ReasonBody, Detail: "an answer that is no DNS: " + malformed.Error()}
		}
		if err != nil {
			return fmt.Errorf("receive: %w", err)
		}
		if answer.Id == question.Id && answer.Response && slices.Equal(answer.Question, question.Question) {
			return p.judge(answer)
		}
	}
}

// judge looks at the answer.
func (p *dnsProbe) judge(answer *dns.Msg) error {
	if answer.Truncated {
		return errCut
	}
	got := dns.RcodeToString[answer.Rcode]
	if got != p.config.rcode() {
		return &Failure{Reason: ReasonStatus, Detail: fmt.Sprintf("%s, want %s", got, p.config.rcode())}
	}
	records := p.records(answer)
	switch missing := p.missing(records); {
	case p.config.never:
		return &Failure{Reason: ReasonValue, Detail: fmt.Sprintf("%s with %d records, want none", got, len(records))}
	case got == "NOERROR" && len(records) == 0:
		return &Failure{Reason: ReasonValue, Detail: "no record of type " + p.config.recordType()}
	case len(missing) > 0:
		return &Failure{Reason: ReasonValue, Detail: fmt.Sprintf("%s, want %s among them", strings.Join(records, ", "), strings.Join(missing, ", "))}
	}
	return nil
}

// records returns the data of the records that were asked for.
func (p *dnsProbe) records(answer *dns.Msg) []string {
	var out []string
	for _, record := range answer.Answer {
		header := record.Header()
		if kind := p.config.recordType(); kind == "ANY" || dns.TypeToString[header.Rrtype] == kind {
			out = append(out, strings.TrimPrefix(record.String(), header.String()))
		}
	}
	return out
}

// missing returns which of the answers that are wanted are not among the records.
func (p *dnsProbe) missing(records []string) []string {
	var out []string
	for _, want := range p.config.Answers {
		if !slices.ContainsFunc(records, func(got string) bool { return sameRecord(got, want) }) {
			out = append(out, want)
		}
	}
	return out
}

// sameRecord compares the data of records: names without case and with or without their last dot, texts with or without quotes.
func sameRecord(a, b string) bool {
	return strings.EqualFold(strings.TrimSuffix(strings.Trim(a, `"`), "."), strings.TrimSuffix(strings.Trim(b, `"`), "."))
}
