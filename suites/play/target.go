package play

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gamedayhq/gameday/dr/velero"
	"github.com/gamedayhq/gameday/scenarios"
	"github.com/gamedayhq/gameday/scenarios/chaosmesh"
)

// Target says which clusters a drill is aimed at: as kubectl would find them.
type Target struct {
	Kubeconfig string            // a file; $KUBECONFIG, ~/.kube/config or the pod's own account unless said
	Context    string            // of the kubeconfig; its current one unless said
	Clusters   map[string]string // further clusters: the name that scenarios use, and its context
}

// connectWithin bounds how long a cluster may take to say who it is.
const connectWithin = 20 * time.Second

// Dial returns a client of each cluster, without a call to it.
func (t Target) Dial() (scenarios.Clusters, error) {
	clusters := scenarios.Clusters{}
	var errs []error
	for name, kubecontext := range t.contexts() {
		cluster, _, err := t.dial(kubecontext)
		clusters[name] = cluster
		errs = append(errs, err)
	}
	return clusters, errors.Join(errs...)
}

// contexts are the kubeconfig contexts of the clusters by the names that scenarios use.
func (t Target) contexts() map[string]string {
	contexts := maps.Clone(t.Clusters)
	if contexts == nil {
		contexts = map[string]string{}
	}
	contexts[""] = t.Context
	return contexts
}

func (t Target) dial(kubecontext string) (client.WithWatch, *rest.Config, error) {
	config, err := t.config(kubecontext)
	if err != nil {
		return nil, nil, err
	}
	config.UserAgent = "gameday"
	// client-go's own 5 requests a second would make a drill wait for itself: looking for what is left asks once for each kind of
	// fault.
	config.QPS, config.Burst = 50, 100
	cluster, err := scenarios.Connect(config, chaosmesh.AddToScheme, velero.AddToScheme)
	return cluster, config, err
}

// Connect returns a client of each cluster, and what it says of itself.
func (t Target) Connect(ctx context.Context) (scenarios.Clusters, []map[string]string, error) {
	contexts := t.contexts()
	clusters := scenarios.Clusters{}
	var environment []map[string]string
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(contexts)) {
		cluster, facts, err := t.connect(ctx, contexts[name])
		if err != nil {
			errs = append(errs, err)
			continue
		}
		clusters[name] = cluster
		facts["cluster"] = name
		if name == "" {
			facts["cluster"] = "target"
		}
		environment = append(environment, facts)
	}
	return clusters, environment, errors.Join(errs...)
}

func (t Target) connect(ctx context.Context, name string) (client.WithWatch, map[string]string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, connectWithin, fmt.Errorf("no answer within %v", connectWithin))
	defer cancel()
	cluster, config, err := t.dial(name)
	if err != nil {
		return nil, nil, err
	}
	facts, err := describe(ctx, config, cluster)
	if err != nil {
		return nil, nil, fmt.Errorf("ask the cluster at %s who it is: %w", config.Host, err)
	}
	if name != "" {
		facts["context"] = name
	}
	return cluster, facts, nil
}

// config finds the cluster as kubectl does.
func (t Target) config(name string) (*rest.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = t.Kubeconfig
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: name}).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("find the cluster: %w: name a kubeconfig with --kubeconfig or $KUBECONFIG and a context with --context, or start the lab with: gameday lab up", err)
	}
	return config, nil
}

// describe asks a cluster for its identity and its versions.
func describe(ctx context.Context, config *rest.Config, cluster client.WithWatch) (map[string]string, error) {
	discover, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, err
	}
	version, err := discover.ServerVersion()
	if err != nil {
		return nil, err
	}
	facts := map[string]string{"kubernetes": version.GitVersion, "clockOffset": clockOffset(ctx, config)}
	var system corev1.Namespace
	if err := cluster.Get(ctx, client.ObjectKey{Name: "kube-system"}, &system); err == nil {
		facts["uid"] = string(system.UID)
	} else {
		facts["uid"] = "unknown: " + err.Error()
	}
	for tool, key := range map[string]client.ObjectKey{
		"chaos-mesh": {Namespace: "chaos-mesh", Name: "chaos-controller-manager"},
		"velero":     {Namespace: velero.DefaultNamespace, Name: "velero"},
	} {
		facts[tool] = imageOf(ctx, cluster, key)
	}
	return facts, nil
}

// imageOf tells a tool's version by its deployment's image, where it is where it is usually installed.
func imageOf(ctx context.Context, cluster client.WithWatch, key client.ObjectKey) string {
	var deployment appsv1.Deployment
	if err := cluster.Get(ctx, key, &deployment); client.IgnoreNotFound(err) != nil {
		return "unknown: " + err.Error()
	} else if err != nil {
		return "not found in namespace " + key.Namespace
	}
	var images []string
	for _, container := range deployment.Spec.Template.Spec.Containers {
		images = append(images, container.Image)
	}
	if version := deployment.Labels["app.kubernetes.io/version"]; version != "" {
		images = append(images, "version "+version)
	}
	return strings.Join(images, ", ")
}
