package safety

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gamedayhq/gameday/scenarios"
)

const (
	// LabelEnvironment on a cluster's namespace kube-system says what the cluster is for; "production" asks for an approval.
	LabelEnvironment = "gameday.dev/environment"
	// EnvironmentProduction is the value that asks for an approval.
	EnvironmentProduction = "production"
	// SchemaApproval is the schema of an approval file.
	SchemaApproval = "gameday.dev/approval/v1"
	// TopicApproval is a fact's: the drill may run in production.
	TopicApproval = "approval"
)

// Statement is what an approval says: this text with these parameters may be run in production until then.
type Statement struct {
	Schema     string            `json:"schema"`
	Scenario   string            `json:"scenario"`
	SHA256     string            `json:"sha256"` // of the scenario's text
	Parameters map[string]string `json:"parameters,omitempty"`
	Until      time.Time         `json:"until"`
}

// Approval is a statement signed by somebody who may approve.
type Approval struct {
	Statement Statement `json:"statement"`
	Signature []byte    `json:"signature"` // Ed25519, over the statement as JSON without white space
}

// Approve signs that a scenario may be run in production until a time.
func Approve(s *scenarios.Scenario, until time.Time, key ed25519.PrivateKey) (Approval, error) {
	statement := Statement{
		Schema: SchemaApproval, Scenario: s.Name, SHA256: s.Source.SHA256, Parameters: s.Source.Parameters, Until: until.UTC().Truncate(time.Second),
	}
	if statement.SHA256 == "" {
		return Approval{}, fmt.Errorf("approve %s: it was not read from a file, so there is no text to approve", s.Name)
	}
	raw, err := json.Marshal(statement)
	return Approval{Statement: statement, Signature: ed25519.Sign(key, raw)}, err
}

// ParseApproval reads an approval, strictly.
func ParseApproval(text []byte) (Approval, error) {
	var a Approval
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&a); err != nil {
		return a, fmt.Errorf("read approval: %w", err)
	}
	if decoder.More() {
		return a, errors.New("read approval: there is more behind it")
	}
	if a.Statement.Schema != SchemaApproval {
		return a, fmt.Errorf("read approval: schema is %q, want %s", a.Statement.Schema, SchemaApproval)
	}
	return a, nil
}

// Check tells why the approval does not allow the scenario at a time by one of the keys, or nil.
func (a Approval) Check(s *scenarios.Scenario, at time.Time, keys []ed25519.PublicKey) error {
	if len(keys) == 0 {
		return errors.New("nobody may approve: name public keys in production.approvers of the harness's configuration (--config)")
	}
	raw, err := json.Marshal(a.Statement)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(keys, func(key ed25519.PublicKey) bool { return ed25519.Verify(key, raw, a.Signature) }) {
		return errors.New("it is signed by no key of production.approvers, or was changed after it was signed")
	}
	switch {
	case a.Statement.SHA256 != s.Source.SHA256 || s.Source.SHA256 == "":
		return fmt.Errorf("it approves the text %.12s… of %s, this is %.12s…: let the new text be approved", a.Statement.SHA256, a.Statement.Scenario, s.Source.SHA256)
	case !maps.Equal(a.Statement.Parameters, s.Source.Parameters):
		return fmt.Errorf("it approves the parameters %v, these are %v", a.Statement.Parameters, s.Source.Parameters)
	case !at.Before(a.Statement.Until):
		return fmt.Errorf("it ended at %s", a.Statement.Until.Format(time.RFC3339))
	}
	return nil
}

// Environment is the guard that lets no drill into production without an approval by somebody else than who runs it.
type Environment struct {
	Production  Production
	Environment []map[string]string // what is known of the clusters: "cluster" and "context" are read
	Scenario    *scenarios.Scenario
	Approval    string // the approval's file; empty: there is none
}

var _ scenarios.Guard = Environment{}

// Enter finds out which clusters are production, and holds the approval against the scenario where one is.
func (e Environment) Enter(ctx context.Context, env scenarios.Env, _ func(cause error)) (func(ctx context.Context) error, error) {
	var production []string
	err := each(env.Clusters, func(name string, cluster client.WithWatch) error {
		is, err := e.isProduction(ctx, name, cluster)
		if is {
			production = append(production, display(name))
		}
		return err
	})
	if err != nil || len(production) == 0 {
		return nil, err
	}
	why := fmt.Sprintf("cluster %v is production", production)
	if e.Approval == "" {
		return nil, fmt.Errorf("%s: a drill there needs an approval by somebody else: gameday approve SCENARIO --key KEY, then run it with --approval FILE", why)
	}
	text, err := readBounded(e.Approval)
	if err != nil {
		return nil, fmt.Errorf("%s: read approval: %w", why, err)
	}
	approval, err := ParseApproval(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", why, e.Approval, err)
	}
	if err := approval.Check(e.Scenario, time.Now(), e.Production.approvers); err != nil {
		return nil, fmt.Errorf("%s: the approval %s does not allow this drill: %w", why, e.Approval, err)
	}
	return nil, env.Fact(TopicApproval, approval, fmt.Sprintf("%s; approved until %s", why, approval.Statement.Until.Format(time.RFC3339)))
}

func (e Environment) isProduction(ctx context.Context, name string, cluster client.Reader) (bool, error) {
	for _, facts := range e.Environment {
		if facts["cluster"] != display(name) {
			continue
		}
		for _, pattern := range e.Production.Contexts {
			if matched, err := filepath.Match(pattern, facts["context"]); err != nil || matched {
				return true, err
			}
		}
	}
	var system corev1.Namespace
	if err := cluster.Get(ctx, client.ObjectKey{Name: "kube-system"}, &system); err != nil {
		if client.IgnoreNotFound(err) == nil {
			return false, nil
		}
		return false, fmt.Errorf("look whether the cluster is production (label %s of the namespace kube-system; this needs the right to get it): %w",
			LabelEnvironment, err)
	}
	return system.Labels[LabelEnvironment] == EnvironmentProduction, nil
}

// ReadPrivateKey reads an Ed25519 key in PEM (PKCS #8), as openssl genpkey -algorithm ed25519 writes it.
func ReadPrivateKey(path string) (ed25519.PrivateKey, error) {
	der, err := readPEM(path, "PRIVATE KEY")
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("read key %s: %w", path, err)
	}
	private, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("read key %s: it is %T, want Ed25519: openssl genpkey -algorithm ed25519", path, key)
	}
	return private, nil
}

func readPublicKey(path string) (ed25519.PublicKey, error) {
	der, err := readPEM(path, "PUBLIC KEY")
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, fmt.Errorf("read key %s: %w", path, err)
	}
	public, ok := key.(ed25519.PublicKey)
	if !ok {
		return nil, fmt.Errorf("read key %s: it is %T, want Ed25519: openssl pkey -in KEY -pubout", path, key)
	}
	return public, nil
}

// readPEM reads the one block of a type. Its errors never hold what is in the file.
func readPEM(path, kind string) ([]byte, error) {
	text, err := readBounded(path)
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	block, rest := pem.Decode(text)
	if block == nil || block.Type != kind || len(bytes.TrimSpace(rest)) > 0 {
		return nil, fmt.Errorf("read key %s: want one PEM block %q and nothing else", path, kind)
	}
	return block.Bytes, nil
}
