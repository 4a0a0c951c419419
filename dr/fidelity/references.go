package fidelity

import (
	"cmp"
	"encoding/base64"
	"regexp"
	"slices"
	"strings"
)

// references are what the restored objects name, and what is there to be named.
type references struct {
	named  map[[2]string]Finding      // group-resource and key at the target, to who names it first
	exists map[string]map[string]bool // by group-resource; only those that can be named
	listed map[string]bool
}

const (
	storageClasses  = "storageclasses.storage.k8s.io"
	priorityClasses = "priorityclasses.scheduling.k8s.io"
	ingressClasses  = "ingressclasses.networking.k8s.io"
	clusterRoles    = "clusterroles.rbac.authorization.k8s.io"
	rolesResource   = "roles.rbac.authorization.k8s.io"
)

func (r *references) init() {
	r.named, r.listed, r.exists = map[[2]string]Finding{}, map[string]bool{}, map[string]map[string]bool{}
	for _, name := range []string{
		"configmaps", "secrets", "serviceaccounts", "persistentvolumeclaims", "services", storageClasses, priorityClasses, ingressClasses, clusterRoles, rolesResource,
	} {
		r.exists[name] = map[string]bool{}
	}
}

func (r *references) there(resource, key string) {
	if set := r.exists[resource]; set != nil {
		set[key] = true
	}
}

// wants reports whether anything names an object of the group-resource.
func (r *references) wants(resource string) bool {
	for key := range r.named {
		if key[0] == resource {
			return true
		}
	}
	return false
}

func (r *references) name(p *pair, resource, ns, name, path string) {
	key := [2]string{resource, ns + "/" + name}
	if _, known := r.named[key]; known || name == "" {
		return
	}
	r.named[key] = Finding{Object: p.object(), Reason: "dangling", Path: path, Names: resource + " " + strings.TrimPrefix(key[1], "/")}
}

// judge reports the references that lead nowhere.
func (r *references) judge(c *comparison) {
	var out []Finding
	for key, f := range r.named {
		if !r.exists[key[0]][key[1]] {
			out = append(out, f)
		}
	}
	slices.SortFunc(out, func(a, b Finding) int { return cmp.Compare(a.Names, b.Names) })
	for _, f := range out {
		c.find(f)
	}
}

// of collects what a restored object names.
func (r *references) of(c *comparison, p *pair) {
	ns := textAt(p.got, "metadata", "namespace")
	if p.builtin {
		for _, path := range [][]string{{"spec"}, {"spec", "template", "spec"}, {"spec", "jobTemplate", "spec", "template", "spec"}} {
			if spec, ok := at(p.got, path...).(map[string]any); ok && spec["containers"] != nil {
				r.ofPod(p, spec, ns, strings.Join(path, ".")+".")
			}
		}
		r.ofKind(p, ns)
	}
	if len(c.options.NamespaceMapping) > 0 {
		r.production(c, p, p.got, nil)
	}
}

func (r *references) ofKind(p *pair, ns string) {
	switch p.kind {
	case "PersistentVolumeClaim":
		r.name(p, storageClasses, "", textAt(p.got, "spec", "storageClassName"), "spec.storageClassName")
	case "StatefulSet":
		each(at(p.got, "spec", "volumeClaimTemplates"), func(m map[string]any) {
			r.name(p, storageClasses, "", textAt(m, "spec", "storageClassName"), "spec.volumeClaimTemplates["+textAt(m, "metadata", "name")+"].spec.storageClassName")
		})
	case "Ingress":
		r.name(p, ingressClasses, "", textAt(p.got, "spec", "ingressClassName"), "spec.ingressClassName")
		each(at(p.got, "spec", "tls"), func(m map[string]any) { r.name(p, "secrets", ns, textAt(m, "secretName"), "spec.tls.secretName") })
	case "ServiceAccount":
		for _, field := range []string{"secrets", "imagePullSecrets"} {
			each(p.got[field], func(m map[string]any) { r.name(p, "secrets", ns, textAt(m, "name"), field) })
		}
	case "RoleBinding", "ClusterRoleBinding":
		resource, of := clusterRoles, ""
		if textAt(p.got, "roleRef", "kind") == "Role" {
			resource, of = rolesResource, ns
		}
		r.name(p, resource, of, textAt(p.got, "roleRef", "name"), "roleRef")
	}
}

func (r *references) ofPod(p *pair, spec map[string]any, ns, at0 string) {
	r.name(p, priorityClasses, "", textAt(spec, "priorityClassName"), at0+"priorityClassName")
	r.name(p, "serviceaccounts", ns, textAt(spec, "serviceAccountName"), at0+"serviceAccountName")
	each(spec["imagePullSecrets"], func(m map[string]any) { r.name(p, "secrets", ns, textAt(m, "name"), at0+"imagePullSecrets") })
	optional := func(m map[string]any) bool { return m["optional"] == true }
	configured := func(m map[string]any, path string) {
		for field, resource := range map[string]string{"configMap": "configmaps", "secret": "secrets", "configMapRef": "configmaps", "secretRef": "secrets", "configMapKeyRef": "configmaps", "secretKeyRef": "secrets"} {
			if ref, ok := m[field].(map[string]any); ok && !optional(ref) {
				r.name(p, resource, ns, cmp.Or(textAt(ref, "name"), textAt(ref, "secretName")), path+"."+field)
			}
		}
	}
	each(spec["volumes"], func(m map[string]any) {
		path := at0 + "volumes[" + textAt(m, "name") + "]"
		r.name(p, "persistentvolumeclaims", ns, textAt(m, "persistentVolumeClaim", "claimName"), path)
		configured(m, path)
		each(at(m, "projected", "sources"), func(s map[string]any) { configured(s, path+".projected") })
	})
	for _, list := range []string{"initContainers", "containers"} {
		each(spec[list], func(m map[string]any) {
			path := at0 + list + "[" + textAt(m, "name") + "]"
			each(m["envFrom"], func(e map[string]any) { configured(e, path+".envFrom") })
			each(m["env"], func(e map[string]any) {
				if from, ok := e["valueFrom"].(map[string]any); ok {
					configured(from, path+".env["+textAt(e, "name")+"]")
				}
			})
		})
	}
}

func each(list any, do func(map[string]any)) {
	elements, _ := list.([]any)
	for _, e := range elements {
		if m, ok := e.(map[string]any); ok {
			do(m)
		}
	}
}

// production reports where a restored object names a namespace that it was mapped away from (ALL-18): Velero changes no such
// reference, so the sandbox would talk to production. The last-applied annotation does not act.
func (r *references) production(c *comparison, p *pair, v any, path []string) {
	switch x := v.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(mapKeys(x)) {
			if len(path) == 0 && key == "status" || len(path) == 1 && path[0] == "metadata" && key == "managedFields" || key == lastApplied {
				continue
			}
			r.production(c, p, x[key], append(path, key))
		}
	case []any:
		for _, e := range x {
			r.production(c, p, e, append(path, "[*]"))
		}
	case string:
		if p.kind == "Secret" && path[0] == "data" {
			if plain, err := base64.StdEncoding.DecodeString(x); err == nil {
				x = string(plain)
			}
		}
		for from, to := range c.options.NamespaceMapping {
			if from != to && c.namesNamespace(x, from, path) {
				c.find(Finding{Object: p.object(), Reason: "production", Path: written(path), Names: "namespace " + from})
			}
		}
	}
}

func mapKeys(m map[string]any) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

var hostName = regexp.MustCompile(`[a-z0-9][-a-z0-9]*(?:\.[a-z0-9][-a-z0-9]*)+`)

// namesNamespace: a field called namespace that holds it, the namespace's own label in a selector, or a host name of a Service in it.
func (c *comparison) namesNamespace(s, ns string, path []string) bool {
	last := path[len(path)-1]
	if s == ns {
		inList := last == "[*]" && len(path) > 1 && path[len(path)-2] == "namespaces"
		return last == "namespace" || inList || last == "kubernetes.io/metadata.name" && path[0] != "metadata"
	}
	if !strings.Contains(s, "."+ns) {
		return false
	}
	for _, host := range hostName.FindAllString(s, -1) {
		parts := strings.Split(host, ".")
		for i := 1; i < len(parts); i++ {
			followed := i+1 < len(parts) && parts[i+1] == "svc"
			if parts[i] == ns && (followed || i+1 == len(parts) && c.services[ns+"/"+parts[i-1]]) {
				return true
			}
		}
	}
	return false
}
