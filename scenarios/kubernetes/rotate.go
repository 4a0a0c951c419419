package kubernetes

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gamedayhq/gameday/reports"
	"github.com/gamedayhq/gameday/scenarios"
)

// Rotate replaces what stands under keys of a Secret by something that is no credential, or takes the keys away: a rotation of
// which the other side was not told. Workloads that read it only when they start can be restarted. The undo puts the old data back,
// and the workloads as they were.
//
// No value, and no hash of one, leaves the cluster: the evidence names keys.
type Rotate struct {
	Cluster   string     `json:"cluster,omitempty"`
	Namespace string     `json:"namespace"`
	Secret    string     `json:"secret"`
	Keys      []string   `json:"keys"`
	Revoke    bool       `json:"revoke,omitempty"` // take the keys away instead
	Restart   []Workload `json:"restart,omitempty"`

	radius scenarios.BlastRadius
	times
}

var (
	_ scenarios.Fault       = (*Rotate)(nil)
	_ scenarios.Preflighter = (*Rotate)(nil)
	_ scenarios.Describer   = (*Rotate)(nil)
	_ scenarios.Problems    = (*Rotate)(nil)
	_ scenarios.Bounded     = (*Rotate)(nil)
	_ scenarios.Held        = (*Rotate)(nil)
)

// rotated is what the undo of a rotation must know. It is kept in a Secret.
type rotated struct {
	Secret  string            `json:"secret"`
	Data    map[string][]byte `json:"data"`  // before
	After   string            `json:"after"` // hash of the data that the fault wrote
	Restart []restarted       `json:"restart"`
}

// Problems says offline what is wrong with the fault.
func (r *Rotate) Problems() []string {
	out := needed(keyRotate, "namespace", r.Namespace, "secret", r.Secret)
	if len(r.Keys) == 0 {
		out = append(out, "rotate.keys: is empty: name the keys of the Secret whose values are replaced")
	}
	for i, one := range r.Restart {
		out = append(out, one.problems(fmt.Sprintf("%s.restart[%d]", keyRotate, i))...)
	}
	return out
}

// Bound keeps the scenario's blast radius and says offline in what the fault exceeds it.
func (r *Rotate) Bound(radius scenarios.BlastRadius) []string {
	r.radius = radius
	return reach(keyRotate, radius, r.Namespace)
}

// Describe says what is rotated.
func (r *Rotate) Describe() string {
	verb := "replace"
	if r.Revoke {
		verb = "take away"
	}
	text := fmt.Sprintf("%s %s of Secret %s/%s", verb, strings.Join(r.Keys, ", "), r.Namespace, r.Secret)
	for _, one := range r.Restart {
		text += fmt.Sprintf(", restart %s", one)
	}
	return text
}

// Preflight finds out whether there is something to rotate.
func (r *Rotate) Preflight(ctx context.Context, env scenarios.Env) error {
	cluster, err := env.Clusters.Get(r.Cluster)
	if err != nil {
		return err
	}
	_, _, err = r.resolve(ctx, cluster)
	return err
}

func (r *Rotate) resolve(ctx context.Context, cluster client.WithWatch) (*corev1.Secret, []restarted, error) {
	secret := &corev1.Secret{}
	what := fmt.Sprintf("Secret %s/%s", r.Namespace, r.Secret)
	if err := gone(cluster.Get(ctx, client.ObjectKey{Namespace: r.Namespace, Name: r.Secret}, secret), what); err != nil {
		return nil, nil, err
	}
	for _, key := range r.Keys {
		if _, there := secret.Data[key]; !there {
			return nil, nil, fmt.Errorf("%w: %s has no key %q; it has %s", scenarios.ErrVoid, what, key, strings.Join(slices.Sorted(maps.Keys(secret.Data)), ", "))
		}
	}
	if secret.Immutable != nil && *secret.Immutable {
		return nil, nil, fmt.Errorf("%s is immutable: delete it instead, with delete", what)
	}
	var workloads []restarted
	for _, one := range r.Restart {
		found, err := one.find(ctx, cluster, r.Namespace)
		if err != nil {
			return nil, nil, err
		}
		workloads = append(workloads, found)
	}
	return secret, workloads, r.radius.Check(ctx, cluster, scenarios.Targets{Namespaces: []string{r.Namespace}})
}

// targets returns the evidence's form of what is hit.
func (r *Rotate) targets(secret *corev1.Secret, workloads []restarted) []reports.Target {
	out := []reports.Target{target(r.Cluster, "Secret", secret)}
	for _, one := range workloads {
		out = append(out, reports.Target{Cluster: r.Cluster, Kind: one.Kind, Namespace: r.Namespace, Name: one.Name, UID: one.UID})
	}
	return out
}

func (r *Rotate) note() *corev1.Secret {
	return &corev1.Secret{ObjectMeta: noteMeta(r.Namespace, keyRotate, r.Secret)}
}

// Do keeps the old data in the cluster, replaces it, and restarts the workloads; it returns once pods have started with the new.
func (r *Rotate) Do(ctx context.Context, env scenarios.Env) error {
	ctx = r.until(ctx)
	cluster, err := env.Clusters.Get(r.Cluster)
	if err != nil {
		return err
	}
	secret, workloads, err := r.resolve(ctx, cluster)
	if err != nil {
		return err
	}
	if err := env.Fact(reports.TopicTargets, r.targets(secret, workloads), "the Secret, and the workloads that are restarted"); err != nil {
		return err
	}
	before, after := maps.Clone(secret.Data), r.replaced(secret.Data)
	state := rotated{Secret: r.Secret, Data: before, After: digest(after), Restart: workloads}
	if err := keep(ctx, env, cluster, r.note(), keyRotate, state); err != nil {
		return err
	}
	secret.Data = after // with the version that was read: a change by somebody else meanwhile is refused
	if err := cluster.Update(ctx, secret); err != nil {
		return fmt.Errorf("replace %v of Secret %s/%s: %w", r.Keys, r.Namespace, r.Secret, err)
	}
	for _, one := range workloads {
		if err := one.restart(ctx, env, cluster); err != nil {
			return fmt.Errorf("%w: not injected: %w", scenarios.ErrVoid, err)
		}
	}
	proof := &reports.Proof{By: "the Secret, read back", Proven: true, Detail: fmt.Sprintf("%s replaced; nobody was restarted to read it", strings.Join(r.Keys, ", "))}
	if len(workloads) > 0 {
		proof.By, proof.Independent = "pods started with it", true
		proof.Detail = fmt.Sprintf("%s replaced, and pods of %d workloads were started since", strings.Join(r.Keys, ", "), len(workloads))
	}
	return env.Fact(reports.TopicInjected, proof, proof.Detail)
}

// replaced returns data with random text under the keys, or without them.
func (r *Rotate) replaced(data map[string][]byte) map[string][]byte {
	out := maps.Clone(data)
	for _, key := range r.Keys {
		delete(out, key)
		if !r.Revoke {
			out[key] = []byte(rand.Text())
		}
	}
	return out
}

// digest tells data apart without telling it.
func digest(data map[string][]byte) string {
	sum := sha256.New()
	for _, key := range slices.Sorted(maps.Keys(data)) {
		fmt.Fprintf(sum, "%d:%s=%d:", len(key), key, len(data[key]))
		_, _ = sum.Write(data[key]) // never fails, by its documentation
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// Undo puts the old data back and returns once the workloads are as they were.
func (r *Rotate) Undo(ctx context.Context, env scenarios.Env) error {
	cluster, err := env.Clusters.Get(r.Cluster)
	if err != nil {
		return err
	}
	left, err := find(ctx, env, cluster, r.note())
	if err != nil {
		return err
	}
	return undo(ctx, env, cluster, left...)
}

// unrotate undoes a rotation by its note. What somebody else has written meanwhile is not written over.
func unrotate(ctx context.Context, cluster client.WithWatch, left carrier) (*reports.Proof, error) {
	var was rotated
	if err := left.state(&was); err != nil {
		return nil, err
	}
	key := client.ObjectKey{Namespace: left.Object.GetNamespace(), Name: was.Secret}
	err := scenarios.Insist(ctx, func(ctx context.Context) error {
		return retry.RetryOnConflict(retry.DefaultBackoff, func() error {
			secret := &corev1.Secret{}
			if err := cluster.Get(ctx, key, secret); err != nil {
				return err
			}
			switch digest(secret.Data) {
			case digest(was.Data):
				return nil
			case was.After:
				secret.Data = was.Data
				return cluster.Update(ctx, secret)
			default:
				return fmt.Errorf("somebody else has changed it since: what it held before the drill is in Secret %s: put back by hand what is right, then delete that Secret",
					client.ObjectKeyFromObject(left.Object))
			}
		})
	})
	if err != nil {
		return nil, fmt.Errorf("put back Secret %s: %w", key, err)
	}
	for _, one := range was.Restart {
		if err := one.settle(ctx, cluster, key.Namespace); err != nil {
			return nil, err
		}
	}
	if err := replaceReaders(ctx, cluster, left, was.Secret); err != nil {
		return nil, err
	}
	proof := &reports.Proof{By: "the Secret, read back", Proven: true, Detail: "it holds what it held before"}
	if len(was.Restart) > 0 {
		proof.By, proof.Independent = "pods ready with it", true
		proof.Detail += ", no pod that was started with the other is left, and as many are ready as before"
	}
	return proof, forget(ctx, cluster, left)
}
