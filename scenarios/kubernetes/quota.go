package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gamedayhq/gameday/reports"
	"github.com/gamedayhq/gameday/scenarios"
)

// Quota forbids new pods in a namespace, by a ResourceQuota. Pods that are there stay; what is lost does not come back. The undo
// deletes the quota.
type Quota struct {
	Cluster   string `json:"cluster,omitempty"`
	Namespace string `json:"namespace"`
	Pods      int64  `json:"pods,omitempty"` // how many are allowed, those that are there among them; none unless said

	radius scenarios.BlastRadius
	times
}

var (
	_ scenarios.Fault       = (*Quota)(nil)
	_ scenarios.Preflighter = (*Quota)(nil)
	_ scenarios.Describer   = (*Quota)(nil)
	_ scenarios.Problems    = (*Quota)(nil)
	_ scenarios.Bounded     = (*Quota)(nil)
	_ scenarios.Held        = (*Quota)(nil)
)

// Problems says offline what is wrong with the fault.
func (q *Quota) Problems() []string {
	out := needed(keyQuota, "namespace", q.Namespace)
	if q.Pods < 0 {
		out = append(out, fmt.Sprintf("quota.pods: is %d, want none or more", q.Pods))
	}
	return out
}

// Bound keeps the scenario's blast radius and says offline in what the fault exceeds it.
func (q *Quota) Bound(radius scenarios.BlastRadius) []string {
	q.radius = radius
	return reach(keyQuota, radius, q.Namespace)
}

// Describe says where how many pods are allowed.
func (q *Quota) Describe() string {
	return fmt.Sprintf("allow %d pods in namespace %s, by a quota", q.Pods, q.Namespace)
}

// Preflight finds out whether the namespace is there, and takes new pods now.
func (q *Quota) Preflight(ctx context.Context, env scenarios.Env) error {
	cluster, err := env.Clusters.Get(q.Cluster)
	if err != nil {
		return err
	}
	if _, err := q.resolve(ctx, cluster); err != nil {
		return err
	}
	return q.takesPods(ctx, cluster)
}

func (q *Quota) resolve(ctx context.Context, cluster client.WithWatch) (*corev1.Namespace, error) {
	namespace := &corev1.Namespace{}
	if err := gone(cluster.Get(ctx, client.ObjectKey{Name: q.Namespace}, namespace), fmt.Sprintf("namespace %q", q.Namespace)); err != nil {
		return nil, err
	}
	return namespace, q.radius.Check(ctx, cluster, scenarios.Targets{Namespaces: []string{q.Namespace}})
}

// takesPods finds out whether a pod would be admitted now. If none is, a quota that refuses one proves nothing.
func (q *Quota) takesPods(ctx context.Context, cluster client.WithWatch) error {
	if err := tryPod(ctx, cluster, q.Namespace); err != nil {
		return fmt.Errorf("%w: namespace %q admits no pod even now: %w", scenarios.ErrVoid, q.Namespace, err)
	}
	return nil
}

// object is named after the namespace: two quotas of drills in one could not be told apart by what they refuse.
func (q *Quota) object() *corev1.ResourceQuota {
	return &corev1.ResourceQuota{
		ObjectMeta: noteMeta(q.Namespace, keyQuota, q.Namespace),
		Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{corev1.ResourcePods: *resource.NewQuantity(q.Pods, resource.DecimalSI)}},
	}
}

// Do creates the quota and returns once the API refuses a pod because of it.
func (q *Quota) Do(ctx context.Context, env scenarios.Env) error {
	ctx = q.until(ctx)
	cluster, err := env.Clusters.Get(q.Cluster)
	if err != nil {
		return err
	}
	namespace, err := q.resolve(ctx, cluster)
	if err != nil {
		return err
	}
	if err := q.takesPods(ctx, cluster); err != nil {
		return err
	}
	if err := env.Fact(reports.TopicTargets, []reports.Target{target(q.Cluster, "Namespace", namespace)}, "the namespace"); err != nil {
		return err
	}
	quota := q.object()
	mark(ctx, env, keyQuota, quota)
	if err := cluster.Create(ctx, quota); err != nil {
		if apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("namespace %q is under a quota of a drill already, ResourceQuota %s: wait until that drill is over, or sweep what it left (gameday sweep)", q.Namespace, quota.Name)
		}
		return fmt.Errorf("create quota in %q: %w", q.Namespace, err)
	}
	refusal, err := awaitRefusal(ctx, cluster, quota)
	if err != nil {
		return fmt.Errorf("%w: not injected: %w", scenarios.ErrVoid, err)
	}
	proof := &reports.Proof{By: "pod refused by admission", Independent: true, Proven: true, Detail: refusal}
	return env.Fact(reports.TopicInjected, proof, proof.Detail)
}

// awaitRefusal tries to create a pod, without doing so, until the API refuses it because of the quota, and returns its words.
func awaitRefusal(ctx context.Context, cluster client.WithWatch, quota *corev1.ResourceQuota) (string, error) {
	for {
		err := tryPod(ctx, cluster, quota.Namespace)
		// A quota that was not counted yet refuses with other words, which say nothing of how many pods it allows.
		if apierrors.IsForbidden(err) && strings.Contains(err.Error(), "exceeded quota: "+quota.Name) {
			return err.Error(), nil
		}
		if cause := scenarios.Sleep(ctx, 200*time.Millisecond); cause != nil {
			if err == nil {
				err = errors.New("the API admits a new pod all the same")
			}
			return "", fmt.Errorf("wait for the quota to refuse a pod: %w; last seen: %w", cause, err)
		}
	}
}

// tryPod asks the API, without creating it, for a pod that the strictest pod security standard allows.
func tryPod(ctx context.Context, cluster client.WithWatch, namespace string) error {
	few := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1m"), corev1.ResourceMemory: resource.MustParse("1Mi")}
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, GenerateName: "gameday-try-"},
		Spec: corev1.PodSpec{
			AutomountServiceAccountToken: new(false),
			SecurityContext: &corev1.PodSecurityContext{
				RunAsNonRoot: new(true), SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
			},
			Containers: []corev1.Container{{
				Name: "none", Image: "gameday.dev/none", Resources: corev1.ResourceRequirements{Requests: few, Limits: few},
				SecurityContext: &corev1.SecurityContext{
					AllowPrivilegeEscalation: new(false), Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
				},
			}},
		},
	}
	return cluster.Create(ctx, pod, client.DryRunAll)
}

// Undo deletes the quota and returns once the API admits a pod.
func (q *Quota) Undo(ctx context.Context, env scenarios.Env) error {
	cluster, err := env.Clusters.Get(q.Cluster)
	if err != nil {
		return err
	}
	left, err := find(ctx, env, cluster, q.object())
	if err != nil {
		return err
	}
	return undo(ctx, env, cluster, left...)
}

// lift undoes a quota: it is the harm, and tells of it.
func lift(ctx context.Context, cluster client.WithWatch, left carrier) (*reports.Proof, error) {
	namespace, name := left.Object.GetNamespace(), left.Object.GetName()
	if err := forget(ctx, cluster, left); err != nil {
		return nil, err
	}
	for {
		err := scenarios.Insist(ctx, func(ctx context.Context) error { return tryPod(ctx, cluster, namespace) })
		// Refused on any other ground is another's doing: a quota of the namespace's own that is full, say.
		if err == nil || apierrors.IsForbidden(err) && !strings.Contains(err.Error(), name) {
			proof := &reports.Proof{By: "quota gone, pod admitted", Independent: true, Proven: true, Detail: "the API admits a new pod"}
			if err != nil {
				proof.By, proof.Detail = "quota gone, pod not refused by it", "the API refuses a new pod on other grounds: "+err.Error()
			}
			return proof, nil
		}
		if cause := scenarios.Sleep(ctx, 200*time.Millisecond); cause != nil {
			return nil, fmt.Errorf("the quota %s/%s may still be in force: %w; last seen: %w", namespace, name, cause, err)
		}
	}
}
