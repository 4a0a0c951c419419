package fidelity

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
)

// The conditions of the rules in fieldrules.go.

const tokenType = "kubernetes.io/service-account-token"

var publishedMaps = []string{"kube-root-ca.crt", "openshift-service-ca.crt", "istio-ca-root-cert"}

func extraField(_ *pair, d *delta) bool { return !d.hasWant }

// notDeleting keeps an object that is about to go from passing for one that came back.
func notDeleting(_ *pair, d *delta) bool {
	return d.path[1] != "deletionTimestamp" || !d.hasGot
}

// ownerGone notes an owner that did not come back: the object was orphaned. Owners are the same by group, kind and name.
func ownerGone(p *pair, d *delta) bool {
	if len(d.path) > 3 {
		last := d.path[3]
		return last == "uid" || last == "controller" || last == "blockOwnerDeletion" || last == "apiVersion" && sameGroup(d.want, d.got)
	}
	if d.hasWant && !d.hasGot {
		p.c.find(Finding{Object: p.object(), Reason: "orphaned", Path: written(d.path), Names: strings.Trim(d.path[2], "[]")})
		return true
	}
	return d.hasGot && adopted(d.got)
}

// adopted reports whether an owner that the backup does not know is a controller that adopts.
func adopted(v any) bool {
	m, _ := v.(map[string]any)
	return m["controller"] == true && slices.Contains(adopters, textAt(m, "kind"))
}

var adopters = []string{"Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "CronJob", "ReplicationController"}

func sameGroup(want, got any) bool {
	a, _, _ := strings.Cut(canonical2(want), "/")
	b, _, _ := strings.Cut(canonical2(got), "/")
	return a == b
}

func mappedNamespace(p *pair, d *delta) bool {
	from, _ := d.want.(string)
	return d.hasWant && d.hasGot && p.c.options.NamespaceMapping[from] != "" && d.got == p.c.options.NamespaceMapping[from]
}

// statusDropped is false where the status was asked for. A claim that was bound and waits for its volume is a loss in any case.
func statusDropped(p *pair, _ *delta) bool {
	if p.kind == "PersistentVolumeClaim" && p.builtin && textAt(p.want, "status", "phase") == "Bound" && textAt(p.got, "status", "phase") != "Bound" {
		return false
	}
	return !slices.Contains(p.c.options.RestoreStatus, p.resource) && textAt(p.want, "metadata", "annotations", "velero.io/restore-status") != "true"
}

func mappedClass(p *pair, d *delta) bool {
	from, _ := d.want.(string)
	return d.hasWant && d.hasGot && p.c.options.StorageClasses[from] != "" && d.got == p.c.options.StorageClasses[from]
}

func mappedImage(p *pair, d *delta) bool {
	from, _ := d.want.(string)
	for old, substitute := range p.c.options.Images {
		if old != "" && strings.Contains(from, old) && d.got == strings.Replace(from, old, substitute, 1) {
			return true
		}
	}
	return false
}

// notHeadless: a Service without a cluster address, or one by name only, keeps being so.
func notHeadless(p *pair, _ *delta) bool {
	headless := func(o map[string]any) bool { return textAt(o, "spec", "clusterIP") == "None" }
	return headless(p.want) == headless(p.got) && textAt(p.want, "spec", "type") != "ExternalName" && textAt(p.got, "spec", "type") != "ExternalName"
}

const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// nodePortFree follows Velero: a node port is given up unless asked to be kept, or chosen by who applied the Service: so says the
// last-applied annotation (by the port's name, or its number), or without one the managed fields.
func nodePortFree(p *pair, d *delta) bool {
	if p.c.options.PreserveNodePorts {
		return false
	}
	if !d.hasWant {
		return true
	}
	if applied := textAt(p.want, "metadata", "annotations", lastApplied); applied != "" {
		return !appliedPort(applied, p.want, d)
	}
	return !managedField(p.want, "f:ports", portManagers(d.path[2]), "f:nodePort")
}

func appliedPort(applied string, service map[string]any, d *delta) bool {
	var said struct {
		Spec struct {
			Ports []struct {
				Name     string
				NodePort float64
			}
		}
	}
	if json.Unmarshal([]byte(applied), &said) != nil {
		return true // what cannot be read cannot excuse
	}
	name := ""
	list, _ := at(service, "spec", "ports").([]any)
	for _, v := range list {
		m, _ := v.(map[string]any)
		if "["+portKey(v)+"]" == d.path[2] {
			name = textAt(m, "name")
		}
	}
	want, _ := number(d.want)
	for _, port := range said.Spec.Ports {
		if port.NodePort > 0 && (name != "" && port.Name == name || name == "" && port.NodePort == want) {
			return true
		}
	}
	return false
}

// portManagers is the key of a port in managed fields.
func portManagers(segment string) string {
	port, protocol, _ := strings.Cut(strings.Trim(segment, "[]"), "/")
	return `k:{"port":` + port + `,"protocol":"` + protocol + `"}`
}

// managedField reports whether a manager that is no controller set the field under spec.
func managedField(object map[string]any, path ...string) bool {
	managers, _ := at(object, "metadata", "managedFields").([]any)
	for _, v := range managers {
		m, _ := v.(map[string]any)
		if at(m, append([]string{"fieldsV1", "f:spec"}, path...)...) != nil {
			return true
		}
	}
	return false
}

func healthPortFree(p *pair, d *delta) bool {
	if p.c.options.PreserveNodePorts {
		return false
	}
	if textAt(p.want, "spec", "type") != "LoadBalancer" || textAt(p.want, "spec", "externalTrafficPolicy") != "Local" {
		return true
	}
	if applied := textAt(p.want, "metadata", "annotations", lastApplied); applied != "" {
		var said struct{ Spec map[string]any }
		return json.Unmarshal([]byte(applied), &said) == nil && said.Spec["healthCheckNodePort"] == nil
	}
	return !managedField(p.want, "f:healthCheckNodePort")
}

// madeEndpoints: a controller makes them anew, so they follow the pods of the target.
func madeEndpoints(p *pair, _ *delta) bool {
	return p.c.madeEndpoints(&subject{resource: p.res, object: p.want, ns: p.ns, name: p.name})
}

var tokenName = regexp.MustCompile(`-(token|dockercfg)-[a-z0-9]{5}$`)

func tokenEntry(p *pair, d *delta) bool {
	name, ok := strings.CutPrefix(strings.Trim(d.path[1], "[]"), p.name)
	return ok && tokenName.MatchString(name)
}

var tokenVolumes = regexp.MustCompile(`^\[(kube-api-access-[a-z0-9]{5}|.+-token-[a-z0-9]{5})\]$`)

func tokenVolume(p *pair, d *delta) bool {
	if len(d.path) == 3 {
		return tokenVolumes.MatchString(d.path[2])
	}
	return true
}

// hookContainer is an init container that Velero adds for a hook: it names it velero-restore-init-…, or as the hook does.
func hookContainer(p *pair, d *delta) bool {
	name := textAt(p.want, "metadata", "annotations", "init.hook.restore.velero.io/container-name")
	return !d.hasWant && (strings.HasPrefix(d.path[2], "[velero-restore-init-") || name != "" && d.path[2] == "["+name+"]")
}

func defaultToleration(_ *pair, d *delta) bool {
	m, _ := d.got.(map[string]any)
	key := textAt(m, "key")
	return !d.hasWant && (key == "node.kubernetes.io/not-ready" || key == "node.kubernetes.io/unreachable") && textAt(m, "effect") == "NoExecute"
}

func scalerOwned(p *pair, _ *delta) bool { return p.c.scaled[p.kind+" "+p.ns+"/"+p.name] }

func snapshotSource(p *pair, d *delta) bool {
	for _, source := range []any{at(p.want, "spec", "dataSource"), at(p.got, "spec", "dataSource"), at(p.got, "spec", "dataSourceRef")} {
		if m, ok := source.(map[string]any); ok && textAt(m, "kind") != "VolumeSnapshot" {
			return false
		}
	}
	return true
}

// moverSelector: the selector goes where a storage class is set, and the data mover adds one of its own.
func moverSelector(p *pair, d *delta) bool {
	if d.hasGot {
		return len(d.path) == 4 || at(p.got, "spec", "selector", "matchLabels", "velero.io/dynamic-pv-restore") != nil
	}
	return textAt(p.want, "spec", "storageClassName") != ""
}

func grown(_ *pair, d *delta) bool {
	a, errA := quantity(d.want)
	b, errB := quantity(d.got)
	return d.hasWant && d.hasGot && errA == nil && errB == nil && b.Cmp(a) > 0
}

// mappedSubject: under a mapping a subject moves to the mapped namespace, and only so.
func mappedSubject(p *pair, d *delta) bool {
	move := func(v any, to bool) bool {
		m, _ := v.(map[string]any)
		ns := textAt(m, "namespace")
		other := p.c.options.NamespaceMapping[ns]
		if !to {
			other = p.c.back[ns]
		}
		side := p.got
		if !to {
			side = p.want
		}
		list, _ := side["subjects"].([]any)
		return other != "" && slices.ContainsFunc(list, func(v any) bool {
			s, _ := v.(map[string]any)
			return textAt(s, "namespace") == other && textAt(s, "name") == textAt(m, "name") && textAt(s, "kind") == textAt(m, "kind")
		})
	}
	if d.hasWant {
		return move(d.want, true)
	}
	return move(d.got, false)
}

func sideEffects(_ *pair, d *delta) bool {
	return (d.want == "Unknown" || d.want == "Some") && d.got == "None"
}

func preserveUnknown(p *pair, d *delta) bool {
	return at(p.want, "spec", "preserveUnknownFields") == true && (len(d.path) == 2 && d.got != true || d.got == true)
}
