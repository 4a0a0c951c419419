// Package provisioner makes `local` volumes on demand: a folder of the node for
// each claim, with a PersistentVolume that is tied to that node.
//
// The lab needs it because a file-system backup refuses hostPath volumes, and a
// restored claim waits for ever under a StorageClass that nobody provisions. It
// knows folders and volumes, and nothing of what is kept in them.
package provisioner

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

// Name is the provisioner's name in a StorageClass.
const Name = "gameday.dev/local"

// provisioner serves the volumes of one node. It implements controller.Provisioner.
type provisioner struct {
	client kubernetes.Interface
	node   string   // the node whose disk root is on
	path   string   // root as the node's kubelet sees it
	root   *os.Root // no name, link or "..", leads out of it
}

var _ controller.Provisioner = provisioner{}

// Provision makes the folder and describes its volume. A second call for the
// same volume, after one that was cut short, finds the folder and goes on.
func (p provisioner) Provision(ctx context.Context, options controller.ProvisionOptions) (*corev1.PersistentVolume, controller.ProvisioningState, error) {
	if selected := options.SelectedNodeName; selected != "" && selected != p.node {
		return nil, controller.ProvisioningReschedule, fmt.Errorf("provision %q: node %q is selected, volumes are made on node %q only", options.PVName, selected, p.node)
	}
	if options.PVC.Spec.Selector != nil {
		return nil, controller.ProvisioningFinished, fmt.Errorf("provision %q: the claim has a selector, which a new volume cannot match", options.PVName)
	}
	if err := checkName(options.PVName); err != nil {
		return nil, controller.ProvisioningFinished, fmt.Errorf("provision: %w", err)
	}
	hostname, err := p.hostname(ctx)
	if err != nil {
		return nil, controller.ProvisioningNoChange, fmt.Errorf("provision %q: %w", options.PVName, err)
	}
	if err := p.makeFolder(options.PVName); err != nil {
		return nil, controller.ProvisioningFinished, fmt.Errorf("provision %q: %w", options.PVName, err)
	}
	return p.volume(options, hostname), controller.ProvisioningFinished, nil
}

// hostname is the node's hostname label, which is not always its name.
func (p provisioner) hostname(ctx context.Context) (string, error) {
	node, err := p.client.CoreV1().Nodes().Get(ctx, p.node, metav1.GetOptions{})
	if err != nil {
		return "", fmt.Errorf("read node %q: %w", p.node, err)
	}
	hostname := node.Labels[corev1.LabelHostname]
	if hostname == "" {
		return "", fmt.Errorf("node %q has no label %s", p.node, corev1.LabelHostname)
	}
	return hostname, nil
}

// makeFolder opens the folder to every user, as new volumes usually are: which
// user the pod runs as is not known here, and the pod may narrow it.
func (p provisioner) makeFolder(name string) error {
	if err := p.root.Mkdir(name, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make the folder: %w", err)
	}
	info, err := p.root.Lstat(name)
	if err != nil {
		return fmt.Errorf("look at the folder: %w", err)
	}
	if !info.IsDir() {
		return fmt.Errorf("%q is there and is no folder", filepath.Join(p.path, name))
	}
	if err := p.root.Chmod(name, 0o777); err != nil { // Mkdir's mode is cut by the umask
		return fmt.Errorf("open the folder: %w", err)
	}
	return nil
}

func (p provisioner) volume(options controller.ProvisionOptions, hostname string) *corev1.PersistentVolume {
	reclaim := corev1.PersistentVolumeReclaimDelete
	if options.StorageClass.ReclaimPolicy != nil {
		reclaim = *options.StorageClass.ReclaimPolicy
	}
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: options.PVName},
		Spec: corev1.PersistentVolumeSpec{
			PersistentVolumeReclaimPolicy: reclaim,
			AccessModes:                   options.PVC.Spec.AccessModes,
			VolumeMode:                    options.PVC.Spec.VolumeMode,
			Capacity: corev1.ResourceList{
				corev1.ResourceStorage: options.PVC.Spec.Resources.Requests[corev1.ResourceStorage],
			},
			PersistentVolumeSource: corev1.PersistentVolumeSource{
				Local: &corev1.LocalVolumeSource{Path: filepath.Join(p.path, options.PVName)},
			},
			NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{
				NodeSelectorTerms: []corev1.NodeSelectorTerm{{
					MatchExpressions: []corev1.NodeSelectorRequirement{{
						Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{hostname},
					}},
				}},
			}},
		},
	}
}

// Delete removes the volume's folder with all that is in it. It refuses every
// volume whose path is not exactly the one Provision gives, since a mistaken or
// forged path would remove what is not the lab's.
func (p provisioner) Delete(_ context.Context, volume *corev1.PersistentVolume) error {
	if volume.Spec.Local == nil {
		return fmt.Errorf("delete volume %q: it is no local volume", volume.Name)
	}
	if err := checkName(volume.Name); err != nil {
		return fmt.Errorf("delete volume: %w", err)
	}
	if want := filepath.Join(p.path, volume.Name); volume.Spec.Local.Path != want {
		return fmt.Errorf("delete volume %q: its path is %q, not %q: refused", volume.Name, volume.Spec.Local.Path, want)
	}
	if err := p.root.RemoveAll(volume.Name); err != nil {
		return fmt.Errorf("delete volume %q: remove its folder: %w", volume.Name, err)
	}
	return nil
}

// checkName takes a plain file name only. The API server gives no other, but
// what is removed recursively is checked where it is removed.
func checkName(name string) error {
	if name == "." || !filepath.IsLocal(name) || filepath.Base(name) != name {
		return fmt.Errorf("%q is no name of a volume", name)
	}
	return nil
}
