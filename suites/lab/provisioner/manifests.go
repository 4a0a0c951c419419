package provisioner

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// Namespace is where the lab's own parts of a cluster are.
	Namespace = "gameday-lab"
	// StorageClass is the class to claim a volume of; it is the default class.
	StorageClass = "local"

	app = "provisioner"
)

// Manifests are the objects of the provisioner in the order to create them. The
// image holds the gameday binary at /gameday.
func Manifests(image string) []client.Object {
	account := rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Namespace: Namespace, Name: app}
	return []client.Object{
		&corev1.Namespace{TypeMeta: typeMeta("v1", "Namespace"), ObjectMeta: metav1.ObjectMeta{Name: Namespace}},
		&corev1.ServiceAccount{TypeMeta: typeMeta("v1", "ServiceAccount"), ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: app}},
		role(),
		&rbacv1.ClusterRoleBinding{
			TypeMeta:   typeMeta("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"),
			ObjectMeta: metav1.ObjectMeta{Name: clusterName},
			Subjects:   []rbacv1.Subject{account},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: clusterName},
		},
		&storagev1.StorageClass{
			TypeMeta: typeMeta("storage.k8s.io/v1", "StorageClass"),
			ObjectMeta: metav1.ObjectMeta{
				Name: StorageClass, Annotations: map[string]string{"storageclass.kubernetes.io/is-default-class": "true"},
			},
			Provisioner:       Name,
			ReclaimPolicy:     new(corev1.PersistentVolumeReclaimDelete),
			VolumeBindingMode: new(storagev1.VolumeBindingWaitForFirstConsumer),
		},
		deployment(image),
	}
}

// clusterName is the name of what has no namespace to keep it apart.
const clusterName = "gameday-lab-" + app

func role() client.Object {
	rule := func(group, resource string, verbs ...string) rbacv1.PolicyRule {
		return rbacv1.PolicyRule{APIGroups: []string{group}, Resources: []string{resource}, Verbs: verbs}
	}
	return &rbacv1.ClusterRole{
		TypeMeta:   typeMeta("rbac.authorization.k8s.io/v1", "ClusterRole"),
		ObjectMeta: metav1.ObjectMeta{Name: clusterName},
		Rules: []rbacv1.PolicyRule{
			rule("", "persistentvolumes", "get", "list", "watch", "create", "patch", "update", "delete"),
			rule("", "persistentvolumeclaims", "get", "list", "watch", "update", "patch"),
			rule("", "nodes", "get"),
			rule("", "events", "create", "patch", "update"),
			rule("storage.k8s.io", "storageclasses", "get", "list", "watch"),
		},
	}
}

func deployment(image string) client.Object {
	labels := map[string]string{"app": app}
	const volumes = "volumes"
	return &appsv1.Deployment{
		TypeMeta:   typeMeta("apps/v1", "Deployment"),
		ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: app, Labels: labels},
		Spec: appsv1.DeploymentSpec{
			Replicas: new(int32(1)),
			Strategy: appsv1.DeploymentStrategy{Type: appsv1.RecreateDeploymentStrategyType},
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{
					ServiceAccountName:            app,
					EnableServiceLinks:            new(false),
					TerminationGracePeriodSeconds: new(int64(5)),
					SecurityContext: &corev1.PodSecurityContext{
						SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
					},
					Containers: []corev1.Container{{
						Name: app, Image: image, ImagePullPolicy: corev1.PullIfNotPresent,
						Command: []string{"/gameday", "lab", "serve", "provisioner"},
						Env: []corev1.EnvVar{{Name: "NODE_NAME", ValueFrom: &corev1.EnvVarSource{
							FieldRef: &corev1.ObjectFieldSelector{FieldPath: "spec.nodeName"},
						}}},
						Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
							corev1.ResourceCPU: resource.MustParse("10m"), corev1.ResourceMemory: resource.MustParse("32Mi"),
						}},
						// Root, but with no more of its powers than removing what the
						// volumes' users left in folders closed to others.
						SecurityContext: &corev1.SecurityContext{
							RunAsUser:                new(int64(0)),
							AllowPrivilegeEscalation: new(false), ReadOnlyRootFilesystem: new(true),
							Capabilities: &corev1.Capabilities{
								Drop: []corev1.Capability{"ALL"}, Add: []corev1.Capability{"DAC_OVERRIDE", "FOWNER"},
							},
						},
						VolumeMounts: []corev1.VolumeMount{{Name: volumes, MountPath: Root}},
					}},
					Volumes: []corev1.Volume{{Name: volumes, VolumeSource: corev1.VolumeSource{
						HostPath: &corev1.HostPathVolumeSource{Path: Root, Type: new(corev1.HostPathDirectoryOrCreate)},
					}}},
				},
			},
		},
	}
}

// typeMeta is set on every object since server-side apply sends it as it is.
func typeMeta(version, kind string) metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: version, Kind: kind}
}
