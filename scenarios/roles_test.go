package scenarios

import (
	"fmt"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
)

func TestRolesAllowTheNeedsAndNothingElse(t *testing.T) {
	needs := []Need{
		{Namespace: "shop", Resource: "pods", Verbs: []string{"list", "watch"}},
		{Namespace: "shop", Resource: "pods", Verbs: []string{"delete", "list"}},
		{Namespace: "shop", Resource: "events", Verbs: []string{"watch", "list"}},
		{Namespace: "shop", Resource: "secrets", Name: "db", Verbs: []string{"get", "list"}},
		{Namespace: "shop", Resource: "secrets", Verbs: []string{"list"}},
		{Namespace: "shop", Resource: "secrets", Name: "other", Verbs: []string{"list"}},
		{Namespace: "shop", Group: "apps", Resource: "deployments/scale", Name: "web", Verbs: []string{"get", "update"}},
		{Resource: "namespaces", Name: "shop", Verbs: []string{"get"}},
	}
	got := ""
	for _, object := range Roles("drill", needs, rbacv1.Subject{Kind: "ServiceAccount", Namespace: "ci", Name: "runner"}) {
		got += fmt.Sprintf("%s %s/%s\n", object.GetObjectKind().GroupVersionKind().Kind, object.GetNamespace(), object.GetName())
		var rules []rbacv1.PolicyRule
		switch object := object.(type) {
		case *rbacv1.Role:
			rules = object.Rules
		case *rbacv1.ClusterRole:
			rules = object.Rules
		case *rbacv1.RoleBinding:
			got += fmt.Sprintf("  %s %s to %v\n", object.RoleRef.Kind, object.RoleRef.Name, object.Subjects[0].Name)
		case *rbacv1.ClusterRoleBinding:
			got += fmt.Sprintf("  %s %s to %v\n", object.RoleRef.Kind, object.RoleRef.Name, object.Subjects[0].Name)
		}
		for _, rule := range rules {
			got += fmt.Sprintf("  %q %q %q %q\n", rule.APIGroups, rule.Resources, rule.ResourceNames, rule.Verbs)
		}
	}
	want := `ClusterRole /drill
  [""] ["namespaces"] ["shop"] ["get"]
ClusterRoleBinding /drill
  ClusterRole drill to runner
Role shop/drill
  [""] ["events"] [] ["list" "watch"]
  [""] ["pods"] [] ["delete" "list" "watch"]
  [""] ["secrets"] [] ["list"]
  [""] ["secrets"] ["db"] ["get"]
  ["apps"] ["deployments/scale"] ["web"] ["get" "update"]
RoleBinding shop/drill
  Role drill to runner
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if objects := Roles("drill", needs); len(objects) != 2 {
		t.Errorf("%d objects where nobody is bound, want the two roles", len(objects))
	}
}
