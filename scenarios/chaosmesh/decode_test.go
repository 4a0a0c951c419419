package chaosmesh

import (
	"strings"
	"testing"
	"time"

	"github.com/gamedayhq/gameday/scenarios"
)

// scenarioWith returns a scenario whose one step is the chaos.
func scenarioWith(chaos string) []byte {
	return []byte(`apiVersion: gameday.dev/v1alpha1
kind: Scenario
metadata: {name: a-test}
spec:
  why: A test.
  blastRadius: {namespaces: [shop], maxPods: 34%}
  monitors: [{name: buyers, http: {url: "http://127.0.0.1:1"}}]
  steps:
  - name: break
    chaos: ` + chaos + `
  objectives: [{availability: {of: buyers, during: break, atLeast: 99%}}]
`)
}

func parse(chaos string) (*scenarios.Scenario, error) {
	return scenarios.Parser{Kinds: scenarios.Kinds{"chaos": Decode}}.Parse("a.yaml", scenarioWith(chaos))
}

const selector = `selector: {namespaces: [shop], labelSelectors: {app: shop}}`

func TestDecodeTakesFaults(t *testing.T) {
	for kind, chaos := range map[string]string{
		"PodChaos":     `{kind: PodChaos, spec: {action: pod-kill, mode: one, ` + selector + `}}`,
		"NetworkChaos": `{kind: NetworkChaos, spec: {action: partition, mode: all, direction: both, duration: 30s, ` + selector + `, target: {mode: all, selector: {namespaces: [shop], labelSelectors: {app: db}}}}}`,
		"StressChaos":  `{kind: StressChaos, spec: {mode: one, duration: 30s, ` + selector + `, stressors: {cpu: {workers: 1, load: 50}}}}`,
		"TimeChaos":    `{kind: TimeChaos, spec: {mode: one, duration: 30s, timeOffset: "-10m", ` + selector + `}}`,
		"IOChaos":      `{kind: IOChaos, spec: {action: latency, mode: one, duration: 30s, volumePath: /data, delay: 10ms, ` + selector + `}}`,
	} {
		t.Run(kind, func(t *testing.T) {
			s, err := parse(chaos)
			if err != nil {
				t.Fatal(err)
			}
			fault, ok := s.Steps[0].Action.(*Fault)
			if !ok || fault.kind() != kind || fault.Namespace != "shop" {
				t.Errorf("action %#v, want a %s in namespace shop", s.Steps[0].Action, kind)
			}
			if text := fault.Describe(); !strings.Contains(text, kind) || !strings.Contains(text, "app=shop") {
				t.Errorf("described as %q", text)
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	for what, row := range map[string]struct{ chaos, want string }{
		"an unknown kind":              {`{kind: PodsChaos, spec: {}}`, `steps[0].chaos.kind: is "PodsChaos", want one of: AWSChaos`},
		"a schedule":                   {`{kind: Schedule, spec: {}}`, `a Schedule starts faults by its own clock`},
		"a workflow":                   {`{kind: Workflow, spec: {}}`, `write its templates as steps`},
		"no spec":                      {`{kind: PodChaos}`, `chaos.spec: is missing`},
		"an unknown field":             {`{kind: PodChaos, spec: {action: pod-kill, mode: one, selektor: {}}}`, `chaos.spec.selektor: unknown field of PodChaos`},
		"two unknown fields at once":   {`{kind: PodChaos, spec: {action: pod-kill, mode: one, selector: {namespace: shop}, x: 1}}`, `chaos.spec.selector.namespace: unknown field`},
		"a value of another type":      {`{kind: PodChaos, spec: {action: 5, mode: one, ` + selector + `}}`, `chaos.spec`},
		"percent over 100":             {`{kind: PodChaos, spec: {action: pod-kill, mode: fixed-percent, value: "120", ` + selector + `}}`, `120`},
		"a selector without namespace": {`{kind: PodChaos, spec: {action: pod-kill, mode: one, selector: {labelSelectors: {a: b}}}}`, `chaos.namespace: is empty`},
		"another namespace":            {`{kind: PodChaos, spec: {action: pod-kill, mode: one, selector: {namespaces: [bank]}}}`, `reaches into namespace "bank"`},
		"a negative duration":          {`{kind: NetworkChaos, spec: {action: partition, mode: all, duration: -5s, ` + selector + `}}`, `chaos.spec.duration: is -5s`},
		"a duration that is none":      {`{kind: NetworkChaos, spec: {action: partition, mode: all, duration: soon, ` + selector + `}}`, `duration`},
		"container-kill without name":  {`{kind: PodChaos, spec: {action: container-kill, mode: one, ` + selector + `}}`, `container`},
	} {
		t.Run(what, func(t *testing.T) {
			_, err := parse(row.chaos)
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("got %v\nwant %q in it", err, row.want)
			}
		})
	}
}

func TestObjectIsNamedAfterTheDrill(t *testing.T) {
	s, err := parse(`{kind: PodChaos, spec: {action: pod-kill, mode: one, ` + selector + `}}`)
	if err != nil {
		t.Fatal(err)
	}
	fault, _ := s.Steps[0].Action.(*Fault)
	env := scenarios.Env{Run: scenarios.NewRun(s.Name, time.Unix(0, 0)), Step: "Lose: a pod!"}
	object := fault.object(env)
	if !strings.HasSuffix(object.GetName(), "-lose--a-pod") || len(object.GetName()) > 63 || object.GetLabels()[scenarios.LabelRun] != env.Run {
		t.Errorf("named %q with the labels %v", object.GetName(), object.GetLabels())
	}
	if again := fault.object(env); again.GetName() != object.GetName() {
		t.Errorf("named %q the second time", again.GetName())
	}
}
