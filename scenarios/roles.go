package scenarios

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Roles are the roles of a name that allow the needs of one cluster and nothing else: a Role for each namespace, a ClusterRole for
// what is of no namespace. Each is bound to the subjects, if there are any.
func Roles(name string, needs []Need, subjects ...rbacv1.Subject) []client.Object {
	byNamespace := map[string][]Need{}
	for _, n := range MergeNeeds(needs) {
		byNamespace[n.Namespace] = append(byNamespace[n.Namespace], n)
	}
	var out []client.Object
	for _, namespace := range slices.Sorted(maps.Keys(byNamespace)) {
		own := metav1.ObjectMeta{Name: name, Namespace: namespace, Labels: map[string]string{"app.kubernetes.io/managed-by": "gameday"}}
		rules := policyRules(byNamespace[namespace])
		to := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Name: name}
		if namespace == "" {
			to.Kind = "ClusterRole"
			out = append(out, &rbacv1.ClusterRole{TypeMeta: rbacType("ClusterRole"), ObjectMeta: own, Rules: rules})
			if len(subjects) > 0 {
				out = append(out, &rbacv1.ClusterRoleBinding{TypeMeta: rbacType("ClusterRoleBinding"), ObjectMeta: own, RoleRef: to, Subjects: subjects})
			}
			continue
		}
		to.Kind = "Role"
		out = append(out, &rbacv1.Role{TypeMeta: rbacType("Role"), ObjectMeta: own, Rules: rules})
		if len(subjects) > 0 {
			out = append(out, &rbacv1.RoleBinding{TypeMeta: rbacType("RoleBinding"), ObjectMeta: own, RoleRef: to, Subjects: subjects})
		}
	}
	return out
}

func rbacType(kind string) metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: kind}
}

// policyRules are the rules of one role. A right to any object of a resource holds for one of a name, too, so that is not said
// twice; what has the same verbs is one rule.
func policyRules(needs []Need) []rbacv1.PolicyRule {
	anyOf := map[string][]string{}
	for _, n := range needs {
		if n.Name == "" {
			anyOf[n.Group+"/"+n.Resource] = n.Verbs
		}
	}
	rules := map[string]*rbacv1.PolicyRule{}
	for _, n := range needs {
		verbs := n.Verbs
		if n.Name != "" {
			verbs = slices.DeleteFunc(slices.Clone(verbs), func(verb string) bool {
				return slices.Contains(anyOf[n.Group+"/"+n.Resource], verb)
			})
		}
		if len(verbs) == 0 {
			continue
		}
		key := strings.Join([]string{n.Group, n.Name, strings.Join(verbs, ",")}, " ")
		if rules[key] == nil {
			rules[key] = &rbacv1.PolicyRule{APIGroups: []string{n.Group}, Verbs: verbs}
			if n.Name != "" {
				rules[key].ResourceNames = []string{n.Name}
			}
		}
		rules[key].Resources = append(rules[key].Resources, n.Resource)
	}
	out := make([]rbacv1.PolicyRule, 0, len(rules))
	for _, key := range slices.Sorted(maps.Keys(rules)) {
		slices.Sort(rules[key].Resources)
		out = append(out, *rules[key])
	}
	slices.SortStableFunc(out, func(a, b rbacv1.PolicyRule) int {
		return cmp.Or(cmp.Compare(a.APIGroups[0], b.APIGroups[0]), cmp.Compare(a.Resources[0], b.Resources[0]))
	})
	return out
}
