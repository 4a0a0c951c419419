package provisioner

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

var node = &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "primary", Labels: map[string]string{corev1.LabelHostname: "host-of-primary"}}}

func claim() *corev1.PersistentVolumeClaim {
	return &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "data-db-0", UID: "7", Annotations: map[string]string{
			"volume.kubernetes.io/selected-node":       "primary",
			"volume.kubernetes.io/storage-provisioner": Name,
		}},
		Spec: corev1.PersistentVolumeClaimSpec{
			StorageClassName: new("local"),
			AccessModes:      []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:        corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
		},
	}
}

func options() controller.ProvisionOptions {
	return controller.ProvisionOptions{StorageClass: class(), PVName: "pvc-7", PVC: claim(), SelectedNodeName: "primary"}
}

func class() *storagev1.StorageClass {
	for _, object := range Manifests("image") {
		if class, ok := object.(*storagev1.StorageClass); ok {
			return class
		}
	}
	return nil
}

func open(t *testing.T, client kubernetes.Interface) provisioner {
	t.Helper()
	path := t.TempDir()
	root, err := os.OpenRoot(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return provisioner{client: client, node: "primary", path: path, root: root}
}

func TestProvisionMakesAFolderAndItsVolume(t *testing.T) {
	p := open(t, fake.NewClientset(node))
	for range 2 { // the second call is the one after a crash
		pv, state, err := p.Provision(t.Context(), options())
		if err != nil || state != controller.ProvisioningFinished {
			t.Fatalf("provision: %v %v", state, err)
		}
		path := filepath.Join(p.path, "pvc-7")
		if pv.Spec.Local == nil || pv.Spec.Local.Path != path {
			t.Errorf("its source is %+v; want local %s", pv.Spec.PersistentVolumeSource, path)
		}
		term := pv.Spec.NodeAffinity.Required.NodeSelectorTerms[0].MatchExpressions[0]
		if term.Key != corev1.LabelHostname || len(term.Values) != 1 || term.Values[0] != "host-of-primary" {
			t.Errorf("its affinity is %+v; want the node's hostname label", term)
		}
		if size := pv.Spec.Capacity[corev1.ResourceStorage]; size.String() != "1Gi" {
			t.Errorf("its size is %s; want 1Gi", size.String())
		}
		if pv.Spec.PersistentVolumeReclaimPolicy != corev1.PersistentVolumeReclaimDelete {
			t.Errorf("its policy is %s; want Delete", pv.Spec.PersistentVolumeReclaimPolicy)
		}
		info, err := os.Stat(path)
		if err != nil || !info.IsDir() || info.Mode().Perm() != 0o777 {
			t.Fatalf("its folder: %v %v; want a folder open to all", info, err)
		}
		if err := os.WriteFile(filepath.Join(path, "kept"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(filepath.Join(p.path, "pvc-7", "kept")); err != nil {
		t.Errorf("a second provision lost what was there: %v", err)
	}
}

func TestProvisionRefuses(t *testing.T) {
	for _, row := range []struct {
		name  string
		nodes []*corev1.Node
		alter func(*controller.ProvisionOptions)
		state controller.ProvisioningState
		says  string
	}{
		{"another node", []*corev1.Node{node}, func(o *controller.ProvisionOptions) { o.SelectedNodeName = "standby" }, controller.ProvisioningReschedule, "standby"},
		{"a selector", []*corev1.Node{node}, func(o *controller.ProvisionOptions) { o.PVC.Spec.Selector = &metav1.LabelSelector{} }, controller.ProvisioningFinished, "selector"},
		{"a way out", []*corev1.Node{node}, func(o *controller.ProvisionOptions) { o.PVName = "../out" }, controller.ProvisioningFinished, "no name"},
		{"a node that is not there", nil, func(*controller.ProvisionOptions) {}, controller.ProvisioningNoChange, "not found"},
		{"a node without a label", []*corev1.Node{{ObjectMeta: metav1.ObjectMeta{Name: "primary"}}}, func(*controller.ProvisionOptions) {}, controller.ProvisioningNoChange, "no label"},
	} {
		t.Run(row.name, func(t *testing.T) {
			client := fake.NewClientset()
			for _, n := range row.nodes {
				if err := client.Tracker().Add(n.DeepCopy()); err != nil {
					t.Fatal(err)
				}
			}
			p := open(t, client)
			o := options()
			row.alter(&o)
			_, state, err := p.Provision(t.Context(), o)
			if err == nil || !strings.Contains(err.Error(), row.says) || state != row.state {
				t.Errorf("%v %v; want %v and %q", state, err, row.state, row.says)
			}
			if left, err := os.ReadDir(p.path); err != nil || len(left) > 0 {
				t.Errorf("it left %v %v", left, err)
			}
		})
	}
	t.Run("a link in the folder's place", func(t *testing.T) {
		p := open(t, fake.NewClientset(node))
		outside := t.TempDir()
		if err := os.Symlink(outside, filepath.Join(p.path, "pvc-7")); err != nil {
			t.Fatal(err)
		}
		if _, _, err := p.Provision(t.Context(), options()); err == nil || !strings.Contains(err.Error(), "no folder") {
			t.Errorf("got %v; want a refusal", err)
		}
	})
}

func TestDeleteRemovesTheFolderOnly(t *testing.T) {
	p := open(t, fake.NewClientset(node))
	outside := filepath.Join(t.TempDir(), "precious")
	if err := os.WriteFile(outside, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	pv, _, err := p.Provision(t.Context(), options())
	if err != nil {
		t.Fatal(err)
	}
	folder := pv.Spec.Local.Path
	if err := os.MkdirAll(filepath.Join(folder, "base", "1"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Dir(outside), filepath.Join(folder, "base", "way-out")); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second call is the one after a crash
		if err := p.Delete(t.Context(), pv); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Lstat(folder); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder after the delete: %v", err)
	}
	if _, err := os.Stat(outside); err != nil {
		t.Errorf("a file outside was removed by way of a link: %v", err)
	}
}

func TestDeleteRefusesWhatIsNotItsOwn(t *testing.T) {
	volume := func(name string, source corev1.PersistentVolumeSource) *corev1.PersistentVolume {
		return &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.PersistentVolumeSpec{PersistentVolumeSource: source}}
	}
	local := func(path string) corev1.PersistentVolumeSource {
		return corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: path}}
	}
	p := open(t, fake.NewClientset(node))
	kept := filepath.Join(p.path, "other")
	if err := os.Mkdir(kept, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, pv := range map[string]*corev1.PersistentVolume{
		"a path outside":     volume("pvc-7", local("/etc")),
		"another's folder":   volume("pvc-7", local(kept)),
		"the root itself":    volume(".", local(p.path)),
		"the folder above":   volume("..", local(filepath.Dir(p.path))),
		"a name with a path": volume("other/x", local(filepath.Join(kept, "x"))),
		"dots in the path":   volume("other", local(p.path+"/x/../other")),
		"no name":            volume("", local(p.path)),
		"no local volume":    volume("other", corev1.PersistentVolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: kept}}),
	} {
		t.Run(name, func(t *testing.T) {
			if err := p.Delete(t.Context(), pv); err == nil {
				t.Error("it was not refused")
			}
			if _, err := os.Stat(kept); err != nil {
				t.Fatalf("it was removed: %v", err)
			}
		})
	}
}

// TestTheControllerServesAClaim runs the real controller over a fake API: the
// claim gets its volume, and the released volume loses its folder and itself.
func TestTheControllerServesAClaim(t *testing.T) {
	client := fake.NewClientset(node, class(), claim())
	path := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- serve(ctx, client, place{node: "primary", path: path}) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	}()
	volumes := client.CoreV1().PersistentVolumes()
	var pv *corev1.PersistentVolume
	waitFor(t, "a volume", func() (seen error) {
		pv, seen = volumes.Get(ctx, "pvc-7", metav1.GetOptions{})
		return seen
	})
	folder := filepath.Join(path, "pvc-7")
	if _, err := os.Stat(folder); err != nil {
		t.Error(err)
	}
	if pv.Spec.ClaimRef == nil || pv.Spec.ClaimRef.Name != "data-db-0" || pv.Spec.StorageClassName != "local" {
		t.Errorf("the volume is of claim %v and class %q", pv.Spec.ClaimRef, pv.Spec.StorageClassName)
	}
	if len(pv.Finalizers) == 0 {
		t.Error("the volume has no finalizer: deleted before its claim it would leave its folder")
	}
	if err := client.CoreV1().PersistentVolumeClaims("shop").Delete(ctx, "data-db-0", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	pv.Status.Phase = corev1.VolumeReleased // Kubernetes' part, which no fake plays
	if _, err := volumes.UpdateStatus(ctx, pv, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the volume gone", func() error {
		_, err := volumes.Get(ctx, "pvc-7", metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return errors.Join(errors.New("it is still there"), err)
	})
	if _, err := os.Stat(folder); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("its folder after the delete: %v", err)
	}
}

func waitFor(t *testing.T, what string, seen func() error) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		err := seen()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("never seen: %s; last: %v", what, err)
		}
	}
}

func TestMainNeedsItsNode(t *testing.T) {
	t.Setenv("NODE_NAME", "")
	if err := Main(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "NODE_NAME") {
		t.Errorf("got %v; want an error that names NODE_NAME", err)
	}
	if err := Main(t.Context(), []string{"extra"}); err == nil {
		t.Error("an argument is not refused")
	}
	if err := serve(t.Context(), fake.NewClientset(), place{node: "primary", path: filepath.Join(t.TempDir(), "none")}); err == nil {
		t.Error("a root that is not there is not refused")
	}
}

func TestManifestsFitTogether(t *testing.T) {
	for _, object := range Manifests("gameday.local/gameday:x") {
		kind := object.GetObjectKind().GroupVersionKind()
		if kind.Kind == "" || kind.Version == "" || object.GetName() == "" {
			t.Errorf("%T %q has no kind, version or name", object, object.GetName())
		}
	}
	class := class()
	if class.Provisioner != Name || *class.VolumeBindingMode != storagev1.VolumeBindingWaitForFirstConsumer {
		t.Errorf("the class is %+v", class)
	}
	if key := SourceKey(); len(key) != 12 || key != SourceKey() {
		t.Errorf("the source key is %q; want the same 12 digits each time", key)
	}
}
