package probes

import (
	"io"
	"log"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// nameServer serves DNS on one port over UDP and TCP.
func nameServer(t *testing.T, handler dns.HandlerFunc) string {
	t.Helper()
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", packets.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, server := range []*dns.Server{{PacketConn: packets, Handler: handler}, {Listener: listener, Handler: handler}} {
		started := make(chan struct{})
		server.NotifyStartedFunc = func() { close(started) }
		ended := make(chan error, 1)
		go func() { ended <- server.ActivateAndServe() }()
		<-started
		t.Cleanup(func() { _ = server.Shutdown(); <-ended })
	}
	return packets.LocalAddr().String()
}

// zone answers as a small server of names would.
func zone(w dns.ResponseWriter, question *dns.Msg) {
	answer := new(dns.Msg)
	answer.SetReply(question)
	add := func(records ...string) {
		for _, text := range records {
			record, err := dns.NewRR(text)
			if err != nil {
				panic(err)
			}
			answer.Answer = append(answer.Answer, record)
		}
	}
	q := question.Question[0]
	switch q.Name + dns.TypeToString[q.Qtype] {
	case "shop.test.A":
		add("www.shop.test. CNAME x.", "shop.test. 5 A 10.0.0.1", "shop.test. 5 A 10.0.0.2")
	case "www.test.A":
		add("www.test. CNAME shop.test.")
	case "www.test.CNAME":
		add("www.test. CNAME Shop.test.")
	case "text.test.TXT":
		add(`text.test. TXT "v=spf1 -all"`)
	case "large.test.TXT":
		if _, isPacket := w.LocalAddr().(*net.UDPAddr); isPacket {
			answer.Truncated = true
			break
		}
		add(`large.test. TXT "` + strings.Repeat("x", 200) + `"`)
	case "recursion.test.A":
		if !question.RecursionDesired {
			add("recursion.test. A 10.0.0.3")
		}
	case "empty.test.A":
	case "stray.test.A":
		stray := answer.Copy()
		stray.Id++
		stray.Rcode = dns.RcodeServerFailure
		_ = w.WriteMsg(stray)
		add("stray.test. A 10.0.0.4")
	case "broken.test.A":
		answer.Rcode = dns.RcodeServerFailure
	case "garbage.test.A":
		_, _ = w.Write([]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 255, 255, 255, 255, 1})
		return
	case "silent.test.A":
		return
	default:
		answer.Rcode = dns.RcodeNameError
	}
	_ = w.WriteMsg(answer)
}

func TestDNSReadsWhatAServerSays(t *testing.T) {
	server := nameServer(t, zone)
	for name, test := range map[string]struct {
		config DNS
		want   string
	}{
		"there are records":               {DNS{Name: "shop.test"}, ""},
		"fully qualified":                 {DNS{Name: "shop.test."}, ""},
		"over TCP":                        {DNS{Name: "shop.test", Transport: "tcp"}, ""},
		"the answers that are wanted":     {DNS{Name: "shop.test", Answers: []string{"10.0.0.2", "10.0.0.1"}}, ""},
		"one of them is not there":        {DNS{Name: "shop.test", Answers: []string{"10.0.0.1", "10.0.0.3"}}, "value: 10.0.0.1, 10.0.0.2, want 10.0.0.3 among them"},
		"an alias and no record":          {DNS{Name: "www.test"}, "value: no record of type A"},
		"the alias itself":                {DNS{Name: "www.test", Type: "cname", Answers: []string{"shop.TEST"}}, ""},
		"no record":                       {DNS{Name: "empty.test"}, "value: no record of type A"},
		"a text without its quotes":       {DNS{Name: "text.test", Type: "TXT", Answers: []string{"v=spf1 -all"}}, ""},
		"no such name":                    {DNS{Name: "nowhere.test"}, "status: NXDOMAIN, want NOERROR"},
		"no such name, as it should be":   {DNS{Name: "nowhere.test", Rcode: "nxdomain"}, ""},
		"a name that should not be":       {DNS{Name: "shop.test", Rcode: "NXDOMAIN"}, "status: NOERROR, want NXDOMAIN"},
		"the server failed":               {DNS{Name: "broken.test"}, "status: SERVFAIL, want NOERROR"},
		"too large for a packet":          {DNS{Name: "large.test", Type: "TXT"}, ""},
		"recursion is asked for":          {DNS{Name: "recursion.test"}, "value: no record of type A"},
		"recursion is not asked for":      {DNS{Name: "recursion.test", NoRecursion: true}, ""},
		"an answer to somebody else":      {DNS{Name: "stray.test", Answers: []string{"10.0.0.4"}}, ""},
		"no DNS":                          {DNS{Name: "garbage.test"}, "body"},
		"silence":                         {DNS{Name: "silent.test"}, "timeout"},
		"silence over TCP":                {DNS{Name: "silent.test", Transport: "tcp"}, "timeout"},
		"nobody listens":                  {DNS{Name: "shop.test", Server: closedPacketPort(t)}, "refused"},
		"nobody listens over TCP":         {DNS{Name: "shop.test", Server: closedPort(t), Transport: "tcp"}, "refused"},
		"it speaks something else on TCP": {DNS{Name: "shop.test", Server: serve(t, says("", false)), Transport: "tcp"}, "reset"},
		"over TLS that it does not speak": {DNS{Name: "shop.test", Server: serve(t, says("SSH-2.0-hello\r\n", false)), Transport: "tls"}, "tls"},
	} {
		t.Run(name, func(t *testing.T) {
			if test.config.Server == "" {
				test.config.Server = server
			}
			got := ""
			if err := ask(t, strings.Contains(name, "silence"), test.config); err != nil {
				got = err.Error()
			}
			if !begins(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
	for name, config := range map[string]DNS{
		"a name that is there": {Name: "shop.test", Server: server}, "one that is not": {Name: "nowhere.test", Rcode: "NXDOMAIN", Server: server},
	} {
		if s := falsified(t, config); s.Outcome != Bad || s.Reason != ReasonValue {
			t.Errorf("%s: falsified gives %+v, want bad", name, s)
		}
	}
}

func TestDNSOverTLS(t *testing.T) {
	a := newAuthority(t, time.Hour)
	pair, _, _ := a.sign(t, time.Hour)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &dns.Server{Listener: tlsListener(listener, pair), Handler: dns.HandlerFunc(zone)}
	ended := make(chan error, 1)
	started := make(chan struct{})
	server.NotifyStartedFunc = func() { close(started) }
	go func() { ended <- server.ActivateAndServe() }()
	<-started
	t.Cleanup(func() { _ = server.Shutdown(); <-ended })
	config := DNS{
		Server: listener.Addr().String(), Name: "shop.test", Transport: "tls",
		TLS: &TLSConfig{CA: &Secret{Value: a.pem}, ServerName: "shop.test"},
	}
	if err := ask(t, false, config); err != nil {
		t.Error(err)
	}
	config.TLS = nil
	if err := ask(t, false, config); reasonOf(err) != ReasonTLS {
		t.Errorf("got %v, want tls", err)
	}
}

// closedPacketPort returns a UDP port that is taken but takes packets from one peer only.
func closedPacketPort(t *testing.T) string {
	t.Helper()
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:9")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn.LocalAddr().String()
}

func init() { log.SetOutput(io.Discard) } // the libraries that serve in tests tell of every connection that breaks
