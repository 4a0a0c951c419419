package fidelity

import (
	"slices"
	"strings"
)

// excluded are the group-resources that Velero never restores (pkg/controller/restore_controller.go nonRestorableResources), and those
// that are a cluster's own state of the moment.
var excluded = []string{
	"nodes", "events", "events.events.k8s.io", "backups.velero.io", "restores.velero.io", "resticrepositories.velero.io",
	"csinodes.storage.k8s.io", "volumeattachments.storage.k8s.io", "backuprepositories.velero.io",
}

var momentary = []string{"leases.coordination.k8s.io", "componentstatuses"}

func ofTheMoment(s *subject) bool {
	name := s.resource.GroupResource()
	return slices.Contains(momentary, name) || s.resource.Group == "metrics.k8s.io" || strings.HasSuffix(s.resource.Kind, "Review")
}

// objectRules say which objects of a backup need not come back, and which may be at the target without having been in it.
func objectRules() []*objectRule {
	both := func(f func(*comparison, *subject) bool, r objectRule) *objectRule {
		r.absent, r.extra = f, f
		return &r
	}
	snapshots := []string{"VolumeSnapshot.snapshot.storage.k8s.io", "VolumeSnapshotContent.snapshot.storage.k8s.io"}
	return []*objectRule{
		both(func(_ *comparison, s *subject) bool { return slices.Contains(excluded, s.resource.GroupResource()) },
			objectRule{id: "OBJ-1", source: "pkg/controller/restore_controller.go nonRestorableResources", by: "velero"}),
		both(func(_ *comparison, s *subject) bool { return ofTheMoment(s) },
			objectRule{id: "OBJ-2", source: "a cluster's own state of the moment", by: "kubernetes"}),
		both((*comparison).madeEndpoints,
			objectRule{id: "EP-2", source: "kube-controller-manager endpoint and endpointslice controllers; velero#6103", kinds: []string{"Endpoints", "EndpointSlice.discovery.k8s.io"}, by: "kubernetes"}),
		both(func(_ *comparison, s *subject) bool {
			return s.text("type") == tokenType && tokenName.MatchString(s.name)
		}, objectRule{id: "SEC-2", source: "pkg/restore/actions/secret_action.go; token controller", kinds: []string{"Secret"}, by: "velero"}),
		both(func(_ *comparison, s *subject) bool {
			return textAt(s.object, "metadata", "labels", "kube-aggregator.kubernetes.io/automanaged") != ""
		}, objectRule{id: "API-2", source: "pkg/restore/actions/apiservice_action.go", kinds: []string{"APIService.apiregistration.k8s.io"}, by: "velero"}),
		both(func(*comparison, *subject) bool { return true },
			objectRule{id: "VS-2", source: "pkg/restore/actions/csi: restored under other names", kinds: snapshots, by: "velero"}),
		{id: "POD-7", source: "pkg/restore/restore.go, mirror pods and completed pods are skipped", kinds: []string{"Pod"}, by: "velero", absent: func(_ *comparison, s *subject) bool {
			phase := s.text("status", "phase")
			return phase == "Succeeded" || phase == "Failed" || s.text("metadata", "annotations", "kubernetes.io/config.mirror") != ""
		}},
		{id: "JOB-3", source: "pkg/restore/restore.go, completed jobs are skipped", kinds: []string{"Job.batch"}, by: "velero", absent: func(_ *comparison, s *subject) bool {
			return at(s.object, "status", "completionTime") != nil
		}},
		{id: "OWN-1", source: "kube-controller-manager makes it anew from its owner's template", kinds: []string{"Pod", "ControllerRevision.apps"}, by: "kubernetes", absent: (*comparison).ownerInBackup},
		{id: "OWN-2", source: "an old revision without replicas", kinds: []string{"ReplicaSet.apps"}, by: "kubernetes", absent: func(c *comparison, s *subject) bool {
			n, isNumber := number(at(s.object, "spec", "replicas"))
			return isNumber && n == 0 && c.ownerInBackup(s)
		}},
		{id: "OWN-3", source: "made by its controller at the target", kinds: []string{"Pod", "ReplicaSet.apps", "ControllerRevision.apps", "Job.batch"}, by: "kubernetes", extra: func(_ *comparison, s *subject) bool {
			return slices.ContainsFunc(owners(s.object), adopted)
		}},
		{id: "PV-6", source: "provisioned anew for its claim, which is compared", kinds: []string{"PersistentVolume"}, by: "velero", absent: func(c *comparison, s *subject) bool {
			return s.text("metadata", "annotations", "pv.kubernetes.io/provisioned-by") != "" && c.truth.has("persistentvolumeclaims", claimKey(s.object)) && c.boundClaims[c.mapKey(claimKey(s.object))]
		}},
		{id: "SA-2", source: "kube-controller-manager makes one in each namespace", kinds: []string{"ServiceAccount"}, by: "kubernetes", extra: func(_ *comparison, s *subject) bool { return s.name == "default" }},
		{id: "CM-3", source: "published per cluster; velero#6818", kinds: []string{"ConfigMap"}, by: "kubernetes", extra: func(_ *comparison, s *subject) bool { return slices.Contains(publishedMaps, s.name) }},
	}
}

func owners(object map[string]any) []any {
	list, _ := at(object, "metadata", "ownerReferences").([]any)
	return list
}

// ownerInBackup reports whether a controller that makes the object anew is in the backup itself.
func (c *comparison) ownerInBackup(s *subject) bool {
	return slices.ContainsFunc(owners(s.object), func(v any) bool {
		m, _ := v.(map[string]any)
		group, _, grouped := strings.Cut(textAt(m, "apiVersion"), "/")
		if !grouped {
			group = ""
		}
		return adopted(v) && c.truth.has(c.kinds[group+"/"+textAt(m, "kind")], s.ns+"/"+textAt(m, "name"))
	})
}

// madeEndpoints reports whether a controller makes the endpoints: of a Service with a selector, or slices that say so.
func (c *comparison) madeEndpoints(s *subject) bool {
	manager := s.text("metadata", "labels", "endpointslice.kubernetes.io/managed-by")
	if manager == "endpointslice-controller.k8s.io" || manager == "endpointslicemirroring-controller.k8s.io" {
		return true
	}
	return s.resource.Kind != "EndpointSlice" && c.selecting[c.backKey(s.ns)+"/"+s.name]
}

func claimKey(pv map[string]any) string {
	return textAt(pv, "spec", "claimRef", "namespace") + "/" + textAt(pv, "spec", "claimRef", "name")
}
