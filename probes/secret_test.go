package probes

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const planted = `pl4nted "s&cret/ä`

func TestSecretsAreReadFromWhereTheyAre(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(planted+"\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GAMEDAY_TEST_SECRET", planted)
	ref := &SecretRef{Namespace: "shop", Name: "db", Key: "password"}
	for name, test := range map[string]struct {
		secret Secret
		want   string
	}{
		"as it is":                       {Secret{Value: planted}, planted},
		"a file, without its newline":    {Secret{FromFile: file}, planted},
		"a variable":                     {Secret{FromEnv: "GAMEDAY_TEST_SECRET"}, planted},
		"a Kubernetes Secret":            {Secret{FromSecret: ref}.Found(planted + "\n"), planted},
		"a Kubernetes Secret, not found": {Secret{FromSecret: ref}, "error: no cluster was given to read it from"},
		"no such file":                   {Secret{FromFile: "/nowhere"}, "error: open /nowhere: no such file or directory"},
		"an empty file":                  {Secret{FromFile: empty}, "error: it is empty or not set"},
		"no such variable":               {Secret{FromEnv: "GAMEDAY_TEST_NO_SECRET"}, "error: it is empty or not set"},
		"an endless file":                {Secret{FromFile: "/dev/zero"}, "error: it is longer than 1048576 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := test.secret.read()
			if err != nil {
				got = "error: " + err.Error()
			}
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			raw, err := json.Marshal(test.secret)
			if err != nil {
				t.Fatal(err)
			}
			for _, said := range []string{fmt.Sprint(test.secret), fmt.Sprintf("%+v %#v %q %x", test.secret, test.secret, test.secret, test.secret), string(raw)} {
				if strings.Contains(said, "nted") {
					t.Errorf("it is told: %s", said)
				}
			}
		})
	}
}

func TestSecretsInFiles(t *testing.T) {
	for text, want := range map[string]Secret{
		`"x"`:                {Value: "x"},
		`{"fromFile":"a/b"}`: {FromFile: "a/b"},
		`{"fromEnv":"A"}`:    {FromEnv: "A"},
		`{"fromSecret":{"namespace":"n","name":"s","key":"k"}}`: {FromSecret: &SecretRef{Namespace: "n", Name: "s", Key: "k"}},
	} {
		var got Secret
		if err := json.Unmarshal([]byte(text), &got); err != nil || got.String() != want.String() {
			t.Errorf("%s gives %v, %v; want %v", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		`{"fromVault":"s3cret"}`: `has the unknown field "fromVault"`,
		`["s3cret"]`:             wantSecret,
		`12`:                     wantSecret,
	} {
		var got Secret
		err := json.Unmarshal([]byte(text), &got)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s gives %v, want %s", text, err, want)
		}
	}
	for want, s := range map[string]Secret{
		"x: is from 0 places: want a text":                  {},
		"x: is from 2 places: want a text":                  {FromEnv: "A", FromFile: "b"},
		"x: fromSecret wants a namespace, a name and a key": {FromSecret: &SecretRef{Name: "n"}},
	} {
		if got := strings.Join(s.problems("x"), "; "); !strings.HasPrefix(got, want) {
			t.Errorf("%v: got %q, want %q", s, got, want)
		}
	}
}

// told returns all that a question and its probe say.
func told(t *testing.T, config interface {
	New() (Probe, error)
	Problems() []string
	String() string
},
) string {
	t.Helper()
	said := config.String() + fmt.Sprintf("%v %+v", config, config) + strings.Join(config.Problems(), " ")
	probe, err := config.New()
	if err != nil {
		return said + err.Error()
	}
	s := Once(t.Context(), probe, 200*ms)
	if s.Outcome == Good {
		t.Errorf("%s: was to fail", config)
	}
	err = probe.Probe(t.Context())
	said += s.Detail + fmt.Sprintf("%v %+v %#v", err, err, err)
	if witness, ok := probe.(Witness); ok {
		said += witness.Witness()
	}
	if f, ok := config.(Falsifier); ok {
		twin, how := f.Falsified()
		said += how + Once(t.Context(), twin, 200*ms).Detail
	}
	return said
}

// Wherever a secret is planted, nothing that a question or a probe says shows it: not even an answer that repeats it.
func TestNoPlantedSecretIsTold(t *testing.T) {
	t.Setenv("GAMEDAY_TEST_PLANTED", planted)
	secret := Secret{FromEnv: "GAMEDAY_TEST_PLANTED"}
	echo := webServer(t, func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		raw, _ := json.Marshal(map[string]string{"got": r.Header.Get("X-Key") + r.Header.Get("Authorization") + user + password})
		w.WriteHeader(map[bool]int{true: 400, false: 200}[strings.HasPrefix(r.URL.Path, "/api/v1/")])
		_, _ = fmt.Fprintf(w, `{"status":"error","error":%q,"echo":%s}`, r.Header.Get("X-Key")+r.Header.Get("Authorization"), raw)
	})
	header := Access{Headers: map[string]Secret{"X-Key": secret}}
	basic := Access{BasicAuth: &BasicAuth{Username: "me", Password: secret}}
	bearer := Access{BearerToken: &secret}
	never := &JSONExpected{Path: "$.echo.got", Comparator: Comparator{Criteria: "contains", Value: "(never)"}}
	for _, config := range []interface {
		New() (Probe, error)
		Problems() []string
		String() string
	}{
		HTTP{URL: echo.URL, Access: header, JSON: never},
		HTTP{URL: echo.URL, Access: basic, JSON: never},
		HTTP{URL: echo.URL, Access: bearer, JSON: never},
		HTTP{URL: "http://" + closedPort(t), Access: bearer},
		HTTP{URL: echo.URL + "?q=" + url.QueryEscape(planted), Status: "204"},
		HTTP{URL: echo.URL, Access: Access{TLS: &TLSConfig{CA: &secret}}},
		HTTP{URL: echo.URL, Access: Access{TLS: &TLSConfig{Cert: &secret, Key: &secret}}},
		Alert{URL: echo.URL, Name: "A", Access: header},
		Alert{URL: echo.URL, Name: "A", Access: bearer},
		Prometheus{URL: echo.URL, Query: "up", Access: header, Comparator: Comparator{Value: "1"}},
		Prometheus{URL: echo.URL, Query: "up", Access: basic, Comparator: Comparator{Value: "1"}},
		TCP{Address: closedPort(t), TLS: &TLSConfig{Cert: &secret, Key: &secret}},
		TLS{Address: closedPort(t), TLSConfig: TLSConfig{CA: &secret}},
		DNS{Server: closedPort(t), Name: "x", Transport: "tls", TLS: &TLSConfig{Cert: &secret, Key: &secret}},
		GRPC{Address: closedPort(t), TLS: &TLSConfig{CA: &secret}},
		Exec{Command: []string{"/bin/sh", "-c", `echo "$K"; exit 1`}, Env: map[string]Secret{"K": secret}},
		Exec{Command: []string{"/nowhere"}, Env: map[string]Secret{"K": secret}},
		SQL{Driver: "postgres", DSN: secret, Query: "select 1"},
		SQL{Driver: "mysql", DSN: secret, Query: "select 1"},
		SQL{Driver: "postgres", DSN: dsnEnv(t, "postgres://me:"+url.QueryEscape(planted)+"@"+closedPort(t)+"/x"), Query: "select 1"},
		SQL{Driver: "mysql", DSN: dsnEnv(t, "me:"+planted+"@tcp("+closedPort(t)+")/x"), Query: "select 1"},
		SQL{Driver: "mysql", DSN: dsnEnv(t, "me:"+planted+"@tcp("+serve(t, serveMySQL)+")/x"), Query: "selekt"},
	} {
		said := told(t, config)
		for _, form := range []string{"pl4nted", base64.StdEncoding.EncodeToString([]byte("me:" + planted))} {
			if strings.Contains(said, form) {
				t.Errorf("%T: a secret was told: %s", config, said)
			}
		}
	}
}

func dsnEnv(t *testing.T, dsn string) Secret {
	t.Helper()
	name := fmt.Sprintf("GAMEDAY_TEST_DSN_OF_%d", len(os.Environ()))
	t.Setenv(name, dsn)
	return Secret{FromEnv: name}
}

func TestASealedProbeKeepsItsKind(t *testing.T) {
	var v vault
	v.hide("s3cret")
	for name, test := range map[string]struct {
		err  error
		want string
	}{
		"good":      {nil, "good  "},
		"bad":       {&Failure{ReasonBody, "x s3cret"}, "bad body x (secret)"},
		"missed":    {fmt.Errorf("%w: s3cret", ErrNotAsked), "missed not asked not asked: (secret)"},
		"missed 2":  {fmt.Errorf("s3cret: %w", ErrNotAsked), "missed not asked (secret): not asked"},
		"any error": {errors.New("s3cret"), "bad error (secret)"},
	} {
		o, reason, detail := outcome(v.seal(Func(func(context.Context) error { return test.err })).Probe(t.Context()))
		if got := fmt.Sprint(o, " ", reason, " ", detail); got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
	err := v.seal(Func(func(context.Context) error { panic("s3cret") })).Probe(t.Context())
	if !errors.Is(err, ErrNotAsked) || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("a panic gives %v", err)
	}
	if _, ok := v.seal(silentWitness{}).(Witness); !ok {
		t.Error("a witness is none any more")
	}
	if _, ok := v.seal(Func(nil)).(Witness); ok {
		t.Error("what was no witness is one now")
	}
}
