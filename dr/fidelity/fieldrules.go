package fidelity

import "slices"

// fieldRules are the differences that a faithful restore makes. The sources are Velero's (v1.18) unless said; what no rule names is
// compared as it stands, finalizers, labels and annotations included (ALL-5).
func fieldRules() []*rule {
	rules := slices.Concat(everyKind(), coreKinds(), workloadKinds(), volumeKinds(), clusterKinds())
	for _, r := range rules {
		r.by = "velero"
	}
	return rules
}

func everyKind() []*rule {
	return []*rule{
		{id: "ALL-1", class: Drop, source: "pkg/restore/restore.go resetMetadata", paths: []string{
			"metadata.uid", "metadata.resourceVersion", "metadata.generation", "metadata.creationTimestamp", "metadata.deletionTimestamp",
			"metadata.deletionGracePeriodSeconds", "metadata.selfLink", "metadata.generateName",
		}, when: notDeleting},
		{id: "ALL-2", class: Semantic, source: "pkg/restore/restore.go resetMetadata; velero#4707", paths: []string{"metadata.ownerReferences[*]", "metadata.ownerReferences[*].**"}, when: ownerGone},
		{id: "ALL-3", class: Drop, source: "pkg/restore/restore.go, managedFields patched back", paths: []string{"metadata.managedFields"}},
		{id: "ALL-4", class: Drop, source: "pkg/restore/restore.go addRestoreLabels", paths: []string{
			`metadata.labels["velero.io/backup-name"]`, `metadata.labels["velero.io/restore-name"]`,
		}},
		{id: "ALL-6", class: Map, source: "RestoreSpec.namespaceMapping", paths: []string{"metadata.namespace"}, when: mappedNamespace},
		{id: "ALL-7", class: Drop, source: "pkg/restore/restore.go resetStatus", paths: []string{"status", "status.**"}, when: statusDropped},
		{id: "ALL-9", class: Semantic, source: "pkg/restore/actions, typed round trip", paths: []string{"**"}, when: empty},
		{id: "ALL-11", class: Semantic, source: "k8s.io/kubernetes/pkg/apis SetDefaults", paths: []string{"**"}, when: defaulted},
		{id: "ALL-13", class: Map, source: "pkg/restore/actions/change_storageclass_action.go", kinds: []string{"PersistentVolumeClaim", "PersistentVolume", "StatefulSet"}, paths: []string{
			"spec.storageClassName", "spec.volumeClaimTemplates[*].spec.storageClassName",
			`metadata.annotations["volume.beta.kubernetes.io/storage-class"]`,
			`spec.volumeClaimTemplates[*].metadata.annotations["volume.beta.kubernetes.io/storage-class"]`,
		}, when: mappedClass},
		{id: "ALL-13i", class: Map, source: "pkg/restore/actions/change_image_name_action.go", paths: []string{
			"spec.containers[*].image", "spec.initContainers[*].image", "spec.template.spec.containers[*].image", "spec.template.spec.initContainers[*].image",
			"spec.jobTemplate.spec.template.spec.containers[*].image", "spec.jobTemplate.spec.template.spec.initContainers[*].image",
		}, when: mappedImage},
		{id: "ALL-16", class: Semantic, source: "structured-merge-diff; k8s.io/apimachinery resource.Quantity, intstr, metav1.Time", when: func(*pair, *delta) bool { return false }},
	}
}

func coreKinds() []*rule {
	return []*rule{
		{id: "NS-1", class: Map, source: "pkg/restore/restore.go, namespace created by mapping", kinds: []string{"Namespace"}, paths: []string{
			"metadata.name", `metadata.labels["kubernetes.io/metadata.name"]`,
		}, when: mappedNamespace},
		{id: "NS-2", class: Allowed, source: "OpenShift allocates security ranges per cluster", kinds: []string{"Namespace"}, paths: []string{`metadata.annotations["openshift.io/sa.scc.*"]`}},
		{id: "SVC-1", class: Allowed, source: "pkg/restore/actions/service_action.go Execute", kinds: []string{"Service"}, paths: []string{"spec.clusterIP", "spec.clusterIPs", "spec.clusterIPs[*]"}, when: notHeadless},
		{id: "SVC-2", class: Allowed, source: "the target cluster's address families", kinds: []string{"Service"}, paths: []string{"spec.ipFamilies", "spec.ipFamilies[*]", "spec.ipFamilyPolicy"}, when: notHeadless},
		{id: "SVC-3", class: Allowed, source: "pkg/restore/actions/service_action.go deleteNodePorts", kinds: []string{"Service"}, paths: []string{"spec.ports[*].nodePort"}, when: nodePortFree},
		{id: "SVC-4", class: Allowed, source: "pkg/restore/actions/service_action.go deleteHealthCheckNodePort", kinds: []string{"Service"}, paths: []string{"spec.healthCheckNodePort"}, when: healthPortFree},
		{id: "EP-1", class: Allowed, source: "kube-controller-manager endpoint and endpointslice controllers; velero#6103", kinds: []string{"Endpoints", "EndpointSlice.discovery.k8s.io"}, paths: []string{
			"subsets", "subsets.**", "endpoints", "endpoints.**", "ports", "ports.**", "addressType", "metadata.annotations.**", "metadata.labels.**", "metadata.ownerReferences.**",
		}, when: madeEndpoints},
		{id: "SA-1", class: Allowed, source: "pkg/restore/actions/service_account_action.go", kinds: []string{"ServiceAccount"}, paths: []string{"secrets[*]", "imagePullSecrets[*]"}, when: tokenEntry},
		{id: "SEC-1", class: Allowed, source: "pkg/restore/actions/secret_action.go", kinds: []string{"Secret"}, paths: []string{
			`metadata.annotations["kubernetes.io/service-account.uid"]`, "data.token", `data["ca.crt"]`,
		}, when: func(p *pair, _ *delta) bool { return textAt(p.want, "type") == tokenType }},
		{id: "CM-1", class: Allowed, source: "published per cluster; velero#6818", kinds: []string{"ConfigMap"}, paths: []string{"data.**", "metadata.**"}, when: func(p *pair, _ *delta) bool {
			return slices.Contains(publishedMaps, p.name)
		}},
		{id: "CM-2", class: Allowed, source: "client-go leader election", kinds: []string{"ConfigMap", "Endpoints"}, paths: []string{`metadata.annotations["control-plane.alpha.kubernetes.io/leader"]`}},
		{id: "POD-1", class: Allowed, source: "pkg/restore/actions/pod_action.go", kinds: []string{"Pod"}, paths: []string{"spec.nodeName", "spec.priority"}},
		{id: "POD-2", class: Allowed, source: "pkg/restore/actions/pod_action.go; the ServiceAccount admission plugin", kinds: []string{"Pod"}, paths: []string{
			"spec.volumes[*]", "spec.containers[*].volumeMounts[/var/run/secrets/kubernetes.io/serviceaccount]", "spec.initContainers[*].volumeMounts[/var/run/secrets/kubernetes.io/serviceaccount]",
			"spec.containers[*].volumeMounts[/var/run/secrets/kubernetes.io/serviceaccount].name", "spec.initContainers[*].volumeMounts[/var/run/secrets/kubernetes.io/serviceaccount].name",
		}, when: tokenVolume},
		{id: "POD-3", class: Allowed, source: "pkg/restore/actions/pod_volume_restore_action.go", kinds: []string{"Pod"}, paths: []string{"spec.initContainers[restore-wait]"}, when: extraField},
		{id: "POD-4", class: Allowed, source: "pkg/restore/actions/init_restorehook_pod_action.go", kinds: []string{"Pod"}, paths: []string{"spec.initContainers[*]"}, when: hookContainer},
		{id: "POD-5", class: Semantic, source: "the DefaultTolerationSeconds admission plugin", kinds: []string{"Pod"}, paths: []string{"spec.tolerations[*]"}, when: defaultToleration},
	}
}

func workloadKinds() []*rule {
	scaled := []string{"Deployment.apps", "StatefulSet.apps", "ReplicaSet.apps"}
	return []*rule{
		{id: "WL-1", class: Allowed, source: "a scaler in the backup owns the number", kinds: scaled, paths: []string{"spec.replicas"}, when: scalerOwned},
		{id: "WL-2", class: Allowed, source: "kube-controller-manager deployment controller", kinds: []string{"Deployment.apps", "ReplicaSet.apps"}, paths: []string{`metadata.annotations["deployment.kubernetes.io/*"]`}},
		{id: "WL-3", class: Allowed, source: "kube-controller-manager history", kinds: []string{"ControllerRevision.apps"}, paths: []string{"revision"}},
		{id: "JOB-1", class: Allowed, source: "pkg/restore/actions/job_action.go", kinds: []string{"Job.batch"}, paths: []string{
			"spec.selector.matchLabels.controller-uid", `spec.selector.matchLabels["batch.kubernetes.io/controller-uid"]`,
			"spec.template.metadata.labels.controller-uid", `spec.template.metadata.labels["batch.kubernetes.io/controller-uid"]`,
			"metadata.labels.controller-uid", `metadata.labels["batch.kubernetes.io/controller-uid"]`,
		}},
		{id: "JOB-2", class: Allowed, source: "kube-controller-manager job controller labels its pods", kinds: []string{"Pod"}, paths: []string{
			"metadata.labels.controller-uid", `metadata.labels["batch.kubernetes.io/controller-uid"]`,
		}},
		{id: "HPA-1", class: Semantic, source: "k8s.io/kubernetes/pkg/apis/autoscaling/v1 conversion", kinds: []string{"HorizontalPodAutoscaler.autoscaling"}, paths: []string{`metadata.annotations["autoscaling.alpha.kubernetes.io/*"]`}},
	}
}

func volumeKinds() []*rule {
	return []*rule{
		{id: "PVC-1", class: Allowed, source: "pkg/restore/actions/pvc_action.go", kinds: []string{"PersistentVolumeClaim"}, paths: []string{
			`metadata.annotations["pv.kubernetes.io/bind-completed"]`, `metadata.annotations["pv.kubernetes.io/bound-by-controller"]`,
			`metadata.annotations["volume.kubernetes.io/storage-provisioner"]`, `metadata.annotations["volume.beta.kubernetes.io/storage-provisioner"]`,
			`metadata.annotations["volume.kubernetes.io/selected-node"]`, `metadata.annotations["velero.io/volume-snapshot-name"]`,
			`metadata.annotations["velero.io/data-upload-name"]`, `metadata.annotations["backup.velero.io/*"]`, `metadata.annotations["velero.io/csi-*"]`,
			`metadata.annotations["velero.io/must-include-additional-items"]`, `metadata.labels["velero.io/volume-snapshot-name"]`, `metadata.labels["velero.io/must-include-additional-items"]`,
		}},
		{id: "PVC-2", class: Allowed, source: "pkg/restore/actions/pvc_action.go; provisioned anew", kinds: []string{"PersistentVolumeClaim"}, paths: []string{"spec.volumeName"}},
		{id: "PVC-3", class: Allowed, source: "pkg/restore/actions/csi/pvc_action.go", kinds: []string{"PersistentVolumeClaim"}, paths: []string{
			"spec.dataSource", "spec.dataSource.**", "spec.dataSourceRef", "spec.dataSourceRef.**",
		}, when: snapshotSource},
		{id: "PVC-4", class: Allowed, source: "pkg/restore/actions/pvc_action.go; csi/pvc_action.go (data mover)", kinds: []string{"PersistentVolumeClaim"}, paths: []string{"spec.selector", `spec.selector.matchLabels["velero.io/dynamic-pv-restore"]`}, when: moverSelector},
		{id: "PVC-5", class: Allowed, source: "pkg/restore/actions/csi/pvc_action.go, restoreSize", kinds: []string{"PersistentVolumeClaim"}, paths: []string{"spec.resources.requests.storage"}, when: grown},
		{id: "PV-1", class: Allowed, source: "pkg/restore/restore.go, claimRef reset", kinds: []string{"PersistentVolume"}, paths: []string{"spec.claimRef.uid", "spec.claimRef.resourceVersion", `metadata.annotations["pv.kubernetes.io/bound-by-controller"]`, `metadata.annotations["pv.kubernetes.io/bind-completed"]`}},
		{id: "PV-2", class: Map, source: "pkg/restore/restore.go, claimRef's namespace mapped", kinds: []string{"PersistentVolume"}, paths: []string{"spec.claimRef.namespace"}, when: mappedNamespace},
		{id: "PV-3", class: Allowed, source: "provisioned anew: matched by its claim", kinds: []string{"PersistentVolume"}, paths: []string{
			"metadata.name", "metadata.finalizers[*]", `metadata.annotations["pv.kubernetes.io/*"]`, `metadata.annotations["volume.kubernetes.io/*"]`, "spec.csi", "spec.csi.**", "spec.hostPath", "spec.hostPath.**", "spec.local", "spec.local.**", "spec.nodeAffinity", "spec.nodeAffinity.**",
		}, when: func(p *pair, _ *delta) bool { return p.renamed }},
		{id: "PV-4", class: Allowed, source: "provisioned anew, at least as large", kinds: []string{"PersistentVolume"}, paths: []string{"spec.capacity.storage"}, when: func(p *pair, d *delta) bool { return p.renamed && grown(p, d) }},
		{id: "PV-5", class: Allowed, source: "pkg/restore/pv_restorer.go", kinds: []string{"PersistentVolume"}, paths: []string{`metadata.annotations["velero.io/original-pv-name"]`}, when: extraField},
		{id: "VS-1", class: Allowed, source: "pkg/restore/actions/csi/volumesnapshot*_action.go", kinds: []string{"VolumeSnapshot.snapshot.storage.k8s.io", "VolumeSnapshotContent.snapshot.storage.k8s.io"}, paths: []string{
			"spec.source", "spec.source.**", "spec.deletionPolicy", "spec.volumeSnapshotRef.**", "spec.volumeSnapshotClassName", `metadata.annotations["velero.io/*"]`, `metadata.annotations["snapshot.storage.kubernetes.io/*"]`,
		}},
	}
}

func clusterKinds() []*rule {
	webhooks := []string{"MutatingWebhookConfiguration.admissionregistration.k8s.io", "ValidatingWebhookConfiguration.admissionregistration.k8s.io"}
	return []*rule{
		{id: "RB-1", class: Map, source: "pkg/restore/actions/{rolebinding,clusterrolebinding}_action.go", kinds: []string{"RoleBinding.rbac.authorization.k8s.io", "ClusterRoleBinding.rbac.authorization.k8s.io"}, paths: []string{"subjects[*]"}, when: mappedSubject},
		{id: "CR-1", class: Allowed, source: "kube-controller-manager aggregates the rules", kinds: []string{"ClusterRole.rbac.authorization.k8s.io"}, paths: []string{"rules", "rules.**"}, when: func(p *pair, _ *delta) bool { return p.want["aggregationRule"] != nil }},
		{id: "WH-1", class: Allowed, source: "pkg/restore/actions/admissionwebhook_config_action.go", kinds: webhooks, paths: []string{"webhooks[*].sideEffects"}, when: sideEffects},
		{id: "WH-2", class: Allowed, source: "injected per cluster (cert-manager's ca-injector and the like)", kinds: webhooks, paths: []string{"webhooks[*].clientConfig.caBundle"}},
		{id: "CRD-1", class: Allowed, source: "pkg/restore/actions/crd_v1_preserve_unknown_fields_action.go", kinds: []string{"CustomResourceDefinition.apiextensions.k8s.io"}, paths: []string{
			"spec.preserveUnknownFields", "spec.versions[*].schema.openAPIV3Schema.x-kubernetes-preserve-unknown-fields",
		}, when: preserveUnknown},
		{id: "CRD-2", class: Allowed, source: "injected per cluster", kinds: []string{"CustomResourceDefinition.apiextensions.k8s.io"}, paths: []string{"spec.conversion.webhook.clientConfig.caBundle"}},
		{id: "API-1", class: Allowed, source: "injected per cluster", kinds: []string{"APIService.apiregistration.k8s.io"}, paths: []string{"spec.caBundle"}},
	}
}
