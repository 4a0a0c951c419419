package lab

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gamedayhq/gameday/suites/lab/addons"
	"github.com/gamedayhq/gameday/suites/lab/depot"
	"github.com/gamedayhq/gameday/suites/lab/folder"
	"github.com/gamedayhq/gameday/suites/lab/image"
	"github.com/gamedayhq/gameday/suites/lab/provisioner"
	"github.com/gamedayhq/gameday/suites/lab/shop"
)

// addonNames are what a cluster runs; the standby has no shop until a failover
// brings it there.
func addonNames(cluster string) []string {
	if cluster == Primary {
		return []string{"coredns", "provisioner", "shop", "velero", "chaos-mesh"}
	}
	return []string{"coredns", "provisioner", "velero", "chaos-mesh"}
}

// rendered is where the manifests of an add-on are kept once rendered, with the
// digest of what they were made of. They are the same in both clusters, but for
// CoreDNS, which has an address in each.
func (l Layout) rendered(cluster, addon string) string {
	if addon == "coredns" {
		return filepath.Join(l.Dir, "addons", addon+"-"+cluster+".json")
	}
	return filepath.Join(l.Dir, "addons", addon+".json")
}

// addon reads what was rendered.
func (l Layout) addon(cluster, name string) (addons.Addon, error) {
	k, err := readKept(l.rendered(cluster, name))
	if err != nil {
		return addons.Addon{}, fmt.Errorf("read the manifests of %s: %w", name, err)
	}
	return k.Addon, nil
}

type kept struct {
	Inputs string
	Addon  addons.Addon
}

func readKept(path string) (k kept, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return k, err
	}
	return k, json.Unmarshal(text, &k)
}

// recipe is how to render an add-on, and all that decides what comes out.
type recipe struct {
	path   string
	inputs any
	render func(context.Context) (addons.Addon, error)
}

// render renders the add-ons, each only when what it is made of changed: installers
// make new secrets every time, and those would roll all pods.
func (u *up) render(ctx context.Context) error {
	recipes, err := u.recipes()
	if err != nil {
		return err
	}
	group, within := errgroup.WithContext(ctx)
	for _, r := range recipes {
		group.Go(func() error { return r.keep(within) })
	}
	return group.Wait()
}

func (r recipe) keep(ctx context.Context) error {
	text, err := json.Marshal(r.inputs)
	if err != nil {
		return fmt.Errorf("render %s: %w", r.path, err)
	}
	inputs := fmt.Sprintf("%x", sha256.Sum256(append(text, renderFormat)))
	old, err := readKept(r.path)
	if err == nil && old.Inputs == inputs {
		return nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("render %s: %w", r.path, err)
	}
	addon, err := r.render(ctx)
	if err != nil {
		return err
	}
	if text, err = json.Marshal(kept{Inputs: inputs, Addon: addon}); err != nil {
		return fmt.Errorf("render %s: %w", r.path, err)
	}
	_, err = folder.Write(r.path, text, 0o600)
	return err
}

// renderFormat changes when the way from the same inputs to manifests does.
const renderFormat = '1'

func (u *up) recipes() ([]recipe, error) {
	l := u.layout
	keys, err := l.depot().Keys()
	if err != nil {
		return nil, err
	}
	password, err := l.password()
	if err != nil {
		return nil, err
	}
	chart := addons.ChaosMeshChart{
		Version: u.versions["chaos-daemon"], Helm: u.programs.all()["helm"], Chart: u.chart,
		Controller: u.refs[image.ChaosControllerManager], Daemon: u.refs[image.ChaosDaemon], Pause: u.refs[image.Pause],
	}
	velero := addons.VeleroInstall{
		Version: u.versions["velero"], Program: u.programs.all()["velero"],
		Image: u.refs[image.Velero], Plugin: u.refs[image.VeleroPlugin], Dir: filepath.Join(l.Dir, "addons"),
		Store: addons.Store{
			URL: l.depot().StoreURL(), Region: depot.Region, Bucket: depot.Bucket,
			AccessKey: keys.Access, SecretKey: keys.Secret,
		},
		Kubeconfig: l.Kubeconfig(),
	}
	provision := provisioner.Manifests(u.refs[image.Provisioner])
	sell := shop.Manifests(shop.Images{Shop: u.refs[image.Shop], Postgres: u.refs[image.Postgres]}, password)
	recipes := []recipe{
		{l.rendered("", "provisioner"), provision, func(context.Context) (addons.Addon, error) {
			return addons.FromObjects("provisioner", provisioner.SourceKey(), provision)
		}},
		{l.rendered("", "shop"), sell, func(context.Context) (addons.Addon, error) {
			return addons.FromObjects("shop", shop.SourceKey(), sell)
		}},
		{l.rendered("", "velero"), velero, velero.Render},
		{l.rendered("", "chaos-mesh"), chart, chart.Render},
	}
	for _, c := range l.clusters() {
		dns := []string{u.versions["coredns"], u.refs[image.CoreDNS], c.DNS().String()}
		recipes = append(recipes, recipe{l.rendered(c.Name, "coredns"), dns, func(context.Context) (addons.Addon, error) {
			return addons.CoreDNS(dns[0], dns[1], c.DNS())
		}})
	}
	return recipes, nil
}

// password of the shop's database is made once: the volume keeps the first.
func (l Layout) password() (string, error) {
	path := filepath.Join(l.Dir, "shop-password")
	text, err := os.ReadFile(path)
	if err == nil {
		return strings.TrimSpace(string(text)), nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("read the shop's password: %w", err)
	}
	password := rand.Text()
	_, err = folder.Write(path, []byte(password+"\n"), 0o600)
	return password, err
}

// applyOnce applies an add-on unless the cluster says that this very one was
// applied and is whole.
func (l Layout) applyOnce(ctx context.Context, api client.WithWatch, cluster string, addon addons.Addon) error {
	k, err := readKept(l.rendered(cluster, addon.Name))
	if err != nil {
		return fmt.Errorf("install %s: %w", addon.Name, err)
	}
	record := &corev1.ConfigMap{}
	record.Namespace, record.Name = "kube-system", "gameday-lab-"+addon.Name
	err = api.Get(ctx, client.ObjectKeyFromObject(record), record)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("install %s: %w", addon.Name, err)
	}
	applied := err == nil
	if applied && record.Data["inputs"] == k.Inputs {
		whole, err := addon.There(ctx, api)
		if err != nil {
			return fmt.Errorf("install %s: %w", addon.Name, err)
		}
		if whole {
			return nil
		}
	}
	if err := addon.Apply(ctx, api); err != nil {
		return err
	}
	record.Data = map[string]string{"inputs": k.Inputs, "version": addon.Version}
	write := api.Create
	if applied {
		write = func(ctx context.Context, object client.Object, _ ...client.CreateOption) error {
			return api.Update(ctx, object)
		}
	}
	if err := write(ctx, record); err != nil {
		return fmt.Errorf("install %s: record it: %w", addon.Name, err)
	}
	return nil
}
