package addons

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// ChaosMeshNamespace is where Chaos Mesh runs.
const ChaosMeshNamespace = "chaos-mesh"

// ChaosMeshChart is Chaos Mesh's own chart and what to fill in.
type ChaosMeshChart struct {
	Version    string
	Helm       string // program
	Chart      string // folder
	Controller string // image
	Daemon     string // image
	Pause      string // image that a pod-failure puts in place of the real one
}

// Render has the chart rendered by Helm. Every rendering makes new certificates,
// so it is done once a cluster and kept.
func (c ChaosMeshChart) Render(ctx context.Context) (Addon, error) {
	addon := Addon{Name: "chaos-mesh", Version: c.Version}
	args := []string{"template", "chaos-mesh", c.Chart, "--namespace", ChaosMeshNamespace, "--include-crds"}
	values := []string{
		"controllerManager.replicaCount=1",
		"controllerManager.leaderElection.enabled=false",
		"controllerManager.podChaos.podFailure.pauseImage=" + c.Pause,
		"controllerManager.resources.requests.memory=64Mi",
		"chaosDaemon.runtime=containerd",
		"chaosDaemon.socketPath=/run/containerd/containerd.sock",
		"dashboard.create=false",
		"dnsServer.create=false",
		"enableProfiling=false",
	}
	for name, image := range map[string]string{"controllerManager": c.Controller, "chaosDaemon": c.Daemon} {
		registry, repository, tag, err := split(image)
		if err != nil {
			return addon, fmt.Errorf("render Chaos Mesh: %w", err)
		}
		values = append(values, name+".image.registry="+registry, name+".image.repository="+repository)
		// A tag of digits only is a string all the same.
		args = append(args, "--set-string", name+".image.tag="+tag)
	}
	for _, value := range values {
		args = append(args, "--set", value)
	}
	text, err := run(ctx, exec.CommandContext(ctx, c.Helm, args...))
	if err != nil {
		return addon, fmt.Errorf("render Chaos Mesh: %w", err)
	}
	if addon.Objects, err = decode(text); err != nil {
		return addon, fmt.Errorf("render Chaos Mesh: %w", err)
	}
	namespace := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace"}}
	namespace.SetName(ChaosMeshNamespace)
	addon.Objects = append(addon.Objects, namespace)
	for _, object := range addon.Objects {
		if object.GetKind() == "CustomResourceDefinition" {
			addPartitionBehavior(object.Object)
		}
	}
	if _, err := os.Stat("/lib/modules"); errors.Is(err, fs.ErrNotExist) {
		dropModules(addon.Objects)
	}
	return addon, nil
}

// addPartitionBehavior completes schemas that are older than the controller: it
// writes the field into every NetworkChaos, and where a schema does not know it,
// the controller's own updates are refused ("Cannot update chaos spec").
func addPartitionBehavior(node any) {
	switch n := node.(type) {
	case []any:
		for _, child := range n {
			addPartitionBehavior(child)
		}
	case map[string]any:
		if properties, ok := n["properties"].(map[string]any); ok {
			completeSchema(properties)
		}
		for _, child := range n {
			addPartitionBehavior(child)
		}
	}
}

func completeSchema(properties map[string]any) {
	has := func(names ...string) bool {
		for _, name := range names {
			if _, ok := properties[name]; !ok {
				return false
			}
		}
		return true
	}
	if has("partitionBehavior") {
		return
	}
	field := map[string]any{"type": "string", "enum": []any{"drop", "reject"}}
	switch {
	case has("action", "direction", "externalTargets"): // the spec of a NetworkChaos, also inside schedules and workflows
		field["default"] = "drop"
		properties["partitionBehavior"] = field
	case has("direction", "ipsets", "name"): // a rule of a PodNetworkChaos
		properties["partitionBehavior"] = field
	}
}

// dropModules takes the kernel's modules out of the daemon where there are none:
// the folder would be made on the host only to be mounted.
func dropModules(objects []*unstructured.Unstructured) {
	const name = "lib-modules"
	named := func(item any) bool {
		m, ok := item.(map[string]any)
		return ok && m["name"] == name
	}
	for _, object := range objects {
		if object.GetKind() == "DaemonSet" {
			filter(object.Object, named)
		}
	}
}

// filter removes the items that are meant from every list below node.
func filter(node map[string]any, meant func(any) bool) {
	for key, child := range node {
		switch c := child.(type) {
		case map[string]any:
			filter(c, meant)
		case []any:
			var kept []any
			for _, item := range c {
				if meant(item) {
					continue
				}
				if m, ok := item.(map[string]any); ok {
					filter(m, meant)
				}
				kept = append(kept, item)
			}
			node[key] = kept
		}
	}
}

// run runs an installer and returns what it printed.
func run(ctx context.Context, cmd *exec.Cmd) ([]byte, error) {
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w: %s", cmd.Args[0], err, strings.TrimSpace(complaint.String())), context.Cause(ctx))
	}
	return out.Bytes(), nil
}
