package shop

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// Namespace is where the shop and its database are.
	Namespace = "shop"
	// NodePort is where buyers reach the shop on each node.
	NodePort = 30080
	// Port is where each replica listens.
	Port = 8080

	databasePort = 5432
	databaseName = "shop"
	secretName   = "shop-db"
	settingsName = "shop-settings"
)

// Images are the references of the two images the shop is made of.
type Images struct {
	Shop     string // holds the gameday binary at /gameday
	Postgres string // takes POSTGRES_USER, POSTGRES_PASSWORD and POSTGRES_DB, keeps its data in /var/lib/postgresql/data
}

// Manifests are the objects of the shop in the order to create them. The password
// is the database's: PostgreSQL keeps the first one its volume was made with, so
// whoever applies these again must give the same.
func Manifests(images Images, password string) []client.Object {
	objects := []client.Object{
		&corev1.Namespace{TypeMeta: typeMeta("v1", "Namespace"), ObjectMeta: metav1.ObjectMeta{Name: Namespace}},
		&corev1.Secret{
			TypeMeta: typeMeta("v1", "Secret"), ObjectMeta: named(secretName, "db"),
			Type: corev1.SecretTypeOpaque,
			Data: map[string][]byte{
				"username": []byte("shop"), "password": []byte(password), "database": []byte(databaseName),
			},
		},
		&corev1.ConfigMap{
			TypeMeta: typeMeta("v1", "ConfigMap"), ObjectMeta: named(settingsName, "shop"),
			Data: map[string]string{
				"LISTEN": ":8080", "DATABASE_TIMEOUT": "2s", "DRAIN": "3s",
				"PGHOST": "db", "PGPORT": "5432", "PGSSLMODE": "disable",
			},
		},
	}
	return append(objects, databaseService(), database(images.Postgres),
		shopService(), shopDeployment(images.Shop), shopBudget())
}

// databaseService publishes the database before it is ready: its name resolves as
// soon as its pod has an address, and no name server caches that it does not.
func databaseService() client.Object {
	return &corev1.Service{
		TypeMeta: typeMeta("v1", "Service"), ObjectMeta: named("db", "db"),
		Spec: corev1.ServiceSpec{
			ClusterIP:                corev1.ClusterIPNone,
			PublishNotReadyAddresses: true,
			Selector:                 labels("db"),
			Ports:                    []corev1.ServicePort{{Name: "postgres", Port: databasePort, TargetPort: intstr.FromString("postgres")}},
		},
	}
}

// checkpointHook asks PostgreSQL for a checkpoint right before Velero's node agent
// copies the files of the running server, one after the other.
//
// What that gives: every order acknowledged before the hook is in the data files,
// and the next timed checkpoint is checkpoint_timeout (5 minutes) away, so the copy
// normally holds one unbroken stretch of WAL from a checkpoint to the copy's end.
// If nothing is written during the copy, the restored server recovers exactly the
// orders acknowledged before the backup. Orders written during the copy may be in
// or not; and because the copy is no snapshot of one moment, a page copied after
// the last WAL file may be ahead of the WAL, which recovery cannot mend. A backup
// that must be right under load needs a volume snapshot or pg_backup_start.
// A hook that fails makes the backup PartiallyFailed, as it should.
func checkpointHook() map[string]string {
	return map[string]string{
		"pre.hook.backup.velero.io/container": "db",
		"pre.hook.backup.velero.io/command":   `["/bin/sh","-c","PGPASSWORD=\"$POSTGRES_PASSWORD\" exec psql -X -h 127.0.0.1 -U \"$POSTGRES_USER\" -d \"$POSTGRES_DB\" -c CHECKPOINT"]`,
		"pre.hook.backup.velero.io/on-error":  "Fail",
		"pre.hook.backup.velero.io/timeout":   "30s",
	}
}

func database(image string) client.Object {
	const volume = "data"
	return &appsv1.StatefulSet{
		TypeMeta: typeMeta("apps/v1", "StatefulSet"), ObjectMeta: named("db", "db"),
		Spec: appsv1.StatefulSetSpec{
			ServiceName: "db",
			Replicas:    new(int32(1)),
			Selector:    &metav1.LabelSelector{MatchLabels: labels("db")},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels("db"), Annotations: checkpointHook()},
				Spec: corev1.PodSpec{
					TerminationGracePeriodSeconds: new(int64(10)),
					AutomountServiceAccountToken:  new(false),
					EnableServiceLinks:            new(false),
					Containers: []corev1.Container{{
						Name: "db", Image: image, ImagePullPolicy: corev1.PullIfNotPresent,
						Env: []corev1.EnvVar{
							fromSecret("POSTGRES_USER", "username"),
							fromSecret("POSTGRES_PASSWORD", "password"),
							fromSecret("POSTGRES_DB", "database"),
						},
						Ports: []corev1.ContainerPort{{Name: "postgres", ContainerPort: databasePort}},
						// By address: the first start may run a server on its socket
						// only, which is not yet the one buyers will reach.
						ReadinessProbe: &corev1.Probe{
							ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{
								Command: []string{"pg_isready", "-q", "-h", "127.0.0.1", "-p", "5432"},
							}},
							PeriodSeconds: 2, TimeoutSeconds: 2, FailureThreshold: 2,
						},
						Resources:    requests("50m", "64Mi"),
						VolumeMounts: []corev1.VolumeMount{{Name: volume, MountPath: "/var/lib/postgresql/data"}},
					}},
				},
			},
			VolumeClaimTemplates: []corev1.PersistentVolumeClaim{{
				TypeMeta:   typeMeta("v1", "PersistentVolumeClaim"),
				ObjectMeta: metav1.ObjectMeta{Name: volume, Labels: labels("db")},
				Spec: corev1.PersistentVolumeClaimSpec{
					AccessModes:      []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
					StorageClassName: new("local"),
					Resources: corev1.VolumeResourceRequirements{
						Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")},
					},
				},
			}},
		},
	}
}

func shopService() client.Object {
	return &corev1.Service{
		TypeMeta: typeMeta("v1", "Service"), ObjectMeta: named("shop", "shop"),
		Spec: corev1.ServiceSpec{
			Type:     corev1.ServiceTypeNodePort,
			Selector: labels("shop"),
			Ports:    []corev1.ServicePort{{Name: "http", Port: Port, TargetPort: intstr.FromString("http"), NodePort: NodePort}},
		},
	}
}

func shopDeployment(image string) client.Object {
	return &appsv1.Deployment{
		TypeMeta: typeMeta("apps/v1", "Deployment"), ObjectMeta: named("shop", "shop"),
		Spec: appsv1.DeploymentSpec{
			Replicas: new(int32(3)),
			Selector: &metav1.LabelSelector{MatchLabels: labels("shop")},
			Strategy: appsv1.DeploymentStrategy{
				Type: appsv1.RollingUpdateDeploymentStrategyType,
				RollingUpdate: &appsv1.RollingUpdateDeployment{
					MaxUnavailable: new(intstr.FromInt32(0)), MaxSurge: new(intstr.FromInt32(1)),
				},
			},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels("shop")},
				Spec: corev1.PodSpec{
					// The drain, the end of requests under way, and some room.
					TerminationGracePeriodSeconds: new(int64(15)),
					AutomountServiceAccountToken:  new(false),
					EnableServiceLinks:            new(false),
					SecurityContext: &corev1.PodSecurityContext{
						RunAsNonRoot: new(true), RunAsUser: new(int64(65532)), RunAsGroup: new(int64(65532)),
						SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
					},
					Containers: []corev1.Container{shopContainer(image)},
				},
			},
		},
	}
}

func shopContainer(image string) corev1.Container {
	return corev1.Container{
		Name: "shop", Image: image, ImagePullPolicy: corev1.PullIfNotPresent,
		Command: []string{"/gameday", "lab", "serve", "shop"},
		EnvFrom: []corev1.EnvFromSource{{ConfigMapRef: &corev1.ConfigMapEnvSource{
			LocalObjectReference: corev1.LocalObjectReference{Name: settingsName},
		}}},
		Env: []corev1.EnvVar{
			fromSecret("PGUSER", "username"), fromSecret("PGPASSWORD", "password"), fromSecret("PGDATABASE", "database"),
		},
		Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: Port}},
		ReadinessProbe: &corev1.Probe{
			ProbeHandler:  httpGet("/readyz"),
			PeriodSeconds: 1, TimeoutSeconds: 1, FailureThreshold: 2,
		},
		// Slow to act: a busy node must not restart what is only slow.
		LivenessProbe: &corev1.Probe{
			ProbeHandler:  httpGet("/healthz"),
			PeriodSeconds: 10, TimeoutSeconds: 5, FailureThreshold: 3,
		},
		Resources: requests("10m", "32Mi"),
		SecurityContext: &corev1.SecurityContext{
			AllowPrivilegeEscalation: new(false), ReadOnlyRootFilesystem: new(true),
			Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		},
	}
}

func shopBudget() client.Object {
	return &policyv1.PodDisruptionBudget{
		TypeMeta: typeMeta("policy/v1", "PodDisruptionBudget"), ObjectMeta: named("shop", "shop"),
		Spec: policyv1.PodDisruptionBudgetSpec{
			MinAvailable: new(intstr.FromInt32(2)),
			Selector:     &metav1.LabelSelector{MatchLabels: labels("shop")},
		},
	}
}

func httpGet(path string) corev1.ProbeHandler {
	return corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: path, Port: intstr.FromString("http")}}
}

func fromSecret(variable, key string) corev1.EnvVar {
	return corev1.EnvVar{Name: variable, ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
		LocalObjectReference: corev1.LocalObjectReference{Name: secretName}, Key: key,
	}}}
}

func requests(cpu, memory string) corev1.ResourceRequirements {
	return corev1.ResourceRequirements{Requests: corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory),
	}}
}

// typeMeta is set on every object since server-side apply sends it as it is.
func typeMeta(version, kind string) metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: version, Kind: kind}
}

func named(name, app string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: Namespace, Name: name, Labels: labels(app)}
}

func labels(app string) map[string]string { return map[string]string{"app": app} }
