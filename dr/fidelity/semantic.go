package fidelity

import (
	"bytes"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
)

// mergeKeys are the lists that Kubernetes merges by key (the x-kubernetes-list-map-keys of its OpenAPI, and patchMergeKey).
var mergeKeys = map[string][]string{
	"containers":                {"name"},
	"initContainers":            {"name"},
	"ephemeralContainers":       {"name"},
	"env":                       {"name"},
	"volumes":                   {"name"},
	"volumeMounts":              {"mountPath"},
	"volumeDevices":             {"devicePath"},
	"imagePullSecrets":          {"name"},
	"secrets":                   {"name"},
	"hostAliases":               {"ip"},
	"topologySpreadConstraints": {"topologyKey", "whenUnsatisfiable"},
	"conditions":                {"type"},
	"webhooks":                  {"name"},
	"versions":                  {"name"},
	"volumeClaimTemplates":      {"metadata.name"},
	"ownerReferences":           {"kind", "name"},
	"subjects":                  {"kind", "namespace", "name"},
	"resourceClaims":            {"name"},
}

// sets are the lists without order.
var sets = []string{
	"finalizers", "accessModes", "policyTypes", "verbs", "apiGroups", "resources", "resourceNames", "nonResourceURLs", "tolerations",
	"shortNames", "categories", "externalIPs", "loadBalancerSourceRanges", "schedulingGates", "readinessGates", "clusterRoleSelectors",
}

func isSet(name string) bool { return slices.Contains(sets, name) }

// keyOf is how the elements of the list at the path are told apart, or nil.
func keyOf(path []string) func(any) string {
	if len(path) == 0 {
		return nil
	}
	name := path[len(path)-1]
	if name == "ports" {
		return portKey
	}
	fields, ok := mergeKeys[name]
	if !ok {
		return nil
	}
	return func(v any) string {
		m, isMap := v.(map[string]any)
		if !isMap {
			return canonical(v)
		}
		parts := make([]string, 0, len(fields))
		for _, f := range fields {
			if s := canonical2(at(m, strings.Split(f, ".")...)); s != "" {
				parts = append(parts, s)
			}
		}
		return strings.Join(parts, ",")
	}
}

func canonical2(v any) string {
	if v == nil {
		return ""
	}
	return canonical(v)
}

// portKey tells ports apart by number and protocol, of a Service as of a container, an endpoint or a policy.
func portKey(v any) string {
	m, _ := v.(map[string]any)
	protocol := textAt(m, "protocol")
	if protocol == "" {
		protocol = "TCP"
	}
	port := m["containerPort"]
	if port == nil {
		port = m["port"]
	}
	return canonical2(port) + "/" + protocol
}

// quantities are the maps and fields whose values are quantities.
var quantities = []string{"limits", "requests", "hard", "capacity", "min", "max", "default", "defaultRequest", "maxLimitRequestRatio", "overhead"}

var quantityFields = []string{"sizeLimit", "divisor", "averageValue"}

// intOrString are the fields that hold a number or its text.
var intOrString = []string{"port", "targetPort", "maxSurge", "maxUnavailable", "minAvailable", "number"}

// means reports whether two unlike scalars say the same. Labels, annotations and data are text, and compared as such.
func (w *walker) means(want, got any) bool {
	if a, ok := number(want); ok {
		if b, ok := number(got); ok {
			return a == b && w.semantic()
		}
	}
	if !w.pair.builtin || len(w.path) < 2 {
		return false
	}
	name, parent := w.last(), w.path[len(w.path)-2]
	switch {
	case slices.Contains([]string{"labels", "annotations", "matchLabels", "nodeSelector"}, parent):
		return false
	case w.pair.kind == "Secret" && len(w.path) == 2 && parent == "data":
		return sameBytes(want, got) && w.semantic()
	case w.pair.kind == "Secret" || w.pair.kind == "ConfigMap":
		return false
	case slices.Contains(quantities, parent) || slices.Contains(quantityFields, name):
		return sameQuantity(want, got) && w.semantic()
	case slices.Contains(intOrString, name):
		return canonical(want) == canonical(got) && w.semantic()
	case strings.HasSuffix(name, "Time") || strings.HasSuffix(name, "Timestamp"):
		return sameTime(want, got) && w.semantic()
	}
	return false
}

// semantic counts a use of the rule about meanings.
func (w *walker) semantic() bool {
	w.found(&delta{path: slices.Clone(w.path), semantic: true})
	return true
}

func number(v any) (float64, bool) {
	switch x := v.(type) {
	case int64:
		return float64(x), true
	case float64:
		return x, true
	}
	return 0, false
}

func sameBytes(want, got any) bool {
	a, okA := want.(string)
	b, okB := got.(string)
	if !okA || !okB {
		return false
	}
	x, errX := base64.StdEncoding.DecodeString(a)
	y, errY := base64.StdEncoding.DecodeString(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

func sameQuantity(want, got any) bool {
	a, errA := quantity(want)
	b, errB := quantity(got)
	return errA == nil && errB == nil && a.Cmp(b) == 0
}

func quantity(v any) (resource.Quantity, error) {
	if f, ok := v.(float64); ok {
		return resource.ParseQuantity(strconv.FormatFloat(f, 'f', -1, 64))
	}
	return resource.ParseQuantity(canonical2(v))
}

func sameTime(want, got any) bool {
	a, errA := time.Parse(time.RFC3339Nano, canonical(want))
	b, errB := time.Parse(time.RFC3339Nano, canonical(got))
	return errA == nil && errB == nil && a.Equal(b)
}

// emptyMaps are the maps of Kubernetes' own kinds that say nothing when empty. An empty emptyDir or podSelector says much.
var emptyMaps = []string{
	"labels", "annotations", "resources", "limits", "requests", "status", "securityContext", "strategy", "updateStrategy", "loadBalancer",
	"nodeSelector", "data", "binaryData", "matchLabels", "metadata", "affinity",
}

// empty reports whether a one-sided value says nothing (ALL-9): a typed client writes and omits such values at will.
func empty(p *pair, d *delta) bool {
	if d.hasWant && d.hasGot {
		return false
	}
	side := d.want
	if !d.hasWant {
		side = d.got
	}
	name := d.path[len(d.path)-1]
	inMeta := len(d.path) == 2 && d.path[0] == "metadata"
	switch x := side.(type) {
	case map[string]any:
		if !inMeta && !p.builtin || len(x) > 0 && name != "resources" {
			return false
		}
		return len(x) == 0 && (inMeta || slices.Contains(emptyMaps, name))
	case []any:
		return len(x) == 0 && (inMeta || p.builtin)
	case string:
		return x == "" && p.builtin && slices.Contains([]string{"apiGroup", "namespace", "healthCheckNodePort"}, name)
	}
	return false
}

// defaults are what API servers fill in where an older backup says nothing (ALL-11; the SetDefaults of k8s.io/kubernetes/pkg/apis).
var defaults = map[string]any{
	"terminationGracePeriodSeconds": int64(30), "dnsPolicy": "ClusterFirst", "schedulerName": "default-scheduler",
	"terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File", "revisionHistoryLimit": int64(10),
	"progressDeadlineSeconds": int64(600), "protocol": "TCP", "sessionAffinity": "None", "internalTrafficPolicy": "Cluster",
	"defaultMode": int64(420), "successThreshold": int64(1), "failureThreshold": int64(3), "periodSeconds": int64(10),
	"timeoutSeconds": int64(1), "podManagementPolicy": "OrderedReady", "completionMode": "NonIndexed", "backoffLimit": int64(6),
	"concurrencyPolicy": "Allow", "successfulJobsHistoryLimit": int64(3), "failedJobsHistoryLimit": int64(1),
	"volumeMode": "Filesystem", "enableServiceLinks": true, "preemptionPolicy": "PreemptLowerPriority",
	"podReplacementPolicy": "TerminatingOrFailed", "allocateLoadBalancerNodePorts": true, "scheme": "HTTP",
}

func defaulted(p *pair, d *delta) bool {
	want, known := defaults[d.path[len(d.path)-1]]
	return known && p.builtin && !d.hasWant && d.got == want && d.path[0] == "spec"
}
