package chaosmesh

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chaos-mesh/chaos-mesh/api/v1alpha1"
	"sigs.k8s.io/yaml"

	"github.com/gamedayhq/gameday/scenarios"
)

// open is a scenario without a blast radius whose one step is the chaos.
func open(chaos string) []byte {
	return []byte(strings.Replace(string(scenarioWith(chaos)), "blastRadius: {namespaces: [shop], maxPods: 34%}", "blastRadius: {}", 1))
}

// kinds are the shortest manifests of each kind that Chaos Mesh takes.
var kinds = map[string]string{
	"PodChaos":     `{action: pod-failure, mode: one, ` + selector + `}`,
	"NetworkChaos": `{action: delay, mode: all, delay: {latency: 10ms}, ` + selector + `}`,
	"StressChaos":  `{mode: all, stressors: {memory: {workers: 1, size: 64MB}}, ` + selector + `}`,
	"TimeChaos":    `{mode: one, timeOffset: "-10m", ` + selector + `}`,
	"IOChaos":      `{action: fault, errno: 5, mode: one, volumePath: /data, ` + selector + `}`,
	"HTTPChaos":    `{mode: one, target: Request, port: 80, path: "*", abort: true, ` + selector + `}`,
	"DNSChaos":     `{action: error, mode: one, patterns: ["shop.*"], ` + selector + `}`,
	"JVMChaos":     `{action: stress, mode: one, cpuCount: 1, ` + selector + `}`,
	"KernelChaos":  `{mode: one, failKernRequest: {callchain: [{funcname: __x64_sys_mount}], failtype: 0}, ` + selector + `}`,
	"BlockChaos":   `{action: delay, mode: one, volumeName: data, delay: {latency: 1ms}, ` + selector + `}`,
	"AWSChaos":     `{action: ec2-stop, awsRegion: eu-west-1, ec2Instance: i-0123, secretName: aws}`,
	"GCPChaos":     `{action: node-stop, project: p, zone: z, instance: i, secretName: gcp}`,
	"AzureChaos":   `{action: vm-stop, subscriptionID: s, resourceGroupName: g, vmName: m, secretName: azure}`,
	"PhysicalMachineChaos": `{action: network-delay, mode: all, address: ["10.0.0.9:31767"],
      network-delay: {device: eth0, ip-address: 10.0.0.1, latency: 10ms}}`,
}

func TestEveryKindIsTaken(t *testing.T) {
	for kind := range v1alpha1.AllKinds() {
		t.Run(kind, func(t *testing.T) {
			spec, ok := kinds[kind]
			if !ok {
				t.Fatalf("no manifest of kind %s is tested", kind)
			}
			for what, chaos := range map[string]string{
				"inline":   fmt.Sprintf(`{kind: %s, namespace: shop, spec: %s}`, kind, spec),
				"manifest": fmt.Sprintf(`{manifest: {apiVersion: chaos-mesh.org/v1alpha1, kind: %s, metadata: {name: x, namespace: shop}, spec: %s}}`, kind, spec),
			} {
				s, err := scenarios.Parser{Kinds: scenarios.Kinds{"chaos": Decode}}.Parse("a.yaml", open(chaos))
				if err != nil {
					t.Errorf("%s: %v", what, err)
					continue
				}
				fault, _ := s.Steps[0].Action.(*Fault)
				if fault.Namespace != "shop" || fault.kind() != kind {
					t.Errorf("%s: a %s in %q", what, fault.kind(), fault.Namespace)
				}
				duration, err := fault.duration()
				if want := s.Steps[0].Hold + 2*s.Steps[0].Timeout; !fault.Object.IsOneShot() && (err != nil || duration != want) {
					t.Errorf("%s: bounded by %v, want %v: %v", what, duration, want, err)
				}
				found, err := fault.resolve(t.Context(), newWorld(t, shop()...))
				if fault.radius.AllowLastReplica = true; err != nil {
					found, err = fault.resolve(t.Context(), newWorld(t, shop()...))
				}
				if err != nil || found.count() == 0 || found.hits == 0 || fault.list(found)[0].Name == "" {
					t.Errorf("%s: targets %+v: %v", what, found, err)
				}
			}
		})
	}
}

// TestExamplesOfChaosMesh reads those of the module whose programs the lab runs, where that module is at hand.
func TestExamplesOfChaosMesh(t *testing.T) {
	cache, err := exec.Command("go", "env", "GOMODCACHE").Output()
	if err != nil {
		t.Skip("no go command to ask where modules are")
	}
	folders, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(cache)), "github.com", "chaos-mesh", "chaos-mesh@*", "examples"))
	if err != nil || len(folders) == 0 {
		t.Skip("the module github.com/chaos-mesh/chaos-mesh is not at hand: gameday lab up fetches it")
	}
	taken := 0
	err = filepath.WalkDir(folders[len(folders)-1], func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".yaml" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var head struct{ APIVersion, Kind string }
		if strings.Contains(string(text), "\n---") {
			return nil
		}
		if err := yaml.Unmarshal(text, &head); err != nil {
			return err
		}
		if head.APIVersion != v1alpha1.SchemeGroupVersion.String() {
			return nil
		}
		_, fault := v1alpha1.AllKinds()[head.Kind]
		if !fault && playsItself[head.Kind] == "" {
			return nil // no fault: a status check, a remote cluster
		}
		_, err = scenarios.Parser{Kinds: scenarios.Kinds{"chaos": Decode}}.Parse("a.yaml", open(fmt.Sprintf(`{namespace: shop, manifest: %q}`, path)))
		switch why := refusals[head.Kind]; {
		case strings.Contains(path, "remote-podchaos"):
			wants(t, err, "aim at another cluster with chaos.cluster")
		case strings.Contains(path, "jvm-return-example"): // Chaos Mesh's own webhook refuses it as well
			wants(t, err, "value not provided")
		case why != "":
			wants(t, err, why)
		case err != nil:
			t.Errorf("%s: %v", path, err)
		default:
			taken++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if taken < 20 {
		t.Errorf("%d examples were taken", taken)
	}
}

var refusals = map[string]string{"Schedule": "by its own clock", "Workflow": "write its templates as steps"}

const goodManifest = `apiVersion: chaos-mesh.org/v1alpha1
kind: PodChaos
metadata: {name: mine, namespace: shop, labels: {team: blue}}
spec: {action: pod-failure, mode: one, duration: 30s, selector: {labelSelectors: {app: shop}}}
`

func TestManifestFiles(t *testing.T) {
	for what, row := range map[string]struct{ text, want string }{
		"a good one":           {goodManifest, ""},
		"an unknown field":     {strings.Replace(goodManifest, "mode", "mood", 1), `manifest.spec.mood: unknown field of PodChaos`},
		"a field given twice":  {strings.Replace(goodManifest, "mode: one", "mode: one, mode: all", 1), `"mode" already set`},
		"two objects":          {goodManifest + "---\n" + goodManifest, "holds 2 objects, want one"},
		"nothing":              {"", "holds 0 objects, want one"},
		"no YAML":              {"a: b: c", "is not YAML"},
		"another API":          {strings.Replace(goodManifest, "chaos-mesh.org/v1alpha1", "v1", 1), `apiVersion: is "v1"`},
		"a paused one":         {strings.Replace(goodManifest, "labels: {team: blue}", `annotations: {experiment.chaos-mesh.org/pause: "true"}`, 1), "a paused fault injects nothing"},
		"no fault":             {strings.Replace(goodManifest, "PodChaos", "Gloom", 1), `manifest.kind: is "Gloom", want one of`},
		"a rule of Chaos Mesh": {strings.Replace(goodManifest, "mode: one", `mode: fixed-percent, value: "120"`, 1), `120`},
	} {
		t.Run(what, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "mine.yaml"), []byte(row.text), 0o644); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "drill.yaml")
			if err := os.WriteFile(path, open(`{manifest: mine.yaml}`), 0o644); err != nil {
				t.Fatal(err)
			}
			s, err := scenarios.Parser{Kinds: scenarios.Kinds{"chaos": Decode}}.ParseFile(path)
			if row.want != "" {
				wants(t, err, row.want)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			fault, _ := s.Steps[0].Action.(*Fault)
			object := fault.object(scenarios.Env{Run: "a-1", Step: "break"})
			selector := fault.selector().Selector
			if object.GetName() != "a-1-break" || object.GetLabels()["team"] != "blue" || !slices.Equal(selector.Namespaces, []string{"shop"}) {
				t.Errorf("object %s with the labels %v, on namespaces %v", object.GetName(), object.GetLabels(), selector.Namespaces)
			}
			if duration, err := fault.duration(); err != nil || duration != 30*time.Second {
				t.Errorf("duration %v: %v", duration, err)
			}
		})
	}
}

func TestManifestThatIsNotThere(t *testing.T) {
	_, err := parse(`{manifest: none.yaml}`)
	wants(t, err, "a.yaml:10: spec.steps[0].chaos.manifest: read the manifest", "none.yaml")
	_, err = parse(`{manifest: none.yaml, kind: PodChaos}`)
	wants(t, err, "stands beside kind or spec")
}
